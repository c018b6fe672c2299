"""Reads `builders`, `provisioners` and `post-processors` into the blocks of one build.

What `type` and the like say is read at once; the options stay unrendered until a component's body is
decoded, when the name of the build and the values of the run are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vmforge.diagnostics import Diagnostic, SourceRange, did_you_mean
from vmforge.sdk.body import Body
from vmforge.template.json.syntax import JsonArray, JsonNode, JsonObject, JsonString, describe
from vmforge.template.legacy_json.fields import Fields, Render
from vmforge.template.model import Evaluated, PostProcessorBlock, ProvisionerBlock, RuntimeScope, SourceUse

_BUILDER_MEMBERS: Final = ("type", "name")
_PROVISIONER_MEMBERS: Final = (
    "type",
    "only",
    "except",
    "override",
    "pause_before",
    "max_retries",
    "timeout",
    "cache",
    "cache_ttl",
)
_POST_PROCESSOR_MEMBERS: Final = ("type", "name", "only", "except", "keep_input_artifact")


@dataclass(frozen=True)
class Entry:
    """An object that names a component. `fields` read its members."""

    type: str
    fields: Fields

    @property
    def node(self) -> JsonObject:
        return self.fields.node

    @property
    def name(self) -> str:
        """The name as it is written; the type where there is none."""
        name = self.fields.find("name")
        return name.value if isinstance(name, JsonString) and name.value else self.type


def entries(items: Sequence[JsonNode], what: str, diagnostics: list[Diagnostic]) -> list[Entry]:
    """The objects of a list of builders or provisioners; whatever is none is reported."""
    found = [_entry(item, what, diagnostics) for item in items]
    return [entry for entry in found if entry is not None]


def _entry(node: JsonNode, what: str, diagnostics: list[Diagnostic]) -> Entry | None:
    if not isinstance(node, JsonObject):
        summary = f"a {what} is an object, not {describe(node)}"
        hint = 'write `{"type": "..."}`'
        diagnostics.append(Diagnostic.error(summary, range=node.range, hint=hint))
        return None
    fields = Fields(node, diagnostics)
    before = len(diagnostics)
    type_ = fields.text("type")
    if not type_ and len(diagnostics) == before:
        start = node.source.range(node.start, node.start + 1)
        hint = 'add `"type": "..."`'
        diagnostics.append(Diagnostic.error(f"this {what} has no `type`", range=start, hint=hint))
    return Entry(type_, fields) if type_ else None


def post_processor_entries(items: Sequence[JsonNode], diagnostics: list[Diagnostic]) -> list[list[Entry]]:
    """The chains of `post-processors`, whose entries are a type, an object, or a list of those."""
    chains = []
    for item in items:
        members = item.items if isinstance(item, JsonArray) else (item,)
        found = [_post_processor_entry(member, diagnostics) for member in members]
        chains.append([entry for entry in found if entry is not None])
    return [chain for chain in chains if chain]


def _post_processor_entry(node: JsonNode, diagnostics: list[Diagnostic]) -> Entry | None:
    if isinstance(node, JsonString) and node.value:
        empty = JsonObject(node.source, node.start, node.end, ())
        return Entry(node.value, Fields(empty, diagnostics))
    if isinstance(node, JsonArray):
        summary = "a chain of post-processors cannot hold another"
        hint = "put the post-processors of both into one list"
        diagnostics.append(Diagnostic.error(summary, range=node.range, hint=hint))
        return None
    return _entry(node, "post-processor", diagnostics)


def same_name(entry: Entry, name: str, first: SourceRange) -> Diagnostic:
    """The error that a builder has the name of another."""
    place = entry.fields.find("name") or entry.fields.find("type") or entry.node
    hint = f"the first is at {first}; give one of them another `name`"
    return Diagnostic.error(f"there are two builders with the name `{name}`", range=place.range, hint=hint)


@dataclass(frozen=True)
class ComponentReader:
    """Turns entries into blocks. `render` replaces the `{{ }}` of what must be known at once."""

    render: Render
    diagnostics: list[Diagnostic]

    def builders(self, found: Sequence[Entry]) -> tuple[SourceUse, ...]:
        uses: dict[str, SourceUse] = {}
        for entry in found:
            fields = self._fields(entry)
            name = fields.rendered("name") or entry.type
            body = fields.body(_BUILDER_MEMBERS)
            use = SourceUse(entry.type, name, name, entry.node.range, _Given(body), bare=True)
            first = uses.setdefault(name, use)
            if first is not use:
                finding = same_name(entry, name, first.range)
                if finding not in self.diagnostics:  # names without `{{ }}` have been compared before
                    self.diagnostics.append(finding)
        return tuple(uses.values())

    def provisioner(self, entry: Entry, builders: Sequence[str]) -> ProvisionerBlock:
        fields = self._fields(entry)
        only, except_ = self._only_and_except(fields, builders, or_one=True)
        return ProvisionerBlock(
            entry.type,
            "",
            entry.node.range,
            _Overridden(fields.body(_PROVISIONER_MEMBERS), self._overrides(fields, builders)),
            only,
            except_,
            fields.duration("pause_before"),
            fields.count("max_retries"),
            fields.duration("timeout"),
            cache=fields.flag("cache"),
            cache_ttl=fields.duration("cache_ttl"),
        )

    def post_processor(self, entry: Entry, builders: Sequence[str]) -> PostProcessorBlock:
        fields = self._fields(entry)
        only, except_ = self._only_and_except(fields, builders)
        return PostProcessorBlock(
            entry.type,
            fields.rendered("name") or entry.type,
            entry.node.range,
            _Overridden(fields.body(_POST_PROCESSOR_MEMBERS), {}),
            only,
            except_,
            fields.flag("keep_input_artifact"),
        )

    def _fields(self, entry: Entry) -> Fields:
        return Fields(entry.node, self.diagnostics, self.render)

    def _only_and_except(
        self, fields: Fields, builders: Sequence[str], *, or_one: bool = False
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of builders; with `or_one` a single name is a list of one."""
        names = {name: fields.texts(name, or_one=or_one) for name in ("only", "except")}
        if names["only"] and names["except"]:
            summary = "`only` and `except` cannot stand together"
            fields.error(fields.find("except") or fields.node, summary, "keep one of them")
        for node in (*names["only"], *names["except"]):
            self._check_builder(fields, node, builders)
        return tuple(n.value for n in names["only"]), tuple(n.value for n in names["except"])

    def _overrides(self, fields: Fields, builders: Sequence[str]) -> dict[str, Body]:
        """What `override` sets, by the name of the builder."""
        section = fields.object("override")
        overrides = {}
        for member in section.members if section is not None else ():
            self._check_builder(fields, member.name, builders)
            if isinstance(member.value, JsonObject):
                overrides[member.name.value] = Fields(member.value, self.diagnostics).body(())
            else:
                summary = f"`override` needs an object of options here, not {describe(member.value)}"
                fields.error(member.value, summary)
        return overrides

    def _check_builder(self, fields: Fields, name: JsonString, builders: Sequence[str]) -> None:
        if name.value not in builders:
            listed = ", ".join(f"`{known}`" for known in builders)
            hint = did_you_mean(name.value, builders) or (f"the builders are {listed}" if builders else "")
            fields.error(name, f"there is no builder `{name.value}`", hint)


@dataclass(frozen=True)
class _Given:
    """A builder's body, as `SourceUse.evaluate` gives it."""

    body: Body

    def __call__(self) -> Evaluated:
        return Evaluated(self.body, [])


@dataclass(frozen=True)
class _Overridden:
    """A provisioner's body with what `override` sets for the builder at hand."""

    body: Body
    overrides: Mapping[str, Body]

    def __call__(self, runtime: RuntimeScope) -> Evaluated:
        override = self.overrides.get(runtime.source_name)
        settings = {**self.body.settings, **(override.settings if override is not None else {})}
        return Evaluated(Body(settings, (), self.body.range), [])
