"""Findings about a template: where they are, what they say, and how they look on a terminal.

A diagnostic is a value. Parsers and checks collect them all; whoever is in charge raises one
`DiagnosticError` with the whole list, so that a user sees every mistake of all files at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from vmforge.errors import VmforgeError


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class SourcePosition:
    """A place in a file: `line` and `column` count from 1, columns in characters; `offset` from 0."""

    line: int
    column: int
    offset: int


@dataclass(frozen=True, slots=True)
class SourceRange:
    """A stretch of a file. `end` is the position after the last character. `line` is the source line of
    a text that cannot be read again (standard input)."""

    path: str
    start: SourcePosition
    end: SourcePosition
    line: str | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.path}:{self.start.line}:{self.start.column}"

    @classmethod
    def whole(cls, path: str) -> SourceRange:
        """The range that means "this file", for findings that have no better place."""
        start = SourcePosition(1, 1, 0)
        return cls(path, start, start)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `summary` is a short sentence, `detail` may explain, `hint` says what to try."""

    severity: Severity
    summary: str
    detail: str = ""
    range: SourceRange | None = None
    hint: str = ""

    @classmethod
    def error(
        cls, summary: str, detail: str = "", *, range: SourceRange | None = None, hint: str = ""
    ) -> Diagnostic:
        return cls(Severity.ERROR, summary, detail, range, hint)

    @classmethod
    def warning(
        cls, summary: str, detail: str = "", *, range: SourceRange | None = None, hint: str = ""
    ) -> Diagnostic:
        return cls(Severity.WARNING, summary, detail, range, hint)


class DiagnosticError(VmforgeError):
    """A template cannot be used; `diagnostics` holds every finding, warnings included."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        errors = [d for d in diagnostics if d.severity is Severity.ERROR]
        super().__init__(errors[0].summary if errors else "the template is wrong")
        self.diagnostics = tuple(diagnostics)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(d.severity is Severity.ERROR for d in diagnostics)


def raise_errors(diagnostics: Sequence[Diagnostic]) -> None:
    """Raise `DiagnosticError` when the list holds an error; else do nothing."""
    if has_errors(diagnostics):
        raise DiagnosticError(diagnostics)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint naming the known name that is nearest to a wrong one; empty when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""


def render(diagnostic: Diagnostic, read_line: Callable[[str, int], str | None]) -> str:
    """The diagnostic as plain text: summary, place, source line with a caret, detail, hint.

    `read_line(path, number)` gives a line of a source file without its end, or None where there is
    none to show (a file that is gone).
    """
    parts = [f"{diagnostic.severity}: {diagnostic.summary}"]
    if diagnostic.range is not None:
        parts.append(_excerpt(diagnostic.range, read_line))
    if diagnostic.detail:
        parts.append(f"\n{diagnostic.detail}")
    if diagnostic.hint:
        parts.append(f"\nhint: {diagnostic.hint}")
    return "\n".join(parts)


def read_source_line(path: str, number: int) -> str | None:
    """Line `number` of the file at `path`; None when it cannot be read."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return lines[number - 1] if 0 < number <= len(lines) else None


def _excerpt(range: SourceRange, read_line: Callable[[str, int], str | None]) -> str:
    place = f"  --> {range}"
    line = range.line if range.line is not None else read_line(range.path, range.start.line)
    if line is None or range.end.offset <= range.start.offset:
        return place
    number = str(range.start.line)
    before = line[: range.start.column - 1]
    same_line = range.end.line == range.start.line
    length = (range.end.column if same_line else len(line) + 1) - range.start.column
    # tabs stay tabs in the marker line, so that the caret stands under its character
    indent = "".join("\t" if c == "\t" else " " for c in before)
    blank = " " * len(number)
    return f"{place}\n {blank} |\n {number} | {line}\n {blank} | {indent}{'^' * max(1, length)}"
