"""What all parts of the parser stand on: the position among the tokens, and how errors are made."""

from __future__ import annotations

from vmforge.diagnostics import Diagnostic
from vmforge.template.hcl.scanner import END, INVALID, NEWLINE, Tokens
from vmforge.template.hcl.source import SourceText

_DESCRIPTIONS = {
    NEWLINE: "the end of the line",
    "}$": "the `}` that ends the sequence",
    "identifier": "a name",
    "string": "a string",
    "opening quote": "a string",
    "heredoc": "a heredoc",
    "number": "a number",
    "text": "text",
}


class ParseError(Exception):
    """The text breaks the grammar. `diagnostic` is None when the scanner has reported it already."""

    def __init__(self, diagnostic: Diagnostic | None) -> None:
        super().__init__(diagnostic.summary if diagnostic is not None else "")
        self.diagnostic = diagnostic


class TokenReader:
    """Reads tokens in order. While `newlines_count` is false, newline tokens are passed over, as
    HCL does inside parentheses and brackets."""

    def __init__(self, source: SourceText, tokens: Tokens) -> None:
        self.source = source
        self.kinds, self.starts, self.ends = tokens.kinds, tokens.starts, tokens.ends
        self.position = 0
        self.newlines_count = True

    def peek(self) -> str:
        """The kind of the next token."""
        kind = self.kinds[self.position]
        if not self.newlines_count:
            while kind == NEWLINE:
                self.position += 1
                kind = self.kinds[self.position]
        return kind

    def text_at(self, position: int) -> str:
        return self.source.text[self.starts[position] : self.ends[position]]

    def next_text(self) -> str:
        """The text of the next token (after `peek`)."""
        return self.text_at(self.position)

    def take(self, kind: str) -> bool:
        """Pass over the next token when it is of this kind."""
        if self.peek() == kind:
            self.position += 1
            return True
        return False

    def expect(self, kind: str, what: str, hint: str = "") -> int:
        """Pass over a token that must be there; its position."""
        if self.peek() != kind:
            raise self.unexpected(what, hint)
        self.position += 1
        return self.position - 1

    @property
    def last_end(self) -> int:
        """Where the token that was read last ends."""
        return self.ends[self.position - 1]

    def unexpected(self, expected: str, hint: str = "") -> ParseError:
        """The error that the next token is not what must stand here."""
        kind = self.peek()
        if kind == INVALID:
            return ParseError(None)
        described = _DESCRIPTIONS.get(kind) or (kind if kind == END else f"`{self.next_text()}`")
        if kind == END:
            described = "the end of the file"
        elif kind in ("identifier", "number"):
            described = f"`{self.next_text()}`"
        start, end = self.starts[self.position], self.ends[self.position]
        return self.error(f"expected {expected}, found {described}", start, end, hint)

    def error(self, summary: str, start: int, end: int, hint: str = "") -> ParseError:
        place = self.source.range(start, max(end, start + 1))
        return ParseError(Diagnostic.error(summary, range=place, hint=hint))
