"""From text to tokens: what stands between the actions, and what the actions are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from vmforge.sdk.gotemplate.errors import TemplateError, template_error

_SPACES = " \t\r\n"


class Kind(StrEnum):
    """The kinds of tokens; each value is what messages call it."""

    TEXT = "text"
    OPEN_ACTION = "`{{`"
    CLOSE_ACTION = "`}}`"
    SPACE = "a space"
    STRING = "a string"
    CHARACTER = "a character"
    NUMBER = "a number"
    DECLARE = "`:=`"
    ASSIGN = "`=`"
    PIPE = "`|`"
    OPEN = "`(`"
    CLOSE = "`)`"
    COMMA = "`,`"
    VARIABLE = "a variable"
    FIELD = "a field"
    DOT = "`.`"
    WORD = "a word"
    END = "the end of the text"


@dataclass(frozen=True, slots=True)
class Token:
    """`position` counts the characters before it."""

    kind: Kind
    text: str
    position: int


_TOKENS = {
    Kind.SPACE: r"[ \t\r\n]+",
    Kind.STRING: r'"(?:[^"\\\n]|\\.)*"|`[^`]*`',
    Kind.CHARACTER: r"'(?:[^'\\\n]|\\.)+'",
    Kind.NUMBER: r"[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+"
    r"|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?)",
    Kind.DECLARE: ":=",
    Kind.ASSIGN: "=",
    Kind.PIPE: r"\|",
    Kind.OPEN: r"\(",
    Kind.CLOSE: r"\)",
    Kind.COMMA: ",",
    Kind.VARIABLE: r"\$\w*",
    Kind.FIELD: r"\.[^\W\d]\w*",
    Kind.DOT: r"\.",
    Kind.WORD: r"[^\W\d]\w*",
}
_TOKEN = re.compile("|".join(f"(?P<{kind.name}>{pattern})" for kind, pattern in _TOKENS.items()))
_COMMENT = re.compile(r"\{\{(?:-[ \t\r\n]+)?/\*")
_CLOSE = re.compile(r"[ \t\r\n]+-\}\}|\}\}")


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of a template, `Kind.END` last. Raises `TemplateError`."""
    position, trim = 0, False
    while position < len(text):
        start = text.find("{{", position)
        end = len(text) if start < 0 else start
        yield from _between(text, position, end, trim)
        if start < 0:
            break
        comment = _COMMENT.match(text, start)
        if comment is not None:
            position, trim = _skip_comment(text, start, comment.end())
            continue
        trims = (
            text.startswith("{{-", start) and text[start + 3 : start + 4] in _SPACES and len(text) > start + 3
        )
        yield Token(Kind.OPEN_ACTION, "{{", start)
        for token in _inside(text, start + (3 if trims else 2)):
            yield token
            position, trim = token.position + len(token.text), token.text.endswith("-}}")
    yield Token(Kind.END, "", len(text))


def _between(text: str, start: int, end: int, trim: bool) -> Iterator[Token]:
    """The text between two actions, without the spaces that their trim markers take."""
    piece = text[start:end]
    if trim:
        piece = piece.lstrip(_SPACES)
    if re.match(r"\{\{-[ \t\r\n]", text[end : end + 4]):
        piece = piece.rstrip(_SPACES)
    if piece:
        yield Token(Kind.TEXT, piece, start)


def _skip_comment(text: str, start: int, inside: int) -> tuple[int, bool]:
    """Where a comment's action ends, and whether it trims what follows."""
    end = text.find("*/", inside)
    if end < 0:
        raise template_error(text, start, "the comment is not closed: expected `*/}}`")
    close = _CLOSE.match(text, end + 2)
    if close is None:
        raise template_error(text, end, "expected `}}` right after the comment's `*/`")
    return close.end(), close[0].endswith("-}}")


def _inside(text: str, position: int) -> Iterator[Token]:
    """The tokens of one action, `}}` included."""
    start = position
    while position < len(text):
        close = _CLOSE.match(text, position)
        if close is not None:
            yield Token(Kind.CLOSE_ACTION, close[0], position)
            return
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _bad_character(text, position)
        yield Token(Kind[match.lastgroup], match[0], position)
        position = match.end()
    raise template_error(text, start, "the action is not closed: expected `}}`")


def _bad_character(text: str, position: int) -> TemplateError:
    character = text[position]
    if character in "\"'`":
        return template_error(text, position, f"the string is not closed: expected another {character}")
    return template_error(text, position, f"expected a value, a function or `}}}}`, not {character!r}")


_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(
    r"\\(?:x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<o>[0-7]{3})|(?P<c>.))",
    re.DOTALL,
)


def unquote(quoted: str) -> str:
    """The value of a Go string or character literal. Raises ValueError for a wrong escape."""
    if quoted[0] == "`":
        return quoted[1:-1].replace("\r", "")
    return _ESCAPE.sub(_unescape, quoted[1:-1])


def _unescape(match: re.Match[str]) -> str:
    digits = match["x"] or match["u"] or match["U"]
    if digits is not None:
        return _character(int(digits, 16))
    if match["o"] is not None:
        return _character(int(match["o"], 8))
    character = match["c"]
    if character in "\\'\"":
        return character
    if character not in _ESCAPES:
        raise ValueError(
            f"`\\{character}` is no escape; write `\\\\` for a backslash, or quote with backquotes"
        )
    return _ESCAPES[character]


def _character(code: int) -> str:
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError(f"U+{code:X} is no character")
    return chr(code)
