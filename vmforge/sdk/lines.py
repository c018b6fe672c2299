"""From a stream of bytes to lines of text, the way a terminal would leave them."""

from __future__ import annotations

import codecs
from collections.abc import Callable

# A line longer than this is given out in pieces: some programs print megabytes without a line end.
_LONGEST_LINE = 64 * 1024


class LineSplitter:
    """Calls `emit` with each whole line. Bytes that are not UTF-8 become U+FFFD; of a line that was drawn
    anew after a carriage return (progress bars) the last drawing counts.

    A line is held back until its end comes: what is shown passes a redactor, and half a secret would
    not be recognized.
    """

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + self._decoder.decode(data)).split("\n")
        for line in lines:
            self._emit(_last_drawing(line))
        drawn = rest.rstrip("\r")
        # a final "\r" may be half a line end, so it stays
        self._rest = drawn.rpartition("\r")[2] + rest[len(drawn) :][:1]
        while len(self._rest) > _LONGEST_LINE:
            self._emit(self._rest[:_LONGEST_LINE])
            self._rest = self._rest[_LONGEST_LINE:]

    def finish(self) -> None:
        """No more bytes will come: give out what is left."""
        rest = _last_drawing(self._rest + self._decoder.decode(b"", final=True))
        self._rest = ""
        if rest:
            self._emit(rest)


def _last_drawing(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
