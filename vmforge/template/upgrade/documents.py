"""Lays out the upgraded template: plugins, variables, local values, sources, and the one build."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import vmforge.template.upgrade.notes as notes
from vmforge.diagnostics import Diagnostic, raise_errors
from vmforge.errors import UsageError
from vmforge.sdk.registry import Kind, Registry
from vmforge.template.hcl.formatter import format_text
from vmforge.template.json.syntax import JsonArray, JsonNode, JsonNumber, JsonObject, JsonString
from vmforge.template.legacy_json.components import Entry
from vmforge.template.legacy_json.detection import STANDARD_INPUT
from vmforge.template.legacy_json.document import read_document
from vmforge.template.legacy_json.loader import Outlined, load_legacy
from vmforge.template.model import VariableInputs
from vmforge.template.upgrade.bodies import BodyWriter
from vmforge.template.upgrade.expressions import Scope
from vmforge.template.upgrade.names import Names
from vmforge.template.upgrade.options import Options, may_have_blocks, options_for
from vmforge.template.upgrade.sources import Source, name_sources
from vmforge.template.upgrade.texts import Texts, is_computed
from vmforge.template.upgrade.tokens import Interpolation, Part, block, comment, key, quoted
from vmforge.template.upgrade.variables import VariableWriter, find_circular


@dataclass(frozen=True, slots=True)
class PluginRequirement:
    """What `required_plugins` says of a plugin: its name there, its address, the versions that suit."""

    name: str
    source: str
    version: str


# The plugin that a component comes with; None for one that is part of Packer, or not known.
FindPlugin = Callable[[Kind, str], PluginRequirement | None]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A template in HCL2, and what the user must look at."""

    text: str
    warnings: tuple[Diagnostic, ...]


def upgrade(
    path: Path,
    registry: Registry,
    find_plugin: FindPlugin = lambda kind, name: None,
    *,
    annotate: bool = False,
) -> Upgraded:
    """The legacy JSON template at a path in HCL2, with comments that explain it when `annotate` is set.

    The registry tells which options of its components are blocks. Raises `DiagnosticError` for a template
    that Packer could not read, `VmforgeError` for a path that cannot be read.
    """
    if path == STANDARD_INPUT:
        raise UsageError("a template to upgrade is read from a file, not from standard input")
    root, diagnostics = read_document(path)
    raise_errors(diagnostics)
    assert root is not None
    outlined = Outlined(root, diagnostics)
    raise_errors(diagnostics)
    document = _Document(path, root, outlined, registry, find_plugin, annotate, diagnostics)
    return Upgraded(format_text(document.write()), tuple(dict.fromkeys(diagnostics)))


@dataclass
class _Document:
    path: Path
    root: JsonObject
    outlined: Outlined
    registry: Registry
    find_plugin: FindPlugin
    annotate: bool
    diagnostics: list[Diagnostic]
    _plugins: dict[str, PluginRequirement] = field(default_factory=dict)

    def write(self) -> str:
        """The whole text. What is written last in time stands first: plugins and variables are known when
        all components are written."""
        defaults = self._defaults()
        circular = find_circular(defaults)
        computed = {name for name, node in defaults.items() if is_computed(node.value)} - circular
        names = Names(self.outlined.variables, computed)
        sensitive = {node.value for node in self.outlined.sensitive}
        scope = Scope(names, in_variables=True)
        declared = {
            name: replace(variable, default=None) if name in circular else variable
            for name, variable in self.outlined.variables.items()
        }
        variables = VariableWriter(scope, declared, defaults, sensitive, self.diagnostics, self.annotate)
        local_values = variables.local_values()
        sources = name_sources(self.outlined.builders, self._values(names), self.diagnostics)
        blocks = [self._source(source, names) for source in sources]
        build = self._build(sources, names)
        parts = [
            *self._head(),
            self._packer(),
            *self._noted(notes.VARIABLES, list(variables.variables())),
            local_values,
            variables.timestamp(),
            *self._noted(notes.SOURCES, blocks),
            *self._noted(notes.BUILD, [build]),
        ]
        return "\n".join(part for part in parts if part)

    def _noted(self, note: str, blocks: list[str]) -> list[str]:
        """Blocks with a comment before them."""
        return [comment(note), *blocks] if self.annotate and blocks else blocks

    def _head(self) -> Iterator[str]:
        if self.annotate:
            yield comment(notes.HEAD)
        for member in self.root.members:
            if member.name.value.startswith("_") and isinstance(member.value, JsonString):
                yield comment(member.value.value)

    def _defaults(self) -> dict[str, JsonString]:
        """The defaults of variables that are strings."""
        section = self.outlined.section("variables")
        members = section.members if section is not None else ()
        return {m.name.value: m.value for m in members if isinstance(m.value, JsonString)}

    def _values(self, names: Names) -> Mapping[str, str]:
        """What the user variables come to by themselves, and the names of those that need a value; asked
        only for names of builders."""
        nodes = [entry.fields.find("name") for entry in self.outlined.builders]
        if not any(isinstance(node, JsonString) and "{{" in node.value for node in nodes):
            return {}
        loaded = load_legacy(self.path, VariableInputs(), started=datetime.now(UTC), tolerant=True)
        required = {name for name, declared in self.outlined.variables.items() if declared.default is None}
        return {**loaded.user_variables, **{name: name for name in required | names.required}}

    # blocks

    def _packer(self) -> str:
        lines = []
        if self.outlined.minimum_version:
            lines.append(f"required_version = {quoted(['>= ' + self.outlined.minimum_version])}\n")
        entries = [
            f"{key(p.name)} = {{\nversion = {quoted([p.version])}\nsource = {quoted([p.source])}\n}}\n"
            for p in sorted(self._plugins.values(), key=lambda p: p.name)
        ]
        lines += [block("required_plugins", (), "".join(entries))] if entries else []
        return block("packer", (), "".join(lines)) if lines else ""

    def _source(self, source: Source, names: Names) -> str:
        scope = Scope(names)
        if source.computed_name is not None:
            scope = replace(scope, build_name=tuple(self._texts(scope).parts(source.computed_name)))
        elif source.is_renamed:
            scope = replace(scope, build_name=(source.name,))
        entry = source.entry
        writer = BodyWriter(self._texts(scope))
        body = writer.body(entry.node, self._options(Kind.BUILDER, entry), ("type", "name"))
        return block("source", [entry.type, source.label], body)

    def _build(self, sources: Sequence[Source], names: Names) -> str:
        special = {name: _References(sources) for name in ("only", "except")}
        scope = Scope(names, running=True, build_name=self._build_name(sources, names))
        texts = self._texts(scope)
        provisioner = BodyWriter(
            texts,
            {
                **special,
                "override": BodyWriter(self._texts(replace(scope, running=False))).value,
                "pause_before": _duration,
                "timeout": _duration,
            },
        )
        post_processor = BodyWriter(texts, dict(special))
        head = f"description = {quoted([self.outlined.description])}\n" if self.outlined.description else ""
        parts = [head + _sources(sources)]
        parts += [
            self._provisioner("provisioner", entry, provisioner) for entry in self.outlined.provisioners
        ]
        if self.outlined.cleanup is not None:
            parts.append(self._provisioner("error-cleanup-provisioner", self.outlined.cleanup, provisioner))
        parts += [self._chain(chain, post_processor) for chain in self.outlined.chains]
        return block("build", (), "\n".join(part for part in parts if part))

    def _build_name(self, sources: Sequence[Source], names: Names) -> tuple[Part, ...]:
        """What ``{{build_name}}`` is in provisioners; empty where the engine says it."""
        if len(sources) == 1 and sources[0].computed_name is not None:
            return tuple(self._texts(Scope(names)).parts(sources[0].computed_name))
        return (Interpolation("source.name"),) if any(source.is_renamed for source in sources) else ()

    def _provisioner(self, type_: str, entry: Entry, writer: BodyWriter) -> str:
        body = writer.body(entry.node, self._options(Kind.PROVISIONER, entry), ("type",))
        return block(type_, [entry.type], body)

    def _chain(self, chain: Sequence[Entry], writer: BodyWriter) -> str:
        blocks = [self._post_processor(entry, writer) for entry in chain]
        return blocks[0] if len(blocks) == 1 else block("post-processors", (), "\n".join(blocks))

    def _post_processor(self, entry: Entry, writer: BodyWriter) -> str:
        body = writer.body(entry.node, self._options(Kind.POST_PROCESSOR, entry), ("type",))
        return block("post-processor", [entry.type], body)

    def _texts(self, scope: Scope) -> Texts:
        return Texts(scope, self.diagnostics)

    def _options(self, kind: Kind, entry: Entry) -> Options:
        """A component's options; its plugin goes into `required_plugins`."""
        plugin = self.find_plugin(kind, entry.type)
        if plugin is not None:
            self._plugins[plugin.name] = plugin
        options = options_for(kind, entry.type, self.registry)
        if options is None and may_have_blocks(entry.node):
            summary = f"vmforge has no {kind} `{entry.type}`: which of its options are blocks is a guess"
            hint = "lists of objects are written as blocks, as Packer's plugins mostly have them"
            place = entry.fields.find("type") or entry.node
            if not any(found.summary == summary for found in self.diagnostics):
                self.diagnostics.append(Diagnostic.warning(summary, range=place.range, hint=hint))
        return options or Options()


@dataclass(frozen=True)
class _References:
    """Writes `only` and `except`: JSON has bare names there, HCL `TYPE.NAME`."""

    sources: Sequence[Source]

    def __call__(self, node: JsonNode) -> str | None:
        items = node.items if isinstance(node, JsonArray) else (node,)
        if not all(isinstance(item, JsonString) for item in items):
            return None
        names = {source.name: source.reference for source in self.sources}
        names |= {s.computed_name.value: s.reference for s in self.sources if s.computed_name is not None}
        found = [names.get(item.value, item.value) for item in items if isinstance(item, JsonString)]
        return f"[{', '.join(quoted([name]) for name in found)}]"


def _duration(node: JsonNode) -> str | None:
    """JSON's bare numbers are nanoseconds; HCL has none."""
    return quoted([f"{node.text}ns"]) if isinstance(node, JsonNumber) else None


def _sources(sources: Sequence[Source]) -> str:
    """How a build names its sources: in a list, but one by one when some go by another name."""
    addresses = [f"source.{source.address}" for source in sources]
    if any(source.is_renamed for source in sources):
        names = [f"name = {quoted([s.name])}\n" if s.is_renamed else "" for s in sources]
        pairs = zip(addresses, names, strict=True)
        return "\n".join(block("source", [address], name) for address, name in pairs)
    if len(addresses) == 1:
        return f"sources = [{quoted(addresses)}]\n"
    return "sources = [\n" + "".join(f"{quoted([address])},\n" for address in addresses) + "]\n"
