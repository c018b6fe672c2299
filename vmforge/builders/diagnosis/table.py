"""The table of signs: TOML files, vmforge's own and the user's.

Each table of a file is a sign, its name the sign's id:

    [kernel-panic]
    title = "the guest's kernel panicked: {why}"        # groups of the expressions may be used
    next = "look at the lines above it"                 # the next thing to try, as an order
    screen = 'Kernel panic - not syncing: (?P<why>.+)'  # also: serial, http, ssh, qemu
    serial = 'Kernel panic - not syncing: (?P<why>.+)'

and, if wanted: `needs = "all"` (every expression must match, not just one of them), `rank` (of several
signs the one with the highest comes first; 50), `certain = true` (nothing can come of waiting any longer),
`hold` (for how many seconds nothing may change before that is believed; 5), `idle = true` (nor may the
guest's processors have anything to do meanwhile), `waiting = true` (holds only once all has been typed) and
`unless_attended = true` (certain only where nobody looks at the screen: `headless`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vmforge.builders.diagnosis.evidence import Place

_OWN: Final = Path(__file__).with_name("signs")
_NEEDS: Final = ("any", "all")
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "title": (str,),
    "next": (str,),
    "needs": (str,),
    "rank": (int,),
    "hold": (int, float),
    "certain": (bool,),
    "idle": (bool,),
    "waiting": (bool,),
    "unless_attended": (bool,),
} | {place.value: (str,) for place in Place}


@dataclass(frozen=True)
class Sign:
    """A row of the table; see the module."""

    id: str
    title: str
    next_step: str
    patterns: Mapping[Place, re.Pattern[str]]
    needs_all: bool = False
    rank: int = 50
    certain: bool = False
    hold: float = 5.0
    idle: bool = False
    waiting: bool = False
    unless_attended: bool = False


@dataclass
class Table:
    """The signs by their ids, and what is wrong with the files that could not be used."""

    signs: dict[str, Sign] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, path: Path) -> None:
        """Add a file's signs; one replaces an earlier one of the same id."""
        try:
            rows = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self.problems.append(f"`{path}` cannot be read: {error}")
            return
        for id, row in rows.items():
            try:
                self.signs[id] = _sign(id, row)
            except ValueError as error:
                self.problems.append(f"`{path}`: sign `{id}`: {error}")


def read_signs(environment: Mapping[str, str]) -> Table:
    """vmforge's signs and the user's: those of `$VMFORGE_SIGNS`, else of `vmforge/signs` below the folder of
    the user's configuration (`$XDG_CONFIG_HOME`)."""
    table = Table()
    for folder in (_OWN, _users_folder(environment)):
        for path in sorted(folder.glob("*.toml")):
            table.add(path)
    return table


def _users_folder(environment: Mapping[str, str]) -> Path:
    if own := environment.get("VMFORGE_SIGNS"):
        return Path(own)
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "vmforge" / "signs"


def _sign(id: str, row: Any) -> Sign:
    """Raises ValueError, which says what is wrong with it."""
    if not isinstance(row, dict):
        raise ValueError("it is no table")
    for problem in _problems(row):
        raise ValueError(problem)
    patterns = {place: _pattern(row[place.value]) for place in Place if place.value in row}
    return Sign(
        id,
        row["title"],
        row["next"],
        patterns,
        needs_all=row.get("needs") == "all",
        rank=row.get("rank", 50),
        certain=row.get("certain", False),
        hold=float(row.get("hold", 5)),
        idle=row.get("idle", False),
        waiting=row.get("waiting", False),
        unless_attended=row.get("unless_attended", False),
    )


def _problems(row: Mapping[str, Any]) -> Iterator[str]:
    for name, value in row.items():
        if name not in _TYPES:
            yield f"`{name}` is none of {', '.join(f'`{known}`' for known in _TYPES)}"
        elif not isinstance(value, _TYPES[name]):
            yield f"`{name}` is not of the right type"
    for name in ("title", "next"):
        if name not in row:
            yield f"`{name}` is missing"
    if row.get("needs", "any") not in _NEEDS:
        yield '`needs` is neither "any" nor "all"'
    if not any(place.value in row for place in Place):
        yield f"it has none of {', '.join(f'`{place}`' for place in Place)}"


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.MULTILINE)
    except re.error as error:
        raise ValueError(f"`{text}` is no regular expression: {error}") from None
