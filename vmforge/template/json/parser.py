"""Parses JSON (RFC 8259) into a tree with places."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final, NoReturn

from vmforge.diagnostics import Diagnostic, did_you_mean
from vmforge.template.hcl.source import SourceText
from vmforge.template.json.syntax import (
    JsonArray,
    JsonConstant,
    JsonNode,
    JsonNumber,
    JsonObject,
    JsonString,
    Member,
)

_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[^\W\d]\w*")
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_ESCAPES: Final = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
# far more than any template needs, far less than Python's stack holds
_DEEPEST: Final = 200
# int() refuses texts that are longer
_MOST_DIGITS: Final = 4000


def parse_json(
    source: SourceText, *, unique_keys: bool = True, floats: bool = True
) -> tuple[JsonNode | None, list[Diagnostic]]:
    """The tree of a text and what is wrong with it; no tree when the syntax is broken. With
    `unique_keys` a key that stands twice in an object is an error; with `floats` a number that fits into
    no float of 64 bits is, as to Go's decoder.

    Bytes that are no UTF-8 are lone surrogates in the text (`errors="surrogateescape"`).
    """
    parser = _Parser(source, unique_keys, floats)
    try:
        tree = parser.document()
    except _SyntaxError as error:
        return None, [*parser.diagnostics, error.diagnostic]
    return tree, parser.diagnostics


class _SyntaxError(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


class _Parser:
    def __init__(self, source: SourceText, unique_keys: bool, floats: bool) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._unique_keys = unique_keys
        self._floats = floats
        self._source = source
        self._text = source.text
        self._at = 1 if source.text.startswith("\ufeff") else 0
        self._depth = 0

    def document(self) -> JsonNode:
        self._skip_space()
        tree = self._value("a value")
        if self._at < len(self._text):
            self._unexpected("the end of the file")
        return tree

    # values; each leaves the reader at the next token

    def _value(self, expected: str) -> JsonNode:
        match self._peek():
            case '"':
                return self._string()
            case "{":
                return self._nested(self._object)
            case "[":
                return self._nested(self._array)
            case first if first == "-" or first.isdecimal():
                return self._number()
        return self._constant(expected)

    def _nested(self, read: Callable[[], JsonNode]) -> JsonNode:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(self._at, self._at + 1, f"this is nested more than {_DEEPEST} deep")
        node = read()
        self._depth -= 1
        return node

    def _object(self) -> JsonObject:
        start = self._at
        members: list[Member] = []
        known: dict[str, JsonString] = {}
        self._advance()
        while self._peek() != "}" or members:
            if self._peek() != '"':
                self._unexpected("a key in double quotes" + (" after the comma" if members else " or `}`"))
            name = self._string()
            if self._unique_keys:
                self._check_duplicate(name, known)
            if self._peek() != ":":
                self._unexpected(f"`:` and the value of `{name.value}`")
            self._advance()
            members.append(Member(name, self._value(f"the value of `{name.value}`")))
            if not self._goes_on("}", start, "object"):
                break
        return JsonObject(self._source, start, self._close(), tuple(members))

    def _array(self) -> JsonArray:
        start = self._at
        items: list[JsonNode] = []
        self._advance()
        while self._peek() != "]" or items:
            items.append(self._value("a value after the comma" if items else "a value or `]`"))
            if not self._goes_on("]", start, "list"):
                break
        return JsonArray(self._source, start, self._close(), tuple(items))

    def _goes_on(self, closing: str, start: int, what: str) -> bool:
        """Whether a comma follows, which is passed; the closing bracket must follow otherwise."""
        found = self._peek()
        if found == ",":
            self._advance()
            return True
        if found == "":
            summary = f"the {what} that begins here does not end"
            self._fail(start, start + 1, summary, f"close it with `{closing}`")
        if found != closing:
            self._unexpected(f"`,` or `{closing}`")
        return False

    def _check_duplicate(self, name: JsonString, known: dict[str, JsonString]) -> None:
        first = known.setdefault(name.value, name)
        if first is not name:
            summary = f"duplicate key `{name.value}`"
            hint = f"it is first set at {first.range}; keep one of them"
            self.diagnostics.append(Diagnostic.error(summary, range=name.range, hint=hint))

    def _number(self) -> JsonNumber:
        start = self._at
        match = _NUMBER.match(self._text, start)
        end = match.end() if match else start + 1
        following = self._text[end : end + 1]
        if match is None or following.isalnum() or following in (".", "_"):
            end = _end_of_word(self._text, end)
            wrong = self._text[start:end]
            self._fail(start, end, f"`{wrong}` is not a number", f'write it as a string: `"{wrong}"`')
        text = match.group()
        if self._floats and (len(text) > _MOST_DIGITS or math.isinf(float(text))):
            self._fail(start, end, "this number is too large")
        self._at = end
        self._skip_space()
        return JsonNumber(self._source, start, end, text)

    def _constant(self, expected: str) -> JsonConstant:
        start = self._at
        match = _WORD.match(self._text, start)
        if match is None or match.group() not in _CONSTANTS:
            self._unexpected(expected)
        self._at = match.end()
        self._skip_space()
        return JsonConstant(self._source, start, match.end(), _CONSTANTS[match.group()])

    # strings

    def _string(self) -> JsonString:
        start, text = self._at, self._text
        match = _PLAIN.match(text, start + 1)
        assert match is not None
        at, parts = match.end(), [match.group()]
        while text[at : at + 1] == "\\":
            piece, at = self._escape(at)
            parts.append(piece)
            match = _PLAIN.match(text, at)
            assert match is not None
            parts.append(match.group())
            at = match.end()
        if text[at : at + 1] != '"':
            self._unfinished_string(start, at)
        value = "".join(parts)
        if any("\udc80" <= character <= "\udcff" for character in value):
            self._fail(start, at + 1, "this string holds bytes that are no UTF-8", "save the file as UTF-8")
        self._at = at + 1
        self._skip_space()
        return JsonString(self._source, start, at + 1, value)

    def _escape(self, at: int) -> tuple[str, int]:
        """The character of an escape sequence and where it ends."""
        letter = self._text[at + 1 : at + 2]
        if letter in _ESCAPES and letter:
            return _ESCAPES[letter], at + 2
        if letter != "u":
            hint = "write `\\\\` for a backslash" if letter and letter != "\n" else ""
            self._fail(at, at + 2, f"`\\{letter.strip()}` is not an escape sequence", hint)
        code = self._code_unit(at)
        if 0xD800 <= code < 0xDC00 and self._text.startswith("\\u", at + 6):
            low = self._code_unit(at + 6)
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), at + 12
        # half of a pair stands for nothing; Go reads it as U+FFFD
        return ("\ufffd" if 0xD800 <= code < 0xE000 else chr(code)), at + 6

    def _code_unit(self, at: int) -> int:
        match = _HEX.match(self._text, at + 2)
        if match is None:
            self._fail(at, at + 2, "`\\u` needs four hexadecimal digits")
        return int(match.group(), 16)

    def _unfinished_string(self, start: int, at: int) -> NoReturn:
        if at >= len(self._text) or self._text[at] in "\r\n":
            hint = 'close it with `"`; a line break in a string is written `\\n`'
            self._fail(start, at, "this string does not end on its line", hint)
        code = ord(self._text[at])
        hint = "write `\\t`" if code == 9 else f"write `\\u{code:04x}`"
        self._fail(at, at + 1, "a string cannot hold this control character", hint)

    # tokens

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _advance(self) -> None:
        self._at += 1
        self._skip_space()

    def _close(self) -> int:
        end = self._at + 1
        self._advance()
        return end

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _unexpected(self, expected: str) -> NoReturn:
        start = self._at
        end = max(start + 1, _end_of_word(self._text, start))
        found = self._text[start:end] if start < len(self._text) else ""
        shown = f"`{found}`" if found.isprintable() else "this character"
        shown = shown if found else "the file ends here"
        self._fail(start, end, f"expected {expected}, but {_found(shown, found)}", self._advice(found))

    def _advice(self, found: str) -> str:
        before = self._text[: self._at].rstrip()[-1:]
        if found in ("}", "]") and before == ",":
            return f"leave out the comma before `{found}`"
        if found == '"' and before and before in '"}]0123456789el':
            return "put a comma between the two"
        if found == "'":
            return "strings are written in double quotes"
        if found in ("/", "#"):
            return 'JSON has no comments; a key `"_comment"` is one in a template, `"//"` in `.pkr.json`'
        if found[:1].isalpha():
            return did_you_mean(found.lower(), _CONSTANTS) or f'write it in double quotes: `"{found}"`'
        return ""

    def _fail(self, start: int, end: int, summary: str, hint: str = "") -> NoReturn:
        place = self._source.range(start, min(end, len(self._text)))
        raise _SyntaxError(Diagnostic.error(summary, range=place, hint=hint))


def _found(shown: str, found: str) -> str:
    return f"{shown} stands here" if found else shown


def _end_of_word(text: str, at: int) -> int:
    while at < len(text) and (text[at].isalnum() or text[at] in "_.+-"):
        at += 1
    return at
