"""What a screen shows of a line that is being typed.

A prompt answers each character with its picture, at a place that is found where the first of them
appears. From there the echo is followed over the ends of rows, also when the screen scrolls meanwhile,
and held against what was typed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

# Lines and corners that programs draw round their input fields; they are no part of what was typed.
_FRAMES: Final = dict.fromkeys((*range(0x2500, 0x2580), ord("\N{BROKEN BAR}")), " ")
# How many rows above the line are looked at to see whether the screen has scrolled.
_ROWS_ABOVE: Final = 4
_CONTINUED: Final = "\\"


class Text(Protocol):
    """What is read from a screen; see `vmforge.console.screen.ScreenText`."""

    @property
    def lines(self) -> tuple[str, ...]: ...
    @property
    def cursor(self) -> tuple[int, int] | None: ...
    @property
    def columns(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Echo:
    """How much of a text is seen. `seen` characters of it are there, and after them, in the same row,
    stands `rest`, which was there before or is wrong. `is_all` says that the rows below are as before."""

    seen: int
    rest: str
    is_all: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """Where a line is typed: a row and column of a screen as it was before, in `before`."""

    before: tuple[str, ...]
    row: int
    column: int

    @property
    def is_at_end(self) -> bool:
        """Whether nothing stood behind the prompt, so that all that comes there is echo."""
        return not self.before[self.row][self.column :].strip()

    def is_wrong(self, echo: Echo) -> bool:
        """Whether something else than the text has come behind it, as far as that can be told."""
        return self.is_at_end and bool(echo.rest.strip())

    def echo(self, text: str, screen: Text) -> Echo | None:
        """What the screen shows of `text`; None when the prompt is not to be found there any more."""
        rows = _unframed(screen.lines)
        row = next(self._rows(rows), None)
        if row is None:
            return None
        scrolled = self.row - row
        before = (*self.before[scrolled:], *[""] * scrolled)
        return _Reading(rows, before, screen).follow((row, self.column), text)

    def _rows(self, rows: Sequence[str]) -> Iterator[int]:
        """Where the prompt's row may be now: where it was, or higher when the screen has scrolled."""
        prefix = self.before[self.row][: self.column]
        for row in range(min(self.row, len(rows) - 1), -1, -1):
            above = min(_ROWS_ABOVE, row)
            same = rows[row - above : row] == self.before[self.row - above : self.row]
            if same and rows[row][: self.column].ljust(self.column) == prefix.ljust(self.column):
                yield row


def find_prompt(before: Text, after: Text, typed: str) -> Prompt | None:
    """Where `typed`, or the beginning of it, has appeared on a screen that has not changed otherwise."""
    rows, now = _unframed(before.lines), _unframed(after.lines)
    if len(rows) != len(now) or not typed.strip():
        return None
    changed = [row for row, (old, new) in enumerate(zip(rows, now, strict=True)) if old != new]
    if not changed:
        return None
    row = changed[0]
    column = _first_difference(rows[row], now[row]) - (len(typed) - len(typed.lstrip()))
    prompt = Prompt(rows, row, max(0, column))
    echo = prompt.echo(typed, after)
    if echo is None or not (_is_right(prompt, echo, typed) or _is_garbled(prompt, echo, typed)):
        return None
    # anything else that changes at the same time makes it a guess
    return prompt if echo.is_all and len(changed) <= 2 else None


def _is_right(prompt: Prompt, echo: Echo, typed: str) -> bool:
    was_there = prompt.before[prompt.row][prompt.column :].strip()
    return bool(typed[: echo.seen].strip()) and echo.rest.strip() == was_there


def _is_garbled(prompt: Prompt, echo: Echo, typed: str) -> bool:
    """Whether what has appeared are the typed keys with one lost or doubled."""
    shown = typed[: echo.seen] + echo.rest
    return prompt.is_at_end and len(shown) <= 2 * len(typed) and set(shown) <= set(typed)


def _unframed(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line.translate(_FRAMES).rstrip() for line in lines)


def _first_difference(old: str, new: str) -> int:
    width = max(len(old), len(new))
    pairs = zip(old.ljust(width), new.ljust(width), strict=True)
    return next(column for column, (one, other) in enumerate(pairs) if one != other)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The rows of a screen, and what they were before anything was typed."""

    rows: Sequence[str]
    before: Sequence[str]
    screen: Text

    def follow(self, at: tuple[int, int], text: str) -> Echo:
        """See how much of a text stands at a place and on."""
        (row, column), seen = at, 0
        while seen < len(text):
            shown = self.rows[row][column : column + 1] or " "
            if column < self.screen.columns and shown == text[seen]:
                seen, column = seen + 1, column + 1
            elif self._goes_on(row, column, text[seen:]):
                row, column = row + 1, self._start(row + 1, text[seen:])
            else:
                break
        end, cursor = (row, column), self.screen.cursor
        rest = _without_cursor(self.rows[row][column:].rstrip(), end, cursor)
        is_all = self.rows[row + 1 :] == self.before[row + 1 :]
        return Echo(_certain(text, seen, end, cursor), rest, is_all)

    def _goes_on(self, row: int, column: int, text: str) -> bool:
        """Whether the text goes on in the next row: at the screen's edge, or wherever a program likes."""
        if row + 1 >= len(self.rows):
            return False
        following, before = self.rows[row + 1], self.before[row + 1]
        if column >= self.screen.columns:
            return following[:1] == text[:1] or (text[0] == " " and following != before)
        is_end = self.rows[row][column:].strip() in ("", _CONTINUED)
        start = self._start(row + 1, text)
        return is_end and following[start : start + 1] == text[0] and following != before

    def _start(self, row: int, text: str) -> int:
        """The column at which a text goes on in a row, which may be framed or, before words, indented."""
        if text[0] == " ":
            return _edge(self.screen.lines[row])
        return len(self.rows[row]) - len(self.rows[row].lstrip())


def _edge(line: str) -> int:
    """The column behind a row's frame."""
    indent = len(line) - len(line.lstrip())
    return indent + 1 if line[indent:] and ord(line[indent]) in _FRAMES else 0


def _certain(text: str, seen: int, end: tuple[int, int], cursor: tuple[int, int] | None) -> int:
    """How much was certainly echoed: blanks at the end look the same before, but for the cursor."""
    blanks = seen - len(text[:seen].rstrip())
    if not blanks:
        return seen
    row, column = end
    if cursor is None or cursor[0] != row:
        return seen - blanks
    return seen - min(blanks, max(0, column - cursor[1]))


def _without_cursor(rest: str, end: tuple[int, int], cursor: tuple[int, int] | None) -> str:
    """What is left without the cursor itself, which may look like an underscore."""
    return "" if rest == "_" and cursor in (None, end) else rest
