"""A text with a name, and the way from offsets in it to lines and columns."""

from __future__ import annotations

from bisect import bisect_right

from vmforge.diagnostics import SourcePosition, SourceRange


class SourceText:
    """The text of one file. Nodes of the syntax tree hold offsets into it, and ask for a range only
    when something is to be said about them: that keeps parsing fast."""

    __slots__ = ("_starts", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._starts: list[int] | None = None

    def position(self, offset: int) -> SourcePosition:
        starts = self._line_starts()
        line = bisect_right(starts, offset)
        return SourcePosition(line, offset - starts[line - 1] + 1, offset)

    def range(self, start: int, end: int) -> SourceRange:
        return SourceRange(self.path, self.position(start), self.position(end))

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0]
            at = self.text.find("\n")
            while at >= 0:
                self._starts.append(at + 1)
                at = self.text.find("\n", at + 1)
        return self._starts
