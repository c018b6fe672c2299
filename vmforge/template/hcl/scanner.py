"""Text to tokens, as HCL's native syntax specification defines them (hclsyntax/spec.md).

Quoted strings and heredocs hold templates, which hold expressions, which hold strings: the scanner
follows that nesting itself. Comments are left out; one that runs to the end of its line leaves a
newline token, as the line's end matters to the parser.
"""

from __future__ import annotations

import re
from typing import Final

from vmforge.diagnostics import Diagnostic
from vmforge.template.hcl.source import SourceText

# Kinds of tokens. Punctuation and operators are kinds of their own, named by their text.
IDENTIFIER: Final = "identifier"
NUMBER: Final = "number"
STRING: Final = "string"  # a whole quoted string without sequences, its quotes included
OPEN_QUOTE: Final = "opening quote"
CLOSE_QUOTE: Final = "closing quote"
OPEN_HEREDOC: Final = "heredoc"
CLOSE_HEREDOC: Final = "end of the heredoc"
LITERAL: Final = "text"  # text in a template: in a heredoc, at most one line of it with its end
INTERPOLATION: Final = "${"
DIRECTIVE: Final = "%{"
SEQUENCE_END: Final = "}$"  # the brace that ends an interpolation or a directive
NEWLINE: Final = "newline"
INVALID: Final = "invalid character"
END: Final = "end of the file"

_TOKEN = re.compile(
    r"""[ \t]*(?:
      (?P<identifier>[^\W\d][\w-]*)
    | (?P<newline>\r?\n|(?:\#|//)[^\n]*\n?)
    | (?P<string>"(?:[^"\\$%\r\n]|\\[^\r\n])*")
    | (?P<number>[0-9](?:(?:[0-9.]|[eE][+-]?[0-9])*(?:[0-9]|[eE][+-]?[0-9]))?)
    | (?P<comment>/\*.*?\*/)
    | (?P<heredoc><<-?(?P<marker>[^\W\d][\w-]*)\r?\n)
    | (?P<operator>==|!=|<=|>=|&&|\|\||=>|\.\.\.|::|[={}()\[\],.:?+*/%!<>-])
    | (?P<quote>")
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED_TEXT = re.compile(r"(?:[^\"\\$%\r\n]|\\[^\r\n]|\$\$\{|%%\{|[$%](?!\{))+")
_SEQUENCE = re.compile(r"\$\$\{|%%\{|(?P<start>[$%]\{~?)")
_SUGGESTIONS = {
    "'": "write strings with double quotes",
    "`": "write strings with double quotes; for several lines use a heredoc, `<<EOT`",
    ";": "put arguments and blocks on lines of their own, and commas between items",
    "&": "write `&&` for a boolean and",
    "|": "write `||` for a boolean or",
    "~": "write `!` for a boolean not",
    "$": 'to refer to a value write it bare, as in `var.name`, or inside a string, as in `"${var.name}"`',
}


class Tokens:
    """Tokens side by side: the kind, first offset and end offset of each. The last one is `END`."""

    __slots__ = ("ends", "kinds", "starts")

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, kind: str, start: int, end: int) -> None:
        self.kinds.append(kind)
        self.starts.append(start)
        self.ends.append(end)


class Scanner:
    """Scans one text. What is wrong with characters goes to `diagnostics`, one finding a line."""

    def __init__(self, source: SourceText) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._source = source
        self._text = source.text
        self._tokens = Tokens()
        self._complained_of_line = 0

    def scan(self) -> Tokens:
        """The tokens of a file of arguments and blocks, or of one expression."""
        start = 1 if self._text.startswith("\ufeff") else 0
        self._scan_normal(start, nested=False)
        return self._finish()

    def scan_template(self) -> Tokens:
        """The tokens of a bare template: a file that `templatefile` reads, a string in JSON."""
        at = 0
        while at < len(self._text):
            at = self._scan_line(at)
        self._tokens.add(END, at, at)
        return self._finish()

    def _finish(self) -> Tokens:
        tokens = self._tokens
        if not self._text.isascii():
            for index, kind in enumerate(tokens.kinds):
                text = self._text[tokens.starts[index] : tokens.ends[index]]
                if not text.isascii():
                    self._check_characters(kind, text, index)
        return tokens

    def _check_characters(self, kind: str, text: str, index: int) -> None:
        start, end = self._tokens.starts[index], self._tokens.ends[index]
        if kind == IDENTIFIER and not text.replace("-", "_").isidentifier():
            self._complain("this name has a character that names may not have", start, end)
        # text is decoded with "surrogateescape": what was no UTF-8 is a lone surrogate here
        elif kind != NEWLINE and any("\ud800" <= c <= "\udfff" for c in text):
            self._complain("this is not UTF-8 text", start, end, "save the file as UTF-8")

    def _scan_normal(self, at: int, *, nested: bool) -> int:
        """Scan up to the end, or when `nested` to the brace that closes the sequence; its end."""
        text, match = self._text, _TOKEN.match
        kinds, starts, ends = self._tokens.kinds, self._tokens.starts, self._tokens.ends
        depth = 0
        while True:
            found = match(text, at)
            if found is None:
                at = self._scan_odd(at, depth if nested else 1)
                if at < 0:
                    return -at
                continue
            kind = found.lastgroup or END
            start, at = found.span(kind)
            if kind == "operator":
                kind = text[start:at]
                if kind == "{":
                    depth += 1
                elif kind == "}":
                    if depth == 0 and nested:
                        self._tokens.add(SEQUENCE_END, start, at)
                        return at
                    depth -= 1
            elif kind == "comment":
                continue
            elif kind == "quote":
                at = self._scan_quoted(start)
                continue
            elif kind == "heredoc":
                at = self._scan_heredoc(start, at, found["marker"])
                continue
            elif kind == "end":
                self._tokens.add(END, start, at)
                return at
            kinds.append(kind)
            starts.append(start)
            ends.append(at)

    def _scan_odd(self, at: int, depth: int) -> int:
        """Handle a character that starts no token. Minus the end when it closes the sequence."""
        while self._text[at] in " \t":
            at += 1
        if depth == 0 and self._text.startswith("~}", at):
            self._tokens.add(SEQUENCE_END, at, at + 2)
            return -(at + 2)
        character = self._text[at]
        summary = f"the character `{character}` has no meaning here" if character.isprintable() else ""
        self._complain(
            summary or "this character has no meaning here", at, at + 1, _SUGGESTIONS.get(character, "")
        )
        self._tokens.add(INVALID, at, at + 1)
        return at + 1

    def _scan_quoted(self, start: int) -> int:
        text = self._text
        self._tokens.add(OPEN_QUOTE, start, start + 1)
        at = start + 1
        while True:
            literal = _QUOTED_TEXT.match(text, at)
            if literal is not None:
                self._tokens.add(LITERAL, at, literal.end())
                at = literal.end()
            if text.startswith('"', at):
                self._tokens.add(CLOSE_QUOTE, at, at + 1)
                return at + 1
            if at >= len(text) or text[at] in "\\\r\n":
                hint = 'close the string with `"`; for several lines use a heredoc, `<<EOT`'
                self._complain("this string is not closed on its line", start, at, hint)
                self._tokens.add(INVALID, at, at)
                return at
            at = self._scan_sequence(at, at + (3 if text.startswith("~", at + 2) else 2))

    def _scan_sequence(self, start: int, end: int) -> int:
        """Scan `${ ... }` or `%{ ... }`, whose opening lies between the offsets."""
        kind = INTERPOLATION if self._text[start] == "$" else DIRECTIVE
        self._tokens.add(kind, start, end)
        at = self._scan_normal(end, nested=True)
        if self._tokens.kinds[-1] == END:  # only the whole text has an end
            self._complain(f"this `{kind}` is not closed", start, end, "close it with `}`")
            for column in (self._tokens.kinds, self._tokens.starts, self._tokens.ends):
                column.pop()
            self._tokens.add(INVALID, at, at)
        return at

    def _scan_heredoc(self, start: int, at: int, marker: str) -> int:
        text = self._text
        self._tokens.add(OPEN_HEREDOC, start, at)
        while at < len(text):
            end = text.find("\n", at)
            if end >= 0 and text[at:end].strip() == marker:
                stop = end - 1 if text[end - 1] == "\r" else end
                self._tokens.add(CLOSE_HEREDOC, at, stop)
                return stop  # the newline behind the marker is a token of its own
            at = self._scan_line(at)
        hint = f"end it with a line that holds `{marker}` alone, and a line end after that"
        self._complain("this heredoc has no end", start, start + len("<<") + len(marker), hint)
        self._tokens.add(INVALID, at, at)
        return at

    def _scan_line(self, at: int) -> int:
        """Scan one line of a template's text, together with the sequences that start on it."""
        text = self._text
        while True:
            stop = text.find("\n", at) + 1 or len(text)
            start, literal = None, at
            for found in _SEQUENCE.finditer(text, at, stop):
                if found["start"] is not None:
                    start = found
                    break
            end = start.start() if start is not None else stop
            if end > literal:
                self._tokens.add(LITERAL, literal, end)
            if start is None:
                return stop
            at = self._scan_sequence(start.start(), start.end())
            if at >= len(text):
                return at

    def _complain(self, summary: str, start: int, end: int, hint: str = "") -> None:
        place = self._source.range(start, max(end, start + 1))
        if place.start.line != self._complained_of_line:
            self._complained_of_line = place.start.line
            self.diagnostics.append(Diagnostic.error(summary, range=place, hint=hint))
