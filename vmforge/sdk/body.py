"""A component's block in a template, evaluated: what `decoding` turns into a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmforge.diagnostics import SourceRange
from vmforge.sdk.values import Value


@dataclass(frozen=True, slots=True)
class Setting:
    """`name = value`. `range` covers the value, `name_range` the name."""

    name: str
    value: Value
    range: SourceRange | None = None
    name_range: SourceRange | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """`type "label" { ... }` inside a component's body."""

    type: str
    labels: tuple[str, ...]
    body: Body
    range: SourceRange | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The settings and blocks of a component. `range` is where a missing option is reported."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    range: SourceRange | None = None

    @classmethod
    def of(cls, values: Mapping[str, Value], range: SourceRange | None = None) -> Body:
        """A body of plain values, for tests and for what the program itself sets."""
        settings = {name: Setting(name, value, range, range) for name, value in values.items()}
        return cls(settings, (), range)
