"""Gives each builder the label of a source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmforge.diagnostics import Diagnostic
from vmforge.sdk.interpolate import interpolator
from vmforge.template.json.syntax import JsonString
from vmforge.template.legacy_json.components import Entry


@dataclass(frozen=True)
class Source:
    """A builder as a source. `name` is what builds call it, `label` the same where a label can be that."""

    entry: Entry
    name: str
    label: str
    computed_name: JsonString | None = None

    @property
    def address(self) -> str:
        return f"{self.entry.type}.{self.label}"

    @property
    def reference(self) -> str:
        """What `only` and `except` call it."""
        return f"{self.entry.type}.{self.name}"

    @property
    def is_renamed(self) -> bool:
        return self.name != self.label


def name_sources(
    entries: Sequence[Entry], values: Mapping[str, str], diagnostics: list[Diagnostic]
) -> list[Source]:
    """The sources of builders. `values` are what user variables come to without further input; that of
    one that needs input is its name."""
    sources: list[Source] = []
    for entry in entries:
        node = entry.fields.find("name")
        written = node if isinstance(node, JsonString) and node.value else None
        computed = written if written is not None and "{{" in written.value else None
        name = written.value if written is not None else entry.type
        if computed is not None:
            name = _rendered(computed, values, entry.type, diagnostics)
        source = Source(entry, name, _label(name), computed)
        taken = {other.address for other in sources}
        while source.address in taken:
            source = Source(entry, name, f"{source.label}_2", computed)
        sources.append(source)
        if source.is_renamed and computed is None:
            summary = f"builder `{name}` is now source `{source.address}`: a label cannot be `{name}`"
            hint = "names that come from it (the output directory, unless it is set) change too"
            diagnostics.append(Diagnostic.warning(summary, range=entry.node.range, hint=hint))
    return sources


def _rendered(
    node: JsonString, values: Mapping[str, str], otherwise: str, diagnostics: list[Diagnostic]
) -> str:
    """A computed name with the variables' own values; `otherwise` when they come to nothing."""
    try:
        name = interpolator(variables=values).render(node.value) or otherwise
    except ValueError:
        name = node.value
    summary = f"the name of a source cannot be computed: this one is now `{name}`, whatever the variables are"
    diagnostics.append(Diagnostic.warning(summary, range=node.range, hint="change the label by hand"))
    return name


def _label(name: str) -> str:
    """Packer's labels begin with a letter, and have letters, digits, `_` and `-`."""
    label = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return label if label[:1].isalpha() else f"source_{label}"
