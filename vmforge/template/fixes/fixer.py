"""What a fixer is, and how one is applied to a document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TypeAlias

from vmforge.template.fixes.tree import Json, Object

Repair: TypeAlias = Callable[[Object], Object]


class Part(StrEnum):
    """The key of the document whose components a fixer looks at."""

    BUILDERS = "builders"
    PROVISIONERS = "provisioners"
    POST_PROCESSORS = "post-processors"


@dataclass(frozen=True, slots=True)
class Fixer:
    """One change that Packer made to its templates.

    `repair` gives the component as it is written today: a new object, or the very one that it was
    given when there is nothing to do. `types` are patterns (`amazon-*`) of the component types that
    it is asked about. A value of a kind that it does not expect is none of its business.
    """

    name: str
    description: str
    repair: Repair
    types: tuple[str, ...] = ("*",)
    part: Part = Part.BUILDERS

    def concerns(self, component: Object) -> bool:
        type_ = component.get("type")
        name = type_ if isinstance(type_, str) else ""
        return any(fnmatchcase(name, pattern) for pattern in self.types)


@dataclass(frozen=True, slots=True)
class Change:
    """That a fixer changed something; `place` is like `builders[0]`."""

    fixer: Fixer
    place: str


def apply(fixer: Fixer, document: Object) -> tuple[Object, list[Change]]:
    """The document after a fixer, and where it changed something. Keys of the root are read in any case,
    as Packer reads them."""
    changes: list[Change] = []
    fixed = {
        key: _repaired(fixer, value, key, changes) if key.lower() == fixer.part else value
        for key, value in document.items()
    }
    return fixed, changes


def _repaired(fixer: Fixer, value: Json, place: str, changes: list[Change]) -> Json:
    """A component, or the components in a list: post-processors stand in lists of lists."""
    if isinstance(value, list):
        return [_repaired(fixer, item, f"{place}[{i}]", changes) for i, item in enumerate(value)]
    if not isinstance(value, dict) or not fixer.concerns(value):
        return value
    after = fixer.repair(value)
    if after != value:
        changes.append(Change(fixer, place))
    return after
