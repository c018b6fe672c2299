"""The text screen in a PC's own memory: exact, whatever font the guest has loaded, and no pixels needed.

The adapter's memory from 0xB8000 holds two bytes a cell, character and attribute (code page 437; ink in bits
0 to 3, paper in bits 4 to 6). BIOS programs use its beginning; Linux scrolls by moving the start along it,
which only the adapter knows, so that a picture of the screen has to tell which part is shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vmforge.console.screen.codepage import CP437
from vmforge.console.screen.text import UNKNOWN, Colours, ScreenText, Source

COLUMNS: Final = 80
ROWS: Final = 25
_PALETTE: Final = (
    0x000000, 0x0000AA, 0x00AA00, 0x00AAAA, 0xAA0000, 0xAA00AA, 0xAA5500, 0xAAAAAA,
    0x555555, 0x5555FF, 0x55FF55, 0x55FFFF, 0xFF5555, 0xFF55FF, 0xFFFF55, 0xFFFFFF,
)  # fmt: skip
_STYLES: Final = tuple(Colours(_PALETTE[value & 15], _PALETTE[value >> 4 & 7]) for value in range(256))
_LINE: Final = COLUMNS * 2
# The part of the cells of a picture that must be in the memory too: the picture may be a moment older.
_ALIKE: Final = 0.9


def decode(memory: bytes, start: int = 0) -> ScreenText:
    """The screen that begins at byte `start` of the text memory."""
    shown = memory[start : start + ROWS * _LINE]
    rows = [shown[at : at + _LINE] for at in range(0, len(shown), _LINE)]
    return ScreenText(
        tuple(_characters(row).rstrip() for row in rows),
        columns=COLUMNS,
        colours=tuple(tuple(_STYLES[attribute] for attribute in row[1::2]) for row in rows),
        source=Source.MEMORY,
    )


def locate(memory: bytes, seen: ScreenText) -> int | None:
    """Where in the text memory the screen begins of which `seen` was read, in parts at least; None if it is
    not there: the adapter shows something else."""
    cells = [
        (row * COLUMNS + column, character)
        for row, line in enumerate(seen.lines)
        for column, character in enumerate(line)
        if character not in (" ", UNKNOWN)
    ]
    if seen.columns != COLUMNS or not cells:
        return None
    characters = _characters(memory)

    def agreement(start: int) -> int:
        return sum(characters[start + at] == character for at, character in cells)

    # Linux moves the start by whole lines, and begins anew before the memory's end
    best = max(range(0, len(characters) - ROWS * COLUMNS + 1, COLUMNS), key=agreement)
    return best * 2 if agreement(best) >= _ALIKE * len(cells) else None


def complete(seen: ScreenText, memory: bytes) -> ScreenText:
    """`seen` with its unknown cells as the text memory has them. Only ASCII is taken from there: a guest that
    loads a font may mean anything by the other codes."""
    start = locate(memory, seen)
    if start is None:
        return seen
    true = decode(memory, start)
    pairs = zip(seen.lines, true.lines, strict=True)
    return replace(seen, lines=tuple(_filled(line, other) for line, other in pairs), source=Source.MEMORY)


def _filled(line: str, other: str) -> str:
    cells = zip(line, other.ljust(len(line)), strict=False)
    return "".join(
        truth if character == UNKNOWN and truth.isascii() else character for character, truth in cells
    ).rstrip()


def _characters(memory: bytes) -> str:
    return "".join(CP437[code] for code in memory[::2])
