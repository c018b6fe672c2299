"""Recordings of a text screen for `asciinema play` (asciicast v2,
https://docs.asciinema.org/manual/asciicast/v2/): a line of JSON for the header, then one an event."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

from vmforge.console.framebuffer import Framebuffer
from vmforge.console.screen import Colours, ScreenText

# Players shorten longer pauses to this, in seconds.
_IDLE: Final = 2
_HOME, _CLEAR = "\x1b[H", "\x1b[2J"
_PLAIN, _REST_OF_LINE = "\x1b[0m", "\x1b[K"


class Asciicast:
    """Writes only the lines that have changed. Screens without text are left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._staged = path.with_name(path.name + ".part")
        self._file = self._staged.open("w", encoding="utf-8")
        self._began = 0.0
        self._size = (0, 0)
        self._shown: list[str] = []

    def add(self, at: float, frame: Framebuffer, text: ScreenText | None) -> None:
        if text is None:
            return
        size = (text.columns, len(text.lines))
        if self._size == (0, 0):
            self._began = at
            self._begin(size)
        elif size != self._size:
            self._event(at, "r", f"{size[0]}x{size[1]}")
        lines = [_painted(text, row) for row in range(len(text.lines))]
        if size != self._size:
            self._size, self._shown = size, [""] * len(lines)
            output = [_PLAIN + _HOME + _CLEAR]
        else:
            output = []
        for row, (line, before) in enumerate(zip(lines, self._shown, strict=True)):
            if line != before:
                output.append(f"\x1b[{row + 1};1H{line}{_PLAIN}{_REST_OF_LINE}")
        self._shown = lines
        row, column = text.cursor or (len(lines) - 1, 0)
        self._event(at, "o", "".join([*output, f"\x1b[{row + 1};{column + 1}H"]))

    def finish(self, at: float) -> None:
        if self._size != (0, 0):
            self._event(at, "o", "")
        self._file.close()
        self._staged.replace(self._path)

    def _begin(self, size: tuple[int, int]) -> None:
        header = {
            "version": 2,
            "width": size[0],
            "height": size[1],
            "timestamp": int(time.time()),
            "idle_time_limit": _IDLE,
            "title": "vmforge",
        }
        self._file.write(json.dumps(header) + "\n")

    def _event(self, at: float, kind: str, data: str) -> None:
        self._file.write(json.dumps([round(at - self._began, 3), kind, data], ensure_ascii=False) + "\n")


def _painted(text: ScreenText, row: int) -> str:
    """A line with the control sequences for its colours."""
    line = text.lines[row]
    if not text.colours:
        return line
    parts = list[str]()
    last: Colours | None = None
    cells = text.colours[row]
    for column, colours in enumerate(cells):
        character = line[column] if column < len(line) else " "
        if colours != last:
            parts.append(f"\x1b[38;2;{_rgb(colours.ink)};48;2;{_rgb(colours.paper)}m")
            last = colours
        parts.append(character)
    return "".join(parts)


def _rgb(colour: int) -> str:
    return f"{colour >> 16};{colour >> 8 & 255};{colour & 255}"
