"""Tokens to the syntax tree: files, blocks and arguments, with recovery after each mistake."""

from __future__ import annotations

from vmforge.diagnostics import Diagnostic
from vmforge.template.hcl.expression_parser import ExpressionParser
from vmforge.template.hcl.scanner import (
    CLOSE_QUOTE,
    END,
    IDENTIFIER,
    INVALID,
    NEWLINE,
    OPEN_QUOTE,
    STRING,
    Scanner,
)
from vmforge.template.hcl.source import SourceText
from vmforge.template.hcl.syntax import Argument, Block, Body, Expression, Label
from vmforge.template.hcl.token_reader import ParseError

_BRACKETS = {"{": "}", "${": "}$", "%{": "}$", "[": "]", "(": ")"}
_TOO_DEEP = "this is nested too deeply"


def parse_file(source: SourceText) -> tuple[Body, list[Diagnostic]]:
    """Parse a file of arguments and blocks. What could be understood comes with what was wrong."""
    scanner = Scanner(source)
    try:
        parser = _StructureParser(source, scanner.scan())
        body = parser.parse_file()
    except RecursionError:
        empty = Body(source, 0, 0, {}, [])
        return empty, [Diagnostic.error(_TOO_DEEP, range=source.range(0, 0))]
    return body, [*scanner.diagnostics, *parser.diagnostics]


def parse_expression(source: SourceText) -> tuple[Expression | None, list[Diagnostic]]:
    """Parse a text that is one expression, as the value of `-var` is."""
    scanner = Scanner(source)
    try:
        parser = ExpressionParser(source, scanner.scan())
        parser.newlines_count = False
        expression = parser.parse_expression()
        if parser.peek() != END:
            raise parser.unexpected("the end of the expression")
    except ParseError as error:
        found = [error.diagnostic] if error.diagnostic is not None else []
        return None, [*scanner.diagnostics, *found]
    except RecursionError:
        return None, [Diagnostic.error(_TOO_DEEP, range=source.range(0, len(source.text)))]
    return (None if scanner.diagnostics else expression), scanner.diagnostics


class _StructureParser(ExpressionParser):
    """Parses bodies. An item that is wrong is left out, and parsing goes on behind it."""

    def parse_file(self) -> Body:
        body = self._parse_body(0)
        body.end = len(self.source.text)
        return body

    def _parse_body(self, start: int) -> Body:
        """The items up to the closing brace or the end, which is not passed over."""
        body = Body(self.source, start, start, {}, [])
        while True:
            kind = self.kinds[self.position]
            if kind == NEWLINE:
                self.position += 1
                continue
            if kind == END or (kind == "}" and start > 0):
                return body
            first = self.position
            try:
                self._parse_item(body)
                self._expect_line_end()
            except ParseError as error:
                if error.diagnostic is not None:
                    self.diagnostics.append(error.diagnostic)
                self._skip_item(first)

    def _expect_line_end(self) -> None:
        kind = self.kinds[self.position]
        if kind == NEWLINE:
            self.position += 1
        elif kind != END:
            hint = "start each argument and each block on a line of its own"
            raise self.unexpected("the end of the line", hint)

    def _skip_item(self, first: int) -> None:
        """Go on behind the line on which the item at token `first` ends, brackets counted."""
        self.newlines_count = True
        opened: list[str] = []
        at = first
        while (kind := self.kinds[at]) != END:
            if kind in _BRACKETS:
                opened.append(_BRACKETS[kind])
            elif kind in ("}", "}$", "]", ")"):
                if kind in opened:
                    del opened[len(opened) - 1 - opened[::-1].index(kind) :]
                elif kind == "}" and at > first:
                    break  # the end of the enclosing block
            elif (
                kind == NEWLINE and at >= self.position and (not opened or self._starts_item(at + 1, opened))
            ):
                at += 1
                break
            at += 1
        self.position = max(at, first + 1)

    def _starts_item(self, at: int, opened: list[str]) -> bool:
        """Whether the line that starts here looks like the next item, though brackets are open: so
        that a bracket which was never closed does not swallow the rest of the file."""
        if self.kinds[at] != IDENTIFIER or self.kinds[at + 1] not in ("=", "{", STRING):
            return False
        if "}" not in opened:  # `name =` can stand in braces, but not in other brackets
            return self.kinds[at + 1] == "="
        start = self.starts[at]
        return start == 0 or self.source.text[start - 1] == "\n"

    def _parse_item(self, body: Body) -> None:
        at = self.position
        if self.kinds[at] != IDENTIFIER:
            hint = ""
            if self.kinds[at] in (STRING, OPEN_QUOTE):
                hint = "names of arguments and blocks are written without quotes"
            raise self.unexpected("the name of an argument or of a block", hint)
        self.position += 1
        following = self.kinds[self.position]
        if following == "=":
            self._parse_argument(body, at)
        elif following in ("{", STRING, OPEN_QUOTE, IDENTIFIER):
            body.blocks.append(self._parse_block(at))
        else:
            name = self.text_at(at)
            hint = "write `name = value` or `type { ... }`"
            if following == ":":
                hint = f"write `{name} = ...`"
            raise self.unexpected(f"`=` or a block after `{name}`", hint)

    def _parse_argument(self, body: Body, at: int) -> None:
        self.position += 1
        expression = self.parse_expression()
        name = self.text_at(at)
        argument = Argument(self.source, self.starts[at], expression.end, name, expression)
        if name in body.arguments:
            line = body.arguments[name].range.start.line
            summary = f"`{name}` is set twice"
            place = argument.name_range
            found = Diagnostic.error(summary, range=place, hint=f"it is first set on line {line}; keep one")
            self.diagnostics.append(found)
        else:
            body.arguments[name] = argument

    def _parse_block(self, at: int) -> Block:
        labels: list[Label] = []
        while (kind := self.kinds[self.position]) != "{":
            if kind in (IDENTIFIER, STRING, OPEN_QUOTE):
                labels.append(self._parse_label(kind))
            elif kind == "=":
                raise self.unexpected("`{` or a label", "an argument has one name: `name = value`")
            else:
                hint = "the `{` of a block stands on the line of its type"
                error = self.unexpected("`{` or a label", hint if kind == NEWLINE else "")
                if kind == NEWLINE and self.kinds[self.position + 1] == "{":
                    self.position += 1  # so that the body is left out together with the header
                raise error
        opening = self.position
        self.position += 1
        body = self._parse_block_body(opening)
        header_end = labels[-1].end if labels else self.ends[at]
        return Block(self.source, self.starts[at], header_end, self.text_at(at), tuple(labels), body)

    def _parse_label(self, kind: str) -> Label:
        start = self.starts[self.position]
        if kind == IDENTIFIER:
            value = self.next_text()
            self.position += 1
        elif kind == STRING:
            value = self.unescaped(self.position, 1)
            self.position += 1
        else:
            value = self._parse_quoted_label()
        return Label(self.source, start, self.last_end, value)

    def _parse_quoted_label(self) -> str:
        self.position += 1
        value = ""
        while (kind := self.kinds[self.position]) != CLOSE_QUOTE:
            if kind in (INVALID, END):
                raise ParseError(None)
            if kind in ("${", "%{"):
                raise self.unexpected("plain text", "labels are fixed: they cannot hold `${ }` or `%{ }`")
            value += self.unescaped(self.position, 0)
            self.position += 1
        self.position += 1
        return value

    def _parse_block_body(self, opening: int) -> Body:
        start = self.ends[opening]
        if self.kinds[self.position] in (NEWLINE, "}"):
            body = self._parse_body(start)
        else:
            body = self._parse_single_line(start)
        if self.kinds[self.position] == END:
            summary = "this block is not closed"
            hint = "close it with `}`"
            raise self.error(summary, self.starts[opening], self.ends[opening], hint)
        body.end = self.starts[self.position]
        self.position += 1
        return body

    def _parse_single_line(self, start: int) -> Body:
        """`{ name = value }`: at most one argument, and the brace on the same line."""
        body = Body(self.source, start, start, {}, [])
        hint = "a block on one line holds one argument; put more on lines of their own"
        if self.kinds[self.position] != IDENTIFIER:
            raise self.unexpected("an argument or `}`")
        at = self.position
        self.position += 1
        if self.kinds[self.position] in ("{", STRING, OPEN_QUOTE, IDENTIFIER):
            summary = "a block on one line cannot hold a block"
            raise self.error(
                summary, self.starts[at], self.ends[at], "put the inner block on lines of its own"
            )
        if self.kinds[self.position] != "=":
            raise self.unexpected("`=`", hint)
        self._parse_argument(body, at)
        if self.kinds[self.position] != "}":
            raise self.unexpected("`}`", hint)
        return body
