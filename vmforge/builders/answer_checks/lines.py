"""What goes wrong in the lines of any answer file, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator

from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.kinds import AnswerKind

# These are read by programs of Windows, or by parsers that take any line end.
_TAKE_CRLF = (AnswerKind.UNATTEND, AnswerKind.AUTOYAST, AnswerKind.AGAMA, AnswerKind.ARCHINSTALL)


def check_lines(kind: AnswerKind, text: str) -> Iterator[Finding]:
    """Line ends of another system, marks and characters that no installer expects."""
    if text.startswith("\ufeff") and kind is not AnswerKind.UNATTEND:
        yield Finding(1, "the file begins with a byte order mark", "save it as UTF-8 without one")
    if kind not in _TAKE_CRLF and "\r\n" in text:
        line = text[: text.index("\r\n")].count("\n") + 1
        hint = "save the file with Unix line ends (`dos2unix`)"
        yield warning(line, "the line ends with a carriage return, which the installer takes for text", hint)
    if "\0" in text:
        yield Finding(text[: text.index("\0")].count("\n") + 1, "the line holds a zero byte")
