"""A component's block in a template, evaluated: what `decoding` turns into a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from vmforge.diagnostics import SourceRange
from vmforge.sdk.values import Value


class Place(Protocol):
    """Where a value is written. It is asked only when there is something to say about the value."""

    @property
    def range(self) -> SourceRange: ...

    @property
    def name_range(self) -> SourceRange | None:
        """The place of the name that the value has, in an object."""

    def inside(self, key: str | int) -> Place | None:
        """The place of an object's member or of a list's item; None when it is not written out here."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`name = value`. `range` covers the value, `name_range` the name; `place` knows the parts of a
    value that is written out."""

    name: str
    value: Value
    range: SourceRange | None = None
    name_range: SourceRange | None = None
    place: Place | None = None

    @classmethod
    def at(cls, name: str, value: Value, place: Place) -> Setting:
        return cls(name, value, place.range, place.name_range, place)


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

    @classmethod
    def at(cls, values: Mapping[str, Value], place: Place) -> Body:
        """The body that an object stands for. What the object does not write out itself is where it is."""
        settings = {
            name: Setting.at(name, value, place.inside(name) or place) for name, value in values.items()
        }
        return cls(settings, (), place.range)
