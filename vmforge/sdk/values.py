"""The value types of options: sizes, durations, secrets, and values not known yet."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeAlias

# Bytes that a file's name can have on every Linux (limits.h, NAME_MAX).
LONGEST_NAME: Final = 255


def can_be_path(text: str) -> bool:
    """Whether a text can name a file at all; what cannot makes `Path.exists` raise OSError."""
    return "\0" not in text and all(len(os.fsencode(part)) <= LONGEST_NAME for part in text.split("/"))


def expand_home(path: Path) -> Path:
    """`~` and `~USER` written out; of a user that there is not, the path itself, which is then no file's."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


class Unknown:
    """The type of `UNKNOWN`, a value that exists only once a build runs (`build.ID` in `validate`)."""

    _instance: Unknown | None = None

    def __new__(cls) -> Unknown:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()

# What a template's expression comes to, once the template language's own types are taken off.
Value: TypeAlias = (
    "str | bool | int | Decimal | Fraction | Unknown | Sequence[Value] | Mapping[str, Value] | None"
)

_SIZE_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4, "p": 1024**5}
_SIZE = re.compile(r"(\d+)\s*([bkmgtp]?)(?:i?b)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """An amount of bytes. Units are powers of 1024, as in qemu-img: `40G` is 40 GiB."""

    bytes: int

    @classmethod
    def parse(cls, text: str, *, default_unit: str = "") -> Size:
        """Read `40G`, `512M`, `1024`; a bare number counts in `default_unit`.

        Raises ValueError with a message for the user.
        """
        match = _SIZE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"`{text}` is not a size; write a number and a unit, as in `40G` or `512M`")
        unit = match[2].lower() or default_unit.lower()
        return cls(int(match[1]) * _SIZE_UNITS[unit])

    @property
    def mebibytes(self) -> int:
        return self.bytes // 1024**2

    def __str__(self) -> str:
        return format_bytes(self.bytes)


def format_bytes(count: int) -> str:
    """A byte count as people read it: `33.1 MiB`, `512 B`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


_DURATION_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span of time in seconds, written as Go writes it: `1m30s`, `250ms`, `-1s`."""

    seconds: float

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read a Go duration (https://pkg.go.dev/time#ParseDuration). Raises ValueError."""
        body, sign = text.strip(), 1.0
        if body[:1] in "+-" and body:
            sign = -1.0 if body[0] == "-" else 1.0
            body = body[1:]
        if body == "0":
            return cls(0.0)
        seconds, end = 0.0, 0
        for part in _DURATION_PART.finditer(body):
            if part.start() != end:
                break
            seconds += float(part[1]) * _DURATION_UNITS[part[2]]
            end = part.end()
        if not body or end != len(body):
            raise ValueError(f"`{text}` is not a duration; write a number and a unit, as in `5m` or `1m30s`")
        return cls(sign * seconds)

    def __mul__(self, factor: float) -> Duration:
        return Duration(self.seconds * factor)

    def __str__(self) -> str:
        return format_seconds(self.seconds)


def format_seconds(seconds: float) -> str:
    """A span of time as people read it: `0.4 s`, `48 s`, `5m`, `1h2m3s`."""
    if abs(seconds) < 60:
        return f"{seconds:.1f} s" if seconds % 1 else f"{int(seconds)} s"
    minutes, rest = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "m"), (rest, "s")]
    return ("-" if seconds < 0 else "") + "".join(f"{count}{unit}" for count, unit in parts if count)


@dataclass(frozen=True, slots=True)
class Secret:
    """A string that must never be shown; its text and its repr say `<sensitive>`."""

    value: str

    def __str__(self) -> str:
        return "<sensitive>"

    __repr__ = __str__

    def __bool__(self) -> bool:
        return bool(self.value)
