"""Finds the text on pictures of a screen, by the means that serves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import vmforge.console.screen.glyphs as glyphs
import vmforge.console.screen.memory as memory
import vmforge.console.screen.ocr as ocr
from vmforge.console.framebuffer import BYTES_PER_PIXEL, Framebuffer
from vmforge.console.screen.cells import Cell, Grid, bands, cut, recognise
from vmforge.console.screen.text import UNKNOWN, ScreenText
from vmforge.errors import VmforgeError

# VGA's text modes have cells of nine pixels.
_TEXT_MODES: Final = ((720, 400), (720, 350), (720, 480))
_TEXT_PITCH: Final = 9
# GRUB keeps its terminal this far from the picture's edges.
_GRUB_BORDER: Final = 10
# EFI's text modes (UEFI specification, 12.4), the larger first: a smaller one might show a part of it.
_EFI_MODES: Final = ((100, 31), (80, 50), (80, 25))
# A picture with more unknown cells than this part of its busy ones is graphics.
_UNKNOWN_LIMIT: Final = 0.25
# So many unknown cells, more than half of the busy ones, and the rest of the picture need not be looked at.
_HOPELESS: Final = 400
# Pictures that are not text have ever new cells; none of them is worth remembering.
_CELL_LIMIT: Final = 50_000


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of cells; `band` are its pixels."""

    band: bytes
    cells: tuple[Cell, ...]
    line: str

    @classmethod
    def of(cls, band: bytes, cells: Iterable[Cell]) -> _Row:
        cells = tuple(cells)
        return cls(band, cells, "".join([cell.character for cell in cells]).rstrip())

    @property
    def unknown(self) -> int:
        return self.line.count(UNKNOWN)

    @property
    def busy(self) -> int:
        return len(self.line) - self.line.count(" ")


class ScreenReader:
    """Reads one machine's screen, again and again: it remembers what it has seen, so that only what has
    changed costs time. Safe to use from several threads.

    `text_memory` gives the guest's own text memory (`VirtualMachine.text_memory`), where that can be had:
    it says what a font of the guest's hides. With `use_ocr`, graphics are given to the program `tesseract`
    if it is installed, which takes up to some seconds and may be wrong.
    """

    def __init__(self, text_memory: Callable[[], bytes] | None = None, *, use_ocr: bool = False) -> None:
        self._text_memory = text_memory
        self._use_ocr = use_ocr
        self._known: dict[bytes, Cell] = {}
        self._grid: Grid | None = None
        self._before: dict[Grid, list[_Row]] = {}
        self._reading = threading.Lock()

    def read(self, frame: Framebuffer) -> ScreenText | None:
        """The text on a picture; None where none is known: graphics. An empty screen has empty lines."""
        with self._reading:
            text = self._read_text(frame)
        return ocr.read(frame) if text is None and self._use_ocr and not _is_text_mode(frame) else text

    def _read_text(self, frame: Framebuffer) -> ScreenText | None:
        size = frame.width, frame.height
        if _is_text_mode(frame):
            return self._read_text_mode(frame)
        for grid in self._grids(*size):
            text = self._read(frame, grid)
            if text is not None and _is_text(text):
                if text.last_line:
                    self._grid = grid
                    return text
                if not (grid.left or grid.top):
                    return text
        return None

    def _read_text_mode(self, frame: Framebuffer) -> ScreenText | None:
        text = self._read(frame, Grid.of(frame.width, frame.height, pitch=_TEXT_PITCH), hopeless=None)
        if text is not None and text.unknown:
            text = self._completed(text)
        return text if text is not None and _is_text(text) else None

    def _grids(self, width: int, height: int) -> Iterator[Grid]:
        """Where the cells may be, the likeliest first."""
        grids = [Grid.of(width, height), Grid.of(width, height, margin=_GRUB_BORDER)]
        for columns, rows in ((width // glyphs.WIDTH, height // glyphs.EFI_HEIGHT), *_EFI_MODES):
            if columns * glyphs.WIDTH <= width and rows * glyphs.EFI_HEIGHT <= height:
                grids.append(Grid.amid(width, height, columns, rows))
        # where it was the last time it likely still is
        grids.sort(key=lambda grid: grid != self._grid)
        yield from (grid for grid in grids if grid.columns > 0 and grid.rows > 0)

    def _read(self, frame: Framebuffer, grid: Grid, *, hopeless: int | None = _HOPELESS) -> ScreenText | None:
        """What the cells of a grid show; None as soon as that is hopeless."""
        before = self._before.get(grid, [])
        rows: list[_Row] = []
        unknown = busy = 0
        for number, band in enumerate(bands(frame, grid)):
            same = number < len(before) and before[number].band == band
            row = before[number] if same else _Row.of(band, self._cells(band, grid))
            rows.append(row)
            unknown, busy = unknown + row.unknown, busy + row.busy
            if hopeless is not None and unknown > max(hopeless, busy / 2):
                return None
        self._before = {grid: rows}
        return _text(rows, grid)

    def _cells(self, band: bytes, grid: Grid) -> Iterable[Cell]:
        if band == band[:BYTES_PER_PIXEL] * (len(band) // BYTES_PER_PIXEL):
            return (recognise(next(cut(band, grid))),) * grid.columns
        if len(self._known) > _CELL_LIMIT:
            self._known.clear()
        known = self._known
        row = []
        for pixels in cut(band, grid):
            cell = known.get(pixels)
            if cell is None:
                cell = known[pixels] = recognise(pixels)
            row.append(cell)
        return row

    def _completed(self, text: ScreenText) -> ScreenText:
        """The same with help of the guest's memory, where it is to be had."""
        if self._text_memory is None:
            return text
        try:
            return memory.complete(text, self._text_memory())
        except VmforgeError:
            return text  # the machine has ended, or its driver reads no memory


def _text(rows: Sequence[_Row], grid: Grid) -> ScreenText:
    cursors = [(y, x) for y, row in enumerate(rows) for x, cell in enumerate(row.cells) if cell.cursor]
    return ScreenText(
        tuple(row.line for row in rows),
        cursor=cursors[0] if len(cursors) == 1 else None,
        columns=grid.columns,
        colours=tuple(tuple([cell.colours for cell in row.cells]) for row in rows),
    )


def _is_text_mode(frame: Framebuffer) -> bool:
    return (frame.width, frame.height) in _TEXT_MODES


def _is_text(text: ScreenText) -> bool:
    shown = "".join(text.lines).replace(" ", "")
    return shown.count(UNKNOWN) <= _UNKNOWN_LIMIT * len(shown)
