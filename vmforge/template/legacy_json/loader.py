"""From a legacy JSON template's text to `Template`. Every mistake of the file comes at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from vmforge.diagnostics import Diagnostic, Severity, did_you_mean, has_errors, raise_errors
from vmforge.sdk.compatibility import PACKER_VERSION
from vmforge.sdk.gotemplate import TemplateError, names_given_to
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.redaction import Redactor
from vmforge.template.json.syntax import JsonObject, JsonString, describe, strings
from vmforge.template.legacy_json.components import (
    ComponentReader,
    Entry,
    entries,
    post_processor_entries,
    same_name,
)
from vmforge.template.legacy_json.detection import STANDARD_INPUT
from vmforge.template.legacy_json.document import read_document
from vmforge.template.legacy_json.fields import Fields
from vmforge.template.legacy_json.variables import UserVariables, declare
from vmforge.template.model import BuildBlock, LegacyOutline, Template, VariableInputs
from vmforge.template.versions import Version, satisfies

_COMPONENTS: Final = ("builders", "provisioners", "post-processors", "error-cleanup-provisioner")
_ROOT: Final = (
    *_COMPONENTS,
    "description",
    "min_packer_version",
    "push",
    "sensitive-variables",
    "variables",
)


def load_legacy(path: Path, inputs: VariableInputs, *, started: datetime, tolerant: bool = False) -> Template:
    """Read the legacy JSON template at a path; `-` is standard input.

    Raises `DiagnosticError` with every finding. A `tolerant` load raises only for what keeps Packer from
    reading the template at all (broken syntax, duplicate keys, a list where an object belongs), and
    otherwise keeps what is wrong in `Template.errors`; it asks no server for variables.
    """
    root, diagnostics = read_document(path)
    if root is None:
        raise_errors(diagnostics)
    assert root is not None
    return _Loader(path, root, inputs, started, diagnostics, tolerant).load()


def parse_legacy(path: Path) -> list[Diagnostic]:
    """What is wrong with a template's syntax and shape. Raises `VmforgeError` for a path that is none."""
    root, diagnostics = read_document(path)
    return diagnostics if root is None else diagnostics + check_outline(root)


def check_outline(root: JsonObject) -> list[Diagnostic]:
    """What is wrong with the shape of a template that has been read."""
    diagnostics: list[Diagnostic] = []
    Outlined(root, diagnostics)
    return diagnostics


class Outlined:
    """The parts of a template, before anything is rendered. Errors here are errors to `inspect` too."""

    def __init__(self, root: JsonObject, diagnostics: list[Diagnostic]) -> None:
        fields = self._fields = Fields(root, diagnostics)
        _check_root(root, diagnostics)
        self.description = fields.text("description")
        self.minimum_version = fields.text("min_packer_version")
        self.sensitive = fields.texts("sensitive-variables")
        variables = fields.object("variables")
        self.variables = declare(variables, diagnostics) if variables is not None else {}
        self.builders = entries(fields.array("builders"), "builder", diagnostics)
        _check_builder_names(self.builders, diagnostics)
        self.provisioners = entries(fields.array("provisioners"), "provisioner", diagnostics)
        self.chains = post_processor_entries(fields.array("post-processors"), diagnostics)
        cleanup = fields.object("error-cleanup-provisioner")
        found = entries([cleanup] if cleanup is not None else [], "provisioner", diagnostics)
        self.cleanup = found[0] if found else None

    def section(self, name: str) -> JsonObject | None:
        """A section of the template that is an object."""
        return self._fields.object(name)

    def public(self) -> LegacyOutline:
        return LegacyOutline(
            self.description,
            tuple(v.name for v in self.variables.values() if v.default is None),
            {v.name: v.default for v in self.variables.values() if v.default is not None},
            tuple((entry.fields.text("name") or entry.type, entry.type) for entry in self.builders),
            tuple(entry.type for entry in self.provisioners),
        )


class _Loader:
    def __init__(
        self,
        path: Path,
        root: JsonObject,
        inputs: VariableInputs,
        started: datetime,
        diagnostics: list[Diagnostic],
        tolerant: bool,
    ) -> None:
        self._path, self._document, self._diagnostics = path, root, diagnostics
        self._folder = Path() if path == STANDARD_INPUT else path.parent
        self._outlined = Outlined(root, diagnostics)
        self._unreadable = has_errors(diagnostics)
        self._tolerant = tolerant
        self._variables = UserVariables(
            self._outlined.variables,
            inputs,
            diagnostics,
            started=started,
            root=self._folder,
            offline=tolerant,
        )
        self._secrets = self._sensitive_values() | self._variables.secrets
        self._values = {**self._variables.values, **dict.fromkeys(self._undeclared(), "")}
        self._engine = interpolator(started=started, template_dir=self._folder, variables=self._values)

    def load(self) -> Template:
        build = self._build()
        self._check_version()
        findings = self._redacted()
        if self._unreadable or not self._tolerant:
            raise_errors(findings)
        minimum = self._outlined.minimum_version
        return Template(
            path=self._path,
            root=self._folder,
            variables=self._variables.public({node.value for node in self._outlined.sensitive}),
            builds=(build,),
            required_version=f">= {minimum}" if minimum else "",
            warnings=tuple(f for f in findings if f.severity is Severity.WARNING),
            errors=tuple(f for f in findings if f.severity is Severity.ERROR),
            secrets=frozenset(self._secrets),
            user_variables=self._values,
            outline=self._outlined.public(),
        )

    def _build(self) -> BuildBlock:
        outlined = self._outlined
        reader = ComponentReader(self._engine.render, self._diagnostics)
        uses = reader.builders(outlined.builders)
        if not uses and not self._unreadable:
            hint = 'add `"builders": [{"type": "..."}]`'
            place = self._document.source.range(self._document.start, self._document.start + 1)
            self._diagnostics.append(Diagnostic.error("the template has no builders", range=place, hint=hint))
        names = [use.name for use in uses]
        cleanup = outlined.cleanup
        return BuildBlock(
            "",
            outlined.description,
            self._document.range,
            uses,
            tuple(reader.provisioner(entry, names) for entry in outlined.provisioners),
            reader.provisioner(cleanup, names) if cleanup is not None else None,
            tuple(tuple(reader.post_processor(entry, names) for entry in chain) for chain in outlined.chains),
        )

    def _check_version(self) -> None:
        """`min_packer_version` against the version whose language vmforge reads."""
        minimum, node = self._outlined.minimum_version, Fields(self._document, []).find("min_packer_version")
        if not minimum or node is None:
            return
        try:
            if satisfies(Version.parse(PACKER_VERSION), f">= {minimum}"):
                return
            summary = f"the template needs Packer {minimum}; vmforge reads the language of {PACKER_VERSION}"
        except ValueError as error:
            summary = f"`min_packer_version`: {error}"
        self._diagnostics.append(Diagnostic.error(summary, range=node.range))

    def _sensitive_values(self) -> set[str]:
        values, known = self._variables.values, self._variables.names()
        for node in self._outlined.sensitive:
            if node.value not in known:
                summary = f"`sensitive-variables` names `{node.value}`, which is no variable"
                hint = did_you_mean(node.value, known)
                self._diagnostics.append(Diagnostic.warning(summary, range=node.range, hint=hint))
        return {values.get(node.value, "") for node in self._outlined.sensitive} - {""}

    def _undeclared(self) -> set[str]:
        """The variables that components read although nothing declares them: to Packer they are empty."""
        known, functions = self._variables.names(), interpolator().functions
        found: set[str] = set()
        for node in self._component_strings():
            for name in sorted(_variables_in(node.value, functions) - known - found):
                found.add(name)
                hint = did_you_mean(name, known) or f'declare it: `"variables": {{"{name}": "..."}}`'
                summary = f"there is no variable `{name}`; it is empty here"
                self._diagnostics.append(Diagnostic.warning(summary, range=node.range, hint=hint))
        return found

    def _component_strings(self) -> Iterable[JsonString]:
        for member in self._document.members:
            if member.name.value.lower() in _COMPONENTS:
                yield from strings(member.value)

    def _redacted(self) -> list[Diagnostic]:
        """The findings in the order of the file, without the secrets that values may contain."""
        redact = Redactor()
        redact.add(self._secrets)

        def place(finding: Diagnostic) -> int:
            where = finding.range
            own = where is not None and where.path == self._document.source.path
            return where.start.offset if where is not None and own else -1

        return [
            replace(f, summary=redact(f.summary), detail=redact(f.detail), hint=redact(f.hint))
            for f in sorted(self._diagnostics, key=place)
        ]


def _check_builder_names(builders: Iterable[Entry], diagnostics: list[Diagnostic]) -> None:
    """Report builders whose names are the same as they are written, which keeps Packer from reading
    the template at all."""
    known: dict[str, Entry] = {}
    for entry in builders:
        first = known.setdefault(entry.name, entry)
        if first is not entry:
            diagnostics.append(same_name(entry, entry.name, first.node.range))


def _variables_in(text: str, functions: Collection[str]) -> frozenset[str]:
    """The user variables that a text reads."""
    if "user" not in text or "{{" not in text:
        return frozenset()
    try:
        return names_given_to("user", text, functions)
    except TemplateError:  # whoever renders the text reports it
        return frozenset()


def _check_root(root: JsonObject, diagnostics: list[Diagnostic]) -> None:
    """Report keys that a template does not have; those that start with `_` are comments."""
    for member in root.members:
        name = member.name.value
        if name.startswith("_"):
            if not isinstance(member.value, JsonString):
                summary = f"`{name}` is a comment, which must be a string, not {describe(member.value)}"
                diagnostics.append(Diagnostic.error(summary, range=member.value.range))
        elif name.lower() not in _ROOT:
            known = ", ".join(f"`{key}`" for key in _ROOT)
            hint = did_you_mean(name, _ROOT) or f"known are {known}; a comment's key starts with `_`"
            summary = f"unknown key `{name}` in a template"
            diagnostics.append(Diagnostic.error(summary, range=member.name.range, hint=hint))
