"""The template sub-language: text with `${ }` and `%{ }`, in quotes, heredocs and files.

White space is stripped exactly as Go's HCL does it, because answer files depend on it: `~` touches
only the neighbouring piece of text, and in a heredoc or a file a piece is at most one line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vmforge.diagnostics import Diagnostic
from vmforge.template.hcl.scanner import (
    DIRECTIVE,
    END,
    IDENTIFIER,
    INTERPOLATION,
    LITERAL,
    SEQUENCE_END,
    Scanner,
)
from vmforge.template.hcl.source import SourceText
from vmforge.template.hcl.syntax import (
    Conditional,
    Expression,
    ForTuple,
    Joined,
    Literal,
    Template,
    Unwrapped,
)
from vmforge.template.hcl.token_reader import ParseError, TokenReader

if TYPE_CHECKING:
    from vmforge.template.hcl.expression_parser import ExpressionParser

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|\$\$(?=\{)|%%(?=\{)", re.DOTALL)
_SIMPLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_SEQUENCE_ESCAPE = re.compile(r"([$%])\1(?=\{)")
_CLOSERS: Final = {"if": ("else", "endif"), "else": ("endif",), "for": ("endfor",)}


def parse_template(source: SourceText) -> tuple[Expression | None, list[Diagnostic]]:
    """Parse a text that is a template as a whole, such as a file for `templatefile`."""
    from vmforge.template.hcl.expression_parser import ExpressionParser

    scanner = Scanner(source)
    try:
        reader = ExpressionParser(source, scanner.scan_template())
        expression = TemplateParser(reader).parse(END, 0)
    except ParseError as error:
        found = [error.diagnostic] if error.diagnostic is not None else []
        return None, [*scanner.diagnostics, *found]
    except RecursionError:
        return None, [Diagnostic.error("this template is nested too deeply", range=source.range(0, 1))]
    return (None if scanner.diagnostics else expression), scanner.diagnostics


def unescape(reader: TokenReader, start: int, end: int, *, backslashes: bool) -> str:
    """The text between two offsets with its escapes resolved, in Unicode's normal form C."""
    text = reader.source.text[start:end]
    if backslashes:
        text = _ESCAPE.sub(lambda found: _resolved(reader, start, found), text)
    else:
        text = _SEQUENCE_ESCAPE.sub(r"\1", text)
    return in_normal_form(text)


def in_normal_form(text: str) -> str:
    """A string as the language knows it: in Unicode's normal form C."""
    if text.isascii():
        return text
    import unicodedata  # loaded only where it is needed: it is slow to load

    return unicodedata.normalize("NFC", text)


def _resolved(reader: TokenReader, start: int, found: re.Match[str]) -> str:
    escape: str | None = found[1]
    if escape is None:
        return found[0][0]
    if escape in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[escape]
    place = (start + found.start(), start + found.end())
    if len(escape) > 1:
        code = int(escape[1:], 16)
        if code < 0x110000 and not 0xD800 <= code < 0xE000:
            return chr(code)
        raise reader.error("there is no such Unicode character", *place)
    hint = 'known are `\\n`, `\\r`, `\\t`, `\\"`, `\\uNNNN`, `\\UNNNNNNNN` and `\\\\`, which is a backslash'
    raise reader.error(f"`\\{escape}` is no escape sequence", *place, hint)


@dataclass(slots=True)
class _Text:
    value: str
    start: int
    end: int


@dataclass(slots=True)
class _Interpolation:
    expression: Expression


@dataclass(slots=True)
class _Directive:
    """`%{ word ... }` with what belongs to the word: a condition, or names and a collection."""

    word: str
    start: int
    end: int
    expression: Expression | None = None
    names: tuple[str, str] = ("", "")


class TemplateParser:
    """Parses one template whose first token is the reader's next."""

    def __init__(self, reader: ExpressionParser) -> None:
        self._reader = reader
        self._pieces: list[_Text | _Interpolation | _Directive] = []
        self._next = 0

    def parse(
        self, closing: str, start: int, *, backslashes: bool = False, flush: bool = False
    ) -> Expression:
        """Parse up to and over the closing token. `flush` takes off the common indentation."""
        reader = self._reader
        before, reader.newlines_count = reader.newlines_count, True
        self._read_pieces(closing, backslashes)
        reader.newlines_count = before
        if flush:
            _take_off_indentation(self._pieces)
        parts = self._parse_parts(None)
        end = reader.last_end
        if len(self._pieces) == 1 and isinstance(self._pieces[0], _Interpolation):
            return Unwrapped(reader.source, start, end, parts[0])
        texts = [piece.value for piece in self._pieces if isinstance(piece, _Text)]
        if len(texts) == len(self._pieces):
            return Literal(reader.source, start, end, "".join(texts))
        return Template(reader.source, start, end, tuple(parts))

    def _read_pieces(self, closing: str, backslashes: bool) -> None:
        reader = self._reader
        strip = False
        while True:
            at = reader.position
            kind = reader.kinds[at]
            if kind == LITERAL:
                start, end = reader.starts[at], reader.ends[at]
                text = unescape(reader, start, end, backslashes=backslashes)
                self._pieces.append(_Text(text.lstrip() if strip else text, start, end))
                strip = False
                reader.position += 1
            elif kind in (INTERPOLATION, DIRECTIVE):
                strip = self._read_sequence(at, kind)
            elif kind == closing:
                reader.position += 1
                return
            else:
                raise ParseError(None)  # the scanner has said what is wrong with the string

    def _read_sequence(self, at: int, kind: str) -> bool:
        """Read `${ }` or `%{ }`; whether it ends in `~}`."""
        reader = self._reader
        last = self._pieces[-1] if self._pieces else None
        if reader.ends[at] - reader.starts[at] == 3 and isinstance(last, _Text):
            last.value = last.value.rstrip()
        reader.position += 1
        reader.newlines_count = False
        if kind == INTERPOLATION:
            self._pieces.append(_Interpolation(reader.parse_expression()))
        else:
            self._pieces.append(self._read_directive(at))
        hint = "" if kind == DIRECTIVE else "between `${` and `}` stands one expression"
        closing = reader.expect(SEQUENCE_END, "`}`", hint)
        reader.newlines_count = True
        directive = self._pieces[-1]
        if isinstance(directive, _Directive):
            directive.end = reader.last_end
        return reader.ends[closing] - reader.starts[closing] == 2

    def _read_directive(self, at: int) -> _Directive:
        reader = self._reader
        word = reader.text_at(reader.expect(IDENTIFIER, "`if`, `else`, `endif`, `for` or `endfor`"))
        directive = _Directive(word, reader.starts[at], reader.last_end)
        if word == "if":
            directive.expression = reader.parse_expression()
        elif word == "for":
            directive.names = reader.parse_for_names()
            directive.expression = reader.parse_expression()
        elif word not in ("else", "endif", "endfor"):
            hint = "known are `if`, `else`, `endif`, `for` and `endfor`"
            raise reader.error(f"there is no directive `{word}`", directive.start, directive.end, hint)
        return directive

    def _parse_parts(self, opening: _Directive | None) -> list[Expression]:
        """The pieces up to the directive that ends `opening`, which is left as the next piece."""
        parts: list[Expression] = []
        source = self._reader.source
        while self._next < len(self._pieces):
            piece = self._pieces[self._next]
            if isinstance(piece, _Text):
                parts.append(Literal(source, piece.start, piece.end, piece.value))
            elif isinstance(piece, _Interpolation):
                parts.append(piece.expression)
            elif piece.word == "if":
                parts.append(self._parse_if(piece))
            elif piece.word == "for":
                parts.append(self._parse_for(piece))
            elif opening is not None and piece.word in _CLOSERS[opening.word]:
                return parts
            else:
                hint = f"expected `%{{ {_CLOSERS[opening.word][-1]} }}`" if opening is not None else ""
                summary = f"`{piece.word}` without the directive that it belongs to"
                raise self._reader.error(summary, piece.start, piece.end, hint)
            self._next += 1
        if opening is not None:
            hint = f"close it with `%{{ {_CLOSERS[opening.word][-1]} }}`"
            summary = f"this `{opening.word}` is not closed"
            raise self._reader.error(summary, opening.start, opening.end, hint)
        return parts

    def _parse_if(self, opening: _Directive) -> Expression:
        self._next += 1
        then = self._parse_branch(opening)
        otherwise: Expression = Literal(self._reader.source, opening.end, opening.end, "")
        closing = self._pieces[self._next]
        if isinstance(closing, _Directive) and closing.word == "else":
            self._next += 1
            otherwise = self._parse_branch(closing)
        assert opening.expression is not None
        return Conditional(
            self._reader.source, opening.start, opening.end, opening.expression, then, otherwise
        )

    def _parse_for(self, opening: _Directive) -> Expression:
        self._next += 1
        value = self._parse_branch(opening)
        assert opening.expression is not None
        source, (key, item) = self._reader.source, opening.names
        loop = ForTuple(source, opening.start, opening.end, key, item, opening.expression, value, None)
        return Joined(source, opening.start, opening.end, loop)

    def _parse_branch(self, opening: _Directive) -> Expression:
        parts = self._parse_parts(opening)
        return Template(self._reader.source, opening.end, opening.end, tuple(parts))


def _take_off_indentation(pieces: list[_Text | _Interpolation | _Directive]) -> None:
    """`<<-`: take the least indentation of all lines off each line. Blank lines do not count."""
    at_line_start = True
    least: int | None = None
    starts: list[_Text] = []
    for piece in pieces:
        text = piece.value if isinstance(piece, _Text) else ""
        if at_line_start and not (text.endswith("\n") and not text.strip()):
            width = len(text) - len(text.lstrip())
            least = width if least is None else min(least, width)
            if isinstance(piece, _Text):
                starts.append(piece)
        at_line_start = text.endswith("\n")
    for piece in starts:
        piece.value = piece.value[least or 0 :]
