"""A text with a name, and the way from offsets in it to lines and columns."""

from __future__ import annotations

from bisect import bisect_right

from vmforge.diagnostics import SourcePosition, SourceRange


class SourceText:
    """The text of one file. Nodes of the syntax tree hold offsets into it, and ask for a range only
    when something is to be said about them: that keeps parsing fast.

    A text that came from no file (`in_file=False`) gives its ranges the source line to show."""

    __slots__ = ("_starts", "in_file", "path", "text")

    def __init__(self, path: str, text: str, *, in_file: bool = True) -> None:
        self.path = path
        self.text = text
        self.in_file = in_file
        self._starts: list[int] | None = None

    def position(self, offset: int) -> SourcePosition:
        starts = self._line_starts()
        line = bisect_right(starts, offset)
        return SourcePosition(line, offset - starts[line - 1] + 1, offset)

    def range(self, start: int, end: int) -> SourceRange:
        first = self.position(start)
        return SourceRange(self.path, first, self.position(end), None if self.in_file else self.line(first))

    def line(self, position: SourcePosition) -> str:
        """The line of a position, without its end."""
        start = position.offset - position.column + 1
        end = self.text.find("\n", start)
        line = self.text[start : end if end >= 0 else len(self.text)].removesuffix("\r")
        return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0]
            at = self.text.find("\n")
            while at >= 0:
                self._starts.append(at + 1)
                at = self.text.find("\n", at + 1)
        return self._starts
