"""Version constraints: `>= 1.9, < 2`, `~> 1.9.1`, as `required_version` and `required_plugins` state them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:-?([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?")
_CONSTRAINT = re.compile(r"\s*(=|!=|>=|<=|~>|>|<)?\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Version:
    """Numbers from the left, and what stands behind a dash: `1.9.0-beta1`."""

    numbers: tuple[int, ...]
    prerelease: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Raises ValueError with a message for the user."""
        match = _VERSION.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"`{text.strip()}` is no version; write numbers, as in `1.9.2`")
        return cls(tuple(int(number) for number in match[1].split(".")), match[2] or "")

    def order(self) -> tuple[object, ...]:
        """The key to compare by: `1.9` equals `1.9.0`, and a prerelease comes before its release."""
        significant = list(self.numbers)
        while significant and significant[-1] == 0:
            significant.pop()
        parts = tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in self.prerelease.split("."))
        return tuple(significant), not self.prerelease, parts


def _at_least_here(version: Version, bound: Version) -> bool:
    """`~>`: the last number that is written may grow, those before it may not."""
    fixed = len(bound.numbers) - 1
    padded = version.numbers + (0,) * fixed
    return version.order() >= bound.order() and padded[:fixed] == bound.numbers[:fixed]


_TESTS: Final[dict[str, Callable[[Version, Version], bool]]] = {
    "=": lambda version, bound: version.order() == bound.order(),
    "!=": lambda version, bound: version.order() != bound.order(),
    ">": lambda version, bound: version.order() > bound.order(),
    ">=": lambda version, bound: version.order() >= bound.order(),
    "<": lambda version, bound: version.order() < bound.order(),
    "<=": lambda version, bound: version.order() <= bound.order(),
    "~>": _at_least_here,
}


def satisfies(version: Version, constraints: str) -> bool:
    """Whether a version is within all constraints of a list with commas. Raises ValueError."""
    return all(_TESTS[operator](version, bound) for operator, bound in parse_constraints(constraints))


def parse_constraints(text: str) -> list[tuple[str, Version]]:
    """The operators and bounds of a list with commas; empty for an empty text. Raises ValueError."""
    return [_parse_one(part) for part in text.split(",")] if text.strip() else []


def _parse_one(text: str) -> tuple[str, Version]:
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"`{text.strip()}` is no version constraint; write one such as `>= 1.9` or `~> 1.9.1`"
        )
    return match[1] or "=", Version.parse(match[2])
