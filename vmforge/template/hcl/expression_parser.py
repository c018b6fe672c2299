"""Expressions: operators by precedence, traversals, constructors, `for`, calls."""

from __future__ import annotations

from vmforge.diagnostics import Diagnostic
from vmforge.template.hcl.numbers import parse_number
from vmforge.template.hcl.scanner import (
    CLOSE_HEREDOC,
    CLOSE_QUOTE,
    IDENTIFIER,
    NEWLINE,
    NUMBER,
    OPEN_HEREDOC,
    OPEN_QUOTE,
    STRING,
    Tokens,
)
from vmforge.template.hcl.source import SourceText
from vmforge.template.hcl.syntax import (
    Attribute,
    Binary,
    Call,
    Conditional,
    Expression,
    ForObject,
    ForTuple,
    Index,
    Literal,
    LiteralValue,
    ObjectConstructor,
    Parentheses,
    Reference,
    Splat,
    SplatItem,
    TupleConstructor,
    Unary,
)
from vmforge.template.hcl.template_parser import TemplateParser, unescape
from vmforge.template.hcl.token_reader import TokenReader

_PRECEDENCE = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    ">": 4,
    ">=": 4,
    "<": 4,
    "<=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
}
_KEYWORDS: dict[str, LiteralValue] = {"true": True, "false": False, "null": None}


class ExpressionParser(TokenReader):
    """Parses expressions; `parse_expression` is the start symbol."""

    def __init__(self, source: SourceText, tokens: Tokens) -> None:
        super().__init__(source, tokens)
        self.diagnostics: list[Diagnostic] = []

    def parse_expression(self) -> Expression:
        """An expression at the next token. Raises `ParseError`."""
        condition = self._parse_binary(1)
        if self.peek() != "?":
            return condition
        self.position += 1
        then = self.parse_expression()
        self.expect(":", "`:` and the value for when the condition is false")
        otherwise = self.parse_expression()
        return Conditional(self.source, condition.start, otherwise.end, condition, then, otherwise)

    def _parse_binary(self, lowest: int) -> Expression:
        left = self._parse_term()
        while True:
            operator = self.peek()
            level = _PRECEDENCE.get(operator, 0)
            if level < lowest or level == 0:
                return left
            self.position += 1
            right = self._parse_binary(level + 1)
            left = Binary(self.source, left.start, right.end, operator, left, right)

    def _parse_term(self) -> Expression:
        term = self._parse_primary()
        # the common case: nothing follows that could belong to the term
        return self._parse_traversals(term) if self.peek() in (".", "[") else term

    def _parse_primary(self) -> Expression:
        kind = self.peek()
        at = self.position
        if kind == STRING:
            self.position = at + 1
            return Literal(self.source, self.starts[at], self.ends[at], self.unescaped(at, 1))
        if kind == IDENTIFIER:
            return self._parse_name()
        if kind == NUMBER:
            self.position = at + 1
            return Literal(self.source, self.starts[at], self.ends[at], self._number(at))
        if kind == "[":
            return self._parse_tuple()
        if kind == "{":
            return self._parse_object()
        if kind == "(":
            return self._parse_parentheses()
        if kind in ("-", "!"):
            self.position = at + 1
            operand = self._parse_term()
            return Unary(self.source, self.starts[at], operand.end, kind, operand)
        if kind in (OPEN_QUOTE, OPEN_HEREDOC):
            return self._parse_template(at, kind)
        raise self.unexpected("a value")

    def unescaped(self, at: int, quotes: int) -> str:
        """The text of a token without its quotes, escapes resolved."""
        start, end = self.starts[at] + quotes, self.ends[at] - quotes
        text = self.source.text[start:end]
        if text.isascii() and "\\" not in text and "{" not in text:
            return text
        return unescape(self, start, end, backslashes=True)

    def _number(self, at: int) -> LiteralValue:
        text = self.text_at(at)
        try:
            return parse_number(text)
        except ValueError as error:
            raise self.error(str(error), self.starts[at], self.ends[at]) from None

    def _parse_template(self, at: int, kind: str) -> Expression:
        self.position = at + 1
        parser = TemplateParser(self)
        if kind == OPEN_QUOTE:
            return parser.parse(CLOSE_QUOTE, self.starts[at], backslashes=True)
        flush = self.source.text.startswith("<<-", self.starts[at])
        return parser.parse(CLOSE_HEREDOC, self.starts[at], flush=flush)

    def _parse_name(self) -> Expression:
        at = self.position
        name = self.next_text()
        self.position += 1
        following = self.peek()
        if following in ("(", "::"):
            return self._parse_call(at, name)
        if name in _KEYWORDS:
            return Literal(self.source, self.starts[at], self.ends[at], _KEYWORDS[name])
        return Reference(self.source, self.starts[at], self.ends[at], name)

    def _parse_call(self, at: int, name: str) -> Expression:
        while self.take("::"):
            part = self.expect(IDENTIFIER, "the name of a function")
            name = f"{name}::{self.text_at(part)}"
        opening = self.expect("(", "`(` and the arguments of the function")
        before, self.newlines_count = self.newlines_count, False
        arguments: list[Expression] = []
        expand = False
        while not self.take(")"):
            arguments.append(self.parse_expression())
            if self.take("..."):
                expand = True
                self.expect(")", "`)`", "the argument with `...` is the last one")
                break
            if self.peek() not in (",", ")"):
                raise self._not_closed("`,` or `)`", opening, "this call")
            self.take(",")
        self.newlines_count = before
        return Call(self.source, self.starts[at], self.last_end, name, tuple(arguments), expand)

    def _not_closed(self, expected: str, opening: int, what: str) -> Exception:
        line = self.source.position(self.starts[opening]).line
        closing = {"(": ")", "[": "]", "{": "}"}[self.kinds[opening]]
        hint = f"{what} starts on line {line} and must end with `{closing}`"
        return self.unexpected(expected, hint)

    def _parse_parentheses(self) -> Expression:
        opening = self.position
        self.position += 1
        before, self.newlines_count = self.newlines_count, False
        inner = self.parse_expression()
        if self.peek() != ")":
            raise self._not_closed("`)`", opening, "the parenthesis")
        self.position += 1
        self.newlines_count = before
        return Parentheses(self.source, self.starts[opening], self.last_end, inner)

    def _parse_tuple(self) -> Expression:
        opening = self.position
        self.position += 1
        before, self.newlines_count = self.newlines_count, False
        if self.peek() == IDENTIFIER and self.next_text() == "for":
            return self._parse_for(opening, before)
        items: list[Expression] = []
        while not self.take("]"):
            items.append(self.parse_expression())
            if self.peek() not in (",", "]"):
                raise self._not_closed("`,` or `]`", opening, "the list")
            self.take(",")
        self.newlines_count = before
        return TupleConstructor(self.source, self.starts[opening], self.last_end, tuple(items))

    def _parse_object(self) -> Expression:
        opening = self.position
        self.position += 1
        before, self.newlines_count = self.newlines_count, False
        if self.peek() == IDENTIFIER and self.next_text() == "for":
            return self._parse_for(opening, before)
        self.newlines_count = True
        items: list[tuple[Expression, Expression]] = []
        while True:
            while self.take(NEWLINE):
                pass
            if self.take("}"):
                break
            key = _as_key(self.parse_expression())
            if self.peek() not in ("=", ":"):
                raise self.unexpected("`=` and the value of the key")
            self.position += 1
            items.append((key, self.parse_expression()))
            if self.peek() not in (",", NEWLINE, "}"):
                raise self._not_closed("`,`, `}` or the end of the line", opening, "the object")
            self.take(",")
        self.newlines_count = before
        return ObjectConstructor(self.source, self.starts[opening], self.last_end, tuple(items))

    def _parse_for(self, opening: int, newlines_before: bool) -> Expression:
        self.position += 1
        key_name, item_name = self.parse_for_names()
        collection = self.parse_expression()
        self.expect(":", "`:` and the value for each element")
        start, is_object = self.starts[opening], self.kinds[opening] == "{"
        value = self.parse_expression()
        key: Expression | None = None
        grouped = False
        if is_object:
            key = value
            self.expect("=>", "`=>` and the value of the key")
            value = self.parse_expression()
            grouped = self.take("...")
        condition = None
        if self.peek() == IDENTIFIER and self.next_text() == "if":
            self.position += 1
            condition = self.parse_expression()
        closing = "}" if is_object else "]"
        hint = (
            ""
            if is_object or self.peek() != "=>"
            else "a `for` that makes a map stands in braces, `{for ...}`"
        )
        self.expect(closing, f"`if` or `{closing}`", hint)
        self.newlines_count = newlines_before
        end = self.last_end
        if key is not None:
            return ForObject(
                self.source, start, end, key_name, item_name, collection, key, value, grouped, condition
            )
        return ForTuple(self.source, start, end, key_name, item_name, collection, value, condition)

    def parse_for_names(self) -> tuple[str, str]:
        """`item in` or `key, item in`: the names, the key's empty when there is none."""
        key, item = "", self.text_at(self.expect(IDENTIFIER, "a name for the element"))
        if self.take(","):
            key, item = item, self.text_at(self.expect(IDENTIFIER, "a name for the element"))
        if self.peek() != IDENTIFIER or self.next_text() != "in":
            raise self.unexpected("`in` and the collection")
        self.position += 1
        return key, item

    def _parse_traversals(self, term: Expression) -> Expression:
        """`.name`, `.0`, `[key]`, `.*` and `[*]` behind a term."""
        while True:
            kind = self.peek()
            if kind == ".":
                self.position += 1
                if self.peek() == "*":
                    self.position += 1
                    term = self._parse_attribute_splat(term)
                else:
                    term = self._parse_attribute(term)
            elif kind == "[":
                opening = self.position
                self.position += 1
                if self.peek() == "*":
                    return self._parse_full_splat(term)
                before, self.newlines_count = self.newlines_count, False
                key = self.parse_expression()
                if self.peek() != "]":
                    raise self._not_closed("`]`", opening, "the index")
                self.position += 1
                self.newlines_count = before
                term = Index(self.source, term.start, self.last_end, term, key)
            else:
                return term

    def _parse_full_splat(self, term: Expression) -> Expression:
        self.position += 1
        self.expect("]", "`]` after `[*`")
        item = SplatItem(self.source, term.end, self.last_end)
        each = self._parse_traversals(item)
        return Splat(self.source, term.start, self.last_end, term, each)

    def _parse_attribute(self, term: Expression) -> Expression:
        kind = self.peek()
        at = self.position
        if kind == IDENTIFIER:
            self.position += 1
            return Attribute(self.source, term.start, self.ends[at], term, self.next_text_at(at))
        if kind == NUMBER:
            self.position += 1
            return self._parse_old_index(term, at)
        raise self.unexpected("the name of an attribute after `.`")

    def next_text_at(self, at: int) -> str:
        return self.source.text[self.starts[at] : self.ends[at]]

    def _parse_old_index(self, term: Expression, at: int) -> Expression:
        """`.0`; two of them in a row scan as one number, and are an error in HCL."""
        text, start, end = self.text_at(at), self.starts[at], self.ends[at]
        index = None if "." in text else self._number(at)
        if not isinstance(index, int):
            hint = "write `[0][1]`" if "." in text else ""
            raise self.error("an index after `.` must be one whole number", start, end, hint)
        key = Literal(self.source, start, end, index)
        return Index(self.source, term.start, end, term, key)

    def _parse_attribute_splat(self, term: Expression) -> Expression:
        each: Expression = SplatItem(self.source, term.end, self.last_end)
        while self.peek() == ".":
            self.position += 1
            if self.peek() == "*":
                raise self.unexpected(
                    "the name of an attribute", "a splat cannot stand inside `.*`; use `[*]`"
                )
            each = self._parse_attribute(each)
        return Splat(self.source, term.start, self.last_end, term, each)


def _as_key(expression: Expression) -> Expression:
    """A bare name before `=` in an object is the key itself, no reference; so are the keywords."""
    if isinstance(expression, Reference):
        return Literal(expression.source, expression.start, expression.end, expression.name)
    if isinstance(expression, Literal) and (expression.value is None or isinstance(expression.value, bool)):
        return Literal(expression.source, expression.start, expression.end, expression.text)
    return expression
