"""Cuts a picture into the cells of a grid of characters, quickly and without further libraries.

A pixel becomes a byte (3 bits of red, 3 of green, 2 of blue), a cell's line eight of them: one item of a
`memoryview`, so that all lines of a cell are one slice of it with a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import vmforge.console.screen.glyphs as glyphs
from vmforge.console.framebuffer import BYTES_PER_PIXEL, Framebuffer
from vmforge.console.screen.text import UNKNOWN, Colours

_WIDTH: Final = glyphs.WIDTH
_RED: Final = bytes(value >> 5 << 5 for value in range(256))
_GREEN: Final = bytes(value >> 5 << 2 for value in range(256))
_BLUE: Final = bytes(value >> 6 for value in range(256))
_GREY: Final = bytes(sum(three) for three in zip(_RED, _GREEN, _BLUE, strict=True))
# What three bits, and two, stand for: the VGA palette's 0x55 and 0xAA come out as they were.
_EIGHT: Final = (0x00, 0x24, 0x55, 0x6D, 0x92, 0xAA, 0xDB, 0xFF)
_FOUR: Final = (0x00, 0x55, 0xAA, 0xFF)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a screen's cells are: of `pitch` by `height` pixels, the first one at `left`, `top`."""

    left: int
    top: int
    pitch: int
    height: int
    columns: int
    rows: int

    @classmethod
    def of(cls, width: int, height: int, *, margin: int = 0, pitch: int = _WIDTH) -> Grid:
        """The cells of 16 lines that a picture has room for, below and beside a margin."""
        columns, rows = (width - margin) // pitch, (height - margin) // glyphs.HEIGHT
        return cls(margin, margin, pitch, glyphs.HEIGHT, columns, rows)

    @classmethod
    def amid(cls, width: int, height: int, columns: int, rows: int) -> Grid:
        """A console of EFI's, which lies in the picture's middle."""
        left, top = (width - columns * _WIDTH) // 2, (height - rows * glyphs.EFI_HEIGHT) // 2
        return cls(left, top, _WIDTH, glyphs.EFI_HEIGHT, columns, rows)


class Cell(NamedTuple):
    """What one cell shows."""

    character: str
    cursor: bool
    colours: Colours


def bands(frame: Framebuffer, grid: Grid) -> Iterator[bytes]:
    """The pixels of each row of cells, as wide as the picture."""
    size = frame.width * BYTES_PER_PIXEL
    for row in range(grid.rows):
        start = (grid.top + row * grid.height) * size
        yield frame.pixels[start : start + grid.height * size]


def cut(band: bytes, grid: Grid) -> Iterator[bytes]:
    """The cells of a row: each eight bytes a line from the top, a byte a pixel."""
    pixels = _reduced(band)
    span = grid.columns * grid.pitch
    width = len(pixels) // grid.height
    if grid.left or span != width:
        starts = range(grid.left, len(pixels), width)
        pixels = bytearray().join([pixels[start : start + span] for start in starts])
    if grid.pitch > _WIDTH:  # VGA's ninth column is empty, or the eighth again
        del pixels[_WIDTH :: grid.pitch]
    lines = memoryview(pixels).cast("Q")
    for column in range(grid.columns):
        yield lines[column :: grid.columns].tobytes()


def recognise(cell: bytes) -> Cell:
    """What a cell of `cut` shows."""
    values = set(cell)
    if len(values) == 1:
        return Cell(" ", False, Colours(_colour(cell[0]), _colour(cell[0])))
    if len(values) > 2:
        commonest = max(values, key=cell.count)
        return Cell(UNKNOWN, False, Colours(_colour(commonest), _colour(commonest)))
    # the paper is likely what there is more of
    ink, paper = sorted(values, key=lambda value: (cell.count(value), value != cell[0]))[:2]
    found = [
        Cell(glyph.character, glyph.cursor, Colours(_colour(drawn), _colour(under)))
        for drawn, under in ((ink, paper), (paper, ink))
        if (glyph := glyphs.find(_ink(cell, drawn), len(cell) // _WIDTH)) is not None
    ]
    if not found:
        return Cell(UNKNOWN, False, Colours(_colour(ink), _colour(paper)))
    return min(found, key=lambda one: one.cursor)


def _ink(cell: bytes, value: int) -> int:
    drawn = bytearray(b"0" * 256)
    drawn[value] = ord("1")
    return int(cell.translate(drawn), 2)


def _reduced(band: bytes) -> bytearray:
    blue, green, red = band[0::4], band[1::4], band[2::4]
    if blue == green == red:
        return bytearray(red.translate(_GREY))
    parts = (red.translate(_RED), green.translate(_GREEN), blue.translate(_BLUE))
    first, second, third = (int.from_bytes(part, "little") for part in parts)
    return bytearray((first | second | third).to_bytes(len(red), "little"))


def _colour(value: int) -> int:
    return _EIGHT[value >> 5] << 16 | _EIGHT[value >> 2 & 7] << 8 | _FOUR[value & 3]
