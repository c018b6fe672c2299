"""Reads a template: files, variables, local values, builds. Every mistake of all files comes at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from vmforge.diagnostics import Diagnostic, Severity, has_errors, raise_errors
from vmforge.sdk.compatibility import PACKER_VERSION
from vmforge.sdk.redaction import Redactor
from vmforge.sdk.values import UNKNOWN
from vmforge.template.arguments import ArgumentReader, check_labels, check_names
from vmforge.template.blocks import BoundBlock, expand
from vmforge.template.builds import BuildReader, Sources
from vmforge.template.data_blocks import DataBlocks, DataValues
from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.expressions.evaluation import evaluate
from vmforge.template.expressions.scope import Namespace, Scope
from vmforge.template.expressions.values import Value, entries
from vmforge.template.files import TemplateFiles, find_files, read_file
from vmforge.template.functions import DEFAULT_FUNCTIONS, FUNCTIONS
from vmforge.template.functions.context import FunctionContext
from vmforge.template.hcl.syntax import Block, Body
from vmforge.template.legacy_json.detection import is_legacy_json
from vmforge.template.local_values import LocalValues
from vmforge.template.model import (
    BuildBlock,
    RequiredPlugin,
    Template,
    VariableInputs,
)
from vmforge.template.variables import Variables
from vmforge.template.versions import Version, parse_constraints, satisfies

_BLOCKS: Final = (
    "build",
    "communicator",
    "data",
    "hcp_packer_registry",
    "local",
    "locals",
    "packer",
    "source",
    "variable",
    "variables",
)
_ELSEWHERE: Final = {
    "source": "`source.name` and `source.type` exist in sources, provisioners and post-processors",
    "build": "`build.*` exists in provisioners and post-processors: it is known only while a build runs",
    "each": "there is no `each`; iterate with a `dynamic` block",
    "env": 'the environment is read by `env("NAME")`, in the default of a variable',
}


def load(
    path: Path,
    inputs: VariableInputs,
    *,
    started: datetime,
    run_uuid: str = "",
    data_values: DataValues | None = None,
    tolerant: bool = False,
    config_type: str = "",
) -> Template:
    """Read the template at a path: a file, a folder, or `-` for legacy JSON on standard input.
    `config_type` (`hcl2` or `json`) says which language it is, instead of its name.

    `started` (UTC) is what `timestamp()` tells, `run_uuid` is `build.PackerRunUUID`. `data_values` are
    the values of data sources by type and name; those of others are unknown. Raises `DiagnosticError`
    with every finding, and `VmforgeError` for a path that is no template. A `tolerant` load raises only
    for broken syntax and declarations, and otherwise keeps what is wrong in `Template.errors`:
    `inspect` shows templates whose variables have no values.
    """
    if is_legacy_json(path, config_type):
        from vmforge.template.legacy_json.loader import load_legacy

        return load_legacy(path, inputs, started=started, tolerant=tolerant)
    return _Loader(path, find_files(path), inputs, started, data_values or {}, run_uuid).load(tolerant)


def parse_only(path: Path, config_type: str = "") -> list[Diagnostic]:
    """What is wrong with the syntax of a template's files. Raises `VmforgeError` for a path that is none."""
    if is_legacy_json(path, config_type):
        from vmforge.template.legacy_json.loader import parse_legacy

        return parse_legacy(path)
    return [finding for file in find_files(path).templates for finding in read_file(file)[1]]


class _Loader:
    def __init__(
        self,
        path: Path,
        files: TemplateFiles,
        inputs: VariableInputs,
        started: datetime,
        data_values: DataValues,
        run_uuid: str,
    ) -> None:
        self._path, self._files, self._inputs = path, files, inputs
        self._run_uuid = run_uuid
        self._diagnostics: list[Diagnostic] = []
        self._context = FunctionContext(
            files.root, started, inputs.environment, network=inputs.network, reads=inputs.reads
        )
        constants = Scope({}, self._context)
        defaults = Scope({}, self._context, functions=DEFAULT_FUNCTIONS)
        self._variables = Variables(defaults, constants, self._diagnostics)
        self._locals = LocalValues(constants, self._diagnostics)
        self._constants = constants
        self._sources = Sources({}, self._diagnostics)
        self._data = DataBlocks(data_values, self._diagnostics)
        self._required_version = ""
        self._required_plugins: list[RequiredPlugin] = []

    def load(self, tolerant: bool) -> Template:
        bodies = self._parse()
        broken = has_errors(self._diagnostics)
        for body in bodies:
            self._declare(body)
        if broken:  # what could not be parsed would be missed by all that follows
            self._raise_errors()
        tolerant = tolerant and not has_errors(self._diagnostics)
        self._variables.assign(self._inputs, self._files.auto_variables)
        self._context.secrets.update(self._variables.secrets())
        self._variables.check(lambda own: Scope({"var": own}, self._context, functions=FUNCTIONS))
        scope = self._scope()
        self._read_data(bodies, scope)
        local_values = {value.name: value for value in self._locals.evaluate_all()}
        builds = self._read_builds(bodies, scope)
        if not tolerant:
            self._raise_errors()
        findings = self._redacted()
        return Template(
            path=self._path,
            root=self._files.root,
            variables={variable.name: variable.public() for variable in self._variables},
            local_values=local_values,
            builds=builds,
            sources=self._sources.public(),
            data=tuple(self._data.blocks),
            required_version=self._required_version,
            required_plugins=tuple(self._required_plugins),
            warnings=tuple(f for f in findings if f.severity is Severity.WARNING),
            errors=tuple(f for f in findings if f.severity is Severity.ERROR),
            secrets=frozenset(self._context.secrets),
            scope=scope,
        )

    def _raise_errors(self) -> None:
        if has_errors(self._diagnostics):
            raise_errors(self._redacted())

    def _redacted(self) -> list[Diagnostic]:
        """The findings in the order of the files, without the secrets that values may contain."""
        redact = Redactor()
        redact.add(self._context.secrets)
        paths = {str(path): number for number, path in enumerate(self._files.templates)}

        def place(finding: Diagnostic) -> tuple[int, int]:
            where = finding.range
            return (paths.get(where.path, len(paths)), where.start.offset) if where is not None else (-1, 0)

        return [
            replace(f, summary=redact(f.summary), detail=redact(f.detail), hint=redact(f.hint))
            for f in sorted(self._diagnostics, key=place)
        ]

    def _parse(self) -> list[Body]:
        parsed = [read_file(path) for path in self._files.templates]
        self._diagnostics += [finding for _, findings in parsed for finding in findings]
        return [body for body, _ in parsed]

    def _declare(self, body: Body) -> None:
        """Take in what does not depend on values."""
        check_names(body, "a template", self._diagnostics, blocks=(*_BLOCKS, "dynamic"))
        for block in body.blocks:
            if block.type == "variable":
                self._variables.declare(block)
            elif block.type == "variables":
                self._variables.declare_untyped(block)
            elif block.type == "locals":
                self._locals.declare(block)
            elif block.type == "local":
                self._locals.declare_one(block)
            elif block.type == "packer":
                self._read_packer(block)

    def _scope(self) -> Scope:
        """What can be referred to everywhere but in declarations of variables."""
        names: dict[str, Value | Namespace] = {
            "var": self._variables,
            "local": self._locals,
            "path": {"root": str(self._files.root), "cwd": str(Path.cwd())},
            "packer": {"version": PACKER_VERSION, "iterationID": UNKNOWN, "versionFingerprint": UNKNOWN},
            "data": UNKNOWN,
        }
        scope = Scope(names, self._context, functions=FUNCTIONS, elsewhere=_ELSEWHERE)
        self._locals.scope = scope
        self._names = names
        return scope

    def _read_data(self, bodies: list[Body], scope: Scope) -> None:
        """The `data` blocks, and `data` in expressions."""
        self._names["data"] = self._data.table
        self._data.read((block for body in bodies for block in _wanted(body, "data")), scope)

    def _read_builds(self, bodies: list[Body], scope: Scope) -> tuple[BuildBlock, ...]:
        for block in self._blocks(bodies, scope, "source"):
            self._sources.declare(block)
        found = [b for b in self._blocks(bodies, scope, "build") if check_labels(b, (), self._diagnostics)]
        return tuple(self._build_reader(block).read() for block in found)

    def _build_reader(self, block: BoundBlock) -> BuildReader:
        return BuildReader(block, self._sources, self._diagnostics, self._run_uuid)

    def _blocks(self, bodies: list[Body], scope: Scope, type_: str) -> list[BoundBlock]:
        """The blocks of one type in all files, those that `dynamic` makes included."""
        found = []
        for body in bodies:
            part = Body(body.source, body.start, body.end, {}, _wanted(body, type_))
            found += list(expand(part, scope, self._diagnostics))
        return found

    def _read_packer(self, block: Block) -> None:
        what = "`packer`"
        check_names(
            block.body, what, self._diagnostics, arguments=("required_version",), blocks=("required_plugins",)
        )
        reader = ArgumentReader(block.body, self._constants, self._diagnostics)
        version = reader.text("required_version")
        if version:
            self._required_version = version
            self._check_required_version(version, reader)
        for plugins in block.body.blocks:
            for argument in plugins.body.arguments.values():
                try:
                    wanted = entries(evaluate(argument.expression, self._constants)) or {}
                except EvaluationError as error:
                    self._diagnostics.append(error.diagnostic)
                    continue
                plugin = RequiredPlugin(
                    argument.name,
                    str(wanted.get("version", "")),
                    str(wanted.get("source", "")),
                    argument.name_range,
                )
                self._required_plugins.append(plugin)
                self._check_plugin_version(plugin)

    def _check_required_version(self, constraints: str, reader: ArgumentReader) -> None:
        try:
            suits = satisfies(Version.parse(PACKER_VERSION), constraints)
        except ValueError as error:
            reader.error("required_version", f"`required_version`: {error}")
            return
        if not suits:
            summary = (
                f"the template needs Packer `{constraints}`; vmforge reads the language of {PACKER_VERSION}"
            )
            reader.error("required_version", summary, "change `required_version`, or use a newer vmforge")

    def _check_plugin_version(self, plugin: RequiredPlugin) -> None:
        """Its syntax only: components of vmforge have no versions of Packer's plugins."""
        try:
            parse_constraints(plugin.version)
        except ValueError as error:
            summary = f"`version` of plugin `{plugin.name}`: {error}"
            self._diagnostics.append(Diagnostic.error(summary, range=plugin.range))


def _makes(block: Block, type_: str) -> bool:
    return block.type == "dynamic" and block.label_values == (type_,)


def _wanted(body: Body, type_: str) -> list[Block]:
    """The blocks of one type in a file, and the `dynamic` ones that make such."""
    return [b for b in body.blocks if b.type == type_ or _makes(b, type_)]
