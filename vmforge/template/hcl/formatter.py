"""The canonical layout of HCL's native syntax, as `packer fmt` and `terraform fmt` write it.

Only the white space between tokens changes: so comments, blank lines, heredocs, line ends and the
meaning stay as they are. Three rules, one after the other: spaces between the tokens of a line,
indentation by open brackets, columns of `=` and of trailing comments over consecutive lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from vmforge.template.hcl.scanner import (
    CLOSE_HEREDOC,
    CLOSE_QUOTE,
    DIRECTIVE,
    END,
    IDENTIFIER,
    INTERPOLATION,
    LITERAL,
    NEWLINE,
    NUMBER,
    OPEN_HEREDOC,
    OPEN_QUOTE,
    SEQUENCE_END,
    Scanner,
)
from vmforge.template.hcl.source import SourceText

_COMMENT: Final = "comment"
_INDENTATION: Final = 2
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)

_OPENING: Final = frozenset({"{", "[", "(", INTERPOLATION, DIRECTIVE})
_CLOSING: Final = frozenset({"}", "]", ")", SEQUENCE_END})
_TEMPLATE_STARTS: Final = frozenset({LITERAL, OPEN_QUOTE, OPEN_HEREDOC})
_TEMPLATE_ENDS: Final = frozenset({LITERAL, CLOSE_QUOTE, CLOSE_HEREDOC})
# behind one of these, and at the start of a line, a minus negates; else it subtracts
_BEFORE_NEGATION: Final = frozenset(
    {"", "(", "[", "{", "=", ":", ",", "?", "+", "-", "*", "/", "%", "!"}
    | {"==", "!=", "<", "<=", ">", ">=", "&&", "||"}
)
# characters that belong to the one before them, or join it with the next
_JOINED: Final = re.compile(
    "\u200d.|[\U0001f3fb-\U0001f3ff]|(?<=[\U0001f1e6-\U0001f1ff])[\U0001f1e6-\U0001f1ff]"
)


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    spaces: int = 0

    @property
    def ends_line(self) -> bool:
        return self.kind == NEWLINE or (self.kind == _COMMENT and self.text.endswith("\n"))


@dataclass(slots=True)
class _Line:
    """The tokens up to a line end outside of heredocs. `assigned` begins with the `=` of a line that
    holds a whole assignment; `comment` is a comment that ends the line behind something else."""

    head: list[_Token]
    assigned: list[_Token] = field(default_factory=list)
    comment: list[_Token] = field(default_factory=list)

    def tokens(self) -> list[_Token]:
        return [*self.head, *self.assigned, *self.comment]


def format_text(text: str) -> str:
    """A text that parses, in the canonical layout. A text with errors must not be handed in: its
    tokens say too little of what is meant."""
    lines = [_divided(tokens) for tokens in _lines(_tokens(text))]
    for line in lines:
        _space(line.head)
        _space(line.assigned)
    _indent(lines)
    _align(lines, lambda line: line.assigned, lambda line: line.head)
    _align(lines, lambda line: line.comment, lambda line: [*line.head, *line.assigned])
    start = "\ufeff" if text.startswith("\ufeff") else ""
    return start + "".join(" " * t.spaces + t.text for line in lines for t in line.tokens())


def _tokens(text: str) -> Iterator[_Token]:
    """The tokens with the comments, which the scanner leaves out or takes for line ends."""
    scanned = Scanner(SourceText("", text)).scan()
    before = 0
    for kind, start, end in zip(scanned.kinds, scanned.starts, scanned.ends, strict=True):
        for comment in _BLOCK_COMMENT.finditer(text, before, start):
            yield _Token(_COMMENT, comment[0])
            before = comment.end()
        if kind == NEWLINE and text[start] in "#/":
            yield _Token(_COMMENT, text[start:end])
        elif kind == END:
            yield _Token(END, " " * (end - before))  # left as it is, as Packer does
        else:
            yield _Token(kind, text[start:end])
        before = end


def _lines(tokens: Iterable[_Token]) -> Iterator[list[_Token]]:
    line: list[_Token] = []
    for token in tokens:
        line.append(token)
        if token.ends_line:
            yield line
            line = []
    if line:
        yield line


def _divided(tokens: list[_Token]) -> _Line:
    comment: list[_Token] = []
    if len(tokens) > 1 and tokens[-1].kind == _COMMENT:
        comment = [tokens.pop()]
    for index, token in enumerate(tokens):
        if index > 0 and token.kind == "=":
            if _net_brackets(tokens[index:]) == 0:
                return _Line(tokens[:index], tokens[index:], comment)
            break
    return _Line(tokens, [], comment)


def _bracket(token: _Token) -> int:
    return (token.kind in _OPENING) - (token.kind in _CLOSING)


def _net_brackets(tokens: Iterable[_Token]) -> int:
    return sum(map(_bracket, tokens))


def _space(tokens: Sequence[_Token]) -> None:
    """One space or none between neighbours."""
    before = _Token("", "")
    for left, right in pairwise(tokens):
        right.spaces = int(_apart(before, left, right))
        before = left


def _apart(before: _Token, left: _Token, right: _Token) -> bool:
    """Whether a space stands between `left` and `right`; `before` is what precedes them."""
    kinds = left.kind, right.kind
    if right.kind in (NEWLINE, END) or kinds == (IDENTIFIER, "("):
        return False
    if "." in kinds or "::" in kinds or right.kind in (",", "..."):
        return False
    if left.kind == ",":
        return True
    if left.kind in _TEMPLATE_STARTS or right.kind in _TEMPLATE_ENDS:
        return False
    if left.kind == SEQUENCE_END and right.kind in (INTERPOLATION, DIRECTIVE):
        return False  # what stands between two sequences is text of the template
    if left.kind == IDENTIFIER and left.text == "in" and before.kind == IDENTIFIER:
        return True  # the `in` of `for x in [...]`
    if right.kind == "[" and (left.kind in (IDENTIFIER, NUMBER) or left.kind in _CLOSING):
        return False  # an index
    if left.kind == "!":
        return False
    if left.kind == "-":
        return before.kind not in _BEFORE_NEGATION
    if left.kind == "{" or right.kind == "}":
        return kinds != ("{", "}")
    return left.kind not in _OPENING and right.kind not in _CLOSING


def _indent(lines: Iterable[_Line]) -> None:
    """Indent by the lines that opened brackets: several brackets of one line count once."""
    opened: list[int] = []  # for each such line, how many of its brackets are still open
    for line in lines:
        tokens = [*line.head, *line.assigned]
        if not tokens or tokens[0].kind == NEWLINE:
            continue
        net = _net_brackets(tokens)
        _close(opened, -net)
        tokens[0].spaces = _INDENTATION * len(opened)
        if net > 0:
            opened.append(net)


def _close(opened: list[int], count: int) -> None:
    while count > 0 and opened:
        if opened[-1] > count:
            opened[-1] -= count
            return
        count -= opened.pop()


def _align(
    lines: Sequence[_Line],
    cell: Callable[[_Line], list[_Token]],
    before: Callable[[_Line], list[_Token]],
) -> None:
    """Bring the cells of consecutive lines that have one into one column, a space behind the widest."""
    run: list[_Line] = []
    for line in [*lines, _Line([])]:
        if cell(line):
            run.append(line)
            continue
        widths = [_width(before(member)) for member in run]
        for member, width in zip(run, widths, strict=True):
            cell(member)[0].spaces = max(widths) - width + 1
        run = []


def _width(tokens: Iterable[_Token]) -> int:
    return sum(token.spaces + _columns(token.text) for token in tokens)


def _columns(text: str) -> int:
    """The characters that a reader sees: those that combine with the one before do not count."""
    if text.isascii():
        return len(text)
    return sum(unicodedata.category(c) not in ("Mn", "Me", "Mc") for c in _JOINED.sub("", text))
