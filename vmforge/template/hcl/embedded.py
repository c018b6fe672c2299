"""HCL inside a string of another text, with places in that text."""

from __future__ import annotations

import re

from vmforge.diagnostics import SourcePosition
from vmforge.template.hcl.source import SourceText
from vmforge.template.json.syntax import JsonString

# what one character of the value is written as; a pair of surrogates is one character
_WRITTEN = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)


class EmbeddedText(SourceText):
    """The value of a JSON string as a text of its own. Offsets count in the value; positions are those
    in the file that holds the string."""

    __slots__ = ("_offsets", "_string")

    def __init__(self, string: JsonString) -> None:
        super().__init__(string.source.path, string.value, in_file=string.source.in_file)
        self._string = string
        self._offsets: list[int] | None = None

    def position(self, offset: int) -> SourcePosition:
        """The position in the file of a character of the value; of the closing quote for its end."""
        if self._offsets is None:
            first, last = self._string.start + 1, self._string.end - 1
            found = _WRITTEN.finditer(self._string.source.text, first, last)
            self._offsets = [*(character.start() for character in found), last]
        at = self._offsets[min(offset, len(self._offsets) - 1)]
        return self._string.source.position(at)

    def line(self, position: SourcePosition) -> str:
        return self._string.source.line(position)
