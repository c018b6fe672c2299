"""What a screen says: a value, whatever it was read from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

# What stands for a cell whose picture is no known character.
UNKNOWN: Final = "\N{REPLACEMENT CHARACTER}"


class Source(StrEnum):
    """How a text was read; OCR alone may be wrong."""

    GLYPHS = "glyphs"
    MEMORY = "memory"
    OCR = "ocr"


class Colours(NamedTuple):
    """A cell's two colours as 0xRRGGBB, rounded to 3, 3 and 2 bits; those of the VGA palette are exact.
    The ink of a blank cell is its paper."""

    ink: int
    paper: int


@dataclass(frozen=True, slots=True)
class ScreenText:
    """The text on a screen at one moment.

    `lines` are its rows from the top, without blanks at their ends, empty ones included; a cell that is
    no known character is U+FFFD. `cursor` is its row and column from 0, None while it is not to be seen
    (it may blink) or not certain. `colours` has each row's cells, or is empty where they are not known.
    """

    lines: tuple[str, ...]
    cursor: tuple[int, int] | None = None
    columns: int = 80
    colours: tuple[tuple[Colours, ...], ...] = ()
    source: Source = Source.GLYPHS

    @property
    def text(self) -> str:
        """The lines joined, without empty ones at the end."""
        return "\n".join(self.lines).rstrip("\n")

    @property
    def last_line(self) -> str:
        """The last line that is not empty, without blanks around it; empty on an empty screen."""
        return next((line.strip() for line in reversed(self.lines) if line.strip()), "")

    @property
    def unknown(self) -> int:
        """How many cells show something that is no known character."""
        return sum(line.count(UNKNOWN) for line in self.lines)

    def search(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        """The first match of a regular expression in `text`, else in the lines with the blanks at their ends
        (for `login: `); `^` and `$` of a pattern that is text match at each line's."""
        if isinstance(pattern, str):
            pattern = re.compile(pattern, re.MULTILINE)
        return pattern.search(self.text) or pattern.search(self._padded)

    @property
    def _padded(self) -> str:
        return "\n".join(line.ljust(self.columns) for line in self.lines)
