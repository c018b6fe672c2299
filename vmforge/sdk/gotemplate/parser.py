"""From tokens to the syntax tree: recursive descent, one method per rule of the grammar."""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

import vmforge.sdk.gotemplate.syntax as syntax
from vmforge.diagnostics import did_you_mean
from vmforge.sdk.gotemplate.errors import TemplateError, template_error
from vmforge.sdk.gotemplate.lexer import Kind, Token, tokenize, unquote

_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_UNSUPPORTED = frozenset({"define", "template", "block"})
_BRANCHES: dict[str, type[syntax.If | syntax.With | syntax.Range]] = {
    "if": syntax.If,
    "with": syntax.With,
    "range": syntax.Range,
}
# Python's own stack bounds the recursion; no template that a person wrote comes near this depth.
_DEEPEST = 50


def parse(text: str, functions: Collection[str]) -> tuple[syntax.Node, ...]:
    """The syntax tree of `text`. Raises `TemplateError` for wrong syntax, a function that is not in
    `functions`, and a variable that is not declared."""
    return _Parser(text, functions).template()


class _Parser:
    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._text = text
        self._functions = functions
        self._tokens = list(tokenize(text))
        self._index = 0
        self._variables = ["$"]
        self._depth = 0
        self._loops = 0

    # Tokens

    @property
    def _next(self) -> Token:
        return self._tokens[self._index]

    def _take(self) -> Token:
        token = self._next
        self._index += token.kind is not Kind.END
        return token

    def _take_if(self, kind: Kind) -> Token | None:
        return self._take() if self._next.kind is kind else None

    def _skip_space(self) -> bool:
        return self._take_if(Kind.SPACE) is not None

    def _expect(self, kind: Kind) -> Token:
        if self._next.kind is not kind:
            self._unexpected(kind.value)
        return self._take()

    def _unexpected(self, expected: str) -> NoReturn:
        found = self._next
        names_itself = found.kind.value.startswith(("`", "the ", "a space"))
        self._fail(
            found.position, f"expected {expected}, not {found.kind if names_itself else f'`{found.text}`'}"
        )

    def _fail(self, position: int, problem: str, advice: str = "") -> NoReturn:
        raise template_error(self._text, position, problem, advice)

    def _descend(self, position: int) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(position, f"more than {_DEEPEST} levels of nesting")

    # Texts and actions

    def template(self) -> tuple[syntax.Node, ...]:
        nodes, end = self._nodes()
        if end is not None:
            self._fail(end.position, f"`{end.text}` without an `if`, `range` or `with` before it")
        return nodes

    def _nodes(self) -> tuple[tuple[syntax.Node, ...], Token | None]:
        """The nodes up to `{{else` or `{{end`, and that word's token; None at the end of the text."""
        nodes: list[syntax.Node] = []
        while (token := self._take()).kind is not Kind.END:
            if token.kind is Kind.TEXT:
                nodes.append(syntax.Text(token.text))
                continue
            self._skip_space()
            if self._next.kind is Kind.WORD and self._next.text in ("else", "end"):
                return tuple(nodes), self._take()
            nodes.append(self._action())
        return tuple(nodes), None

    def _action(self) -> syntax.Node:
        word = self._next
        if word.kind is Kind.WORD and word.text in _BRANCHES:
            self._take()
            return self._branch(word)
        if word.kind is Kind.WORD and word.text in ("break", "continue"):
            return self._jump(self._take())
        if word.kind is Kind.WORD and word.text in _UNSUPPORTED:
            self._fail(word.position, f"`{word.text}` is not supported: one text is one template here")
        return syntax.Action(self._pipeline(Kind.CLOSE_ACTION))

    def _jump(self, word: Token) -> syntax.Node:
        if not self._loops:
            self._fail(word.position, f"`{word.text}` outside of a `range`")
        self._skip_space()
        self._expect(Kind.CLOSE_ACTION)
        return syntax.Break(word.position) if word.text == "break" else syntax.Continue(word.position)

    def _branch(self, word: Token) -> syntax.Node:
        """`if`, `with` or `range` after its word, up to and with its `{{end}}`."""
        self._descend(word.position)
        scope = len(self._variables)
        value = self._pipeline(Kind.CLOSE_ACTION, is_range=word.text == "range")
        self._loops += word.text == "range"
        body, end = self._nodes()
        self._loops -= word.text == "range"
        otherwise: tuple[syntax.Node, ...] = ()
        if end is not None and end.text == "else":
            otherwise, end = self._else(word)
        elif end is not None:
            self._close()
        if end is None:
            self._fail(word.position, f"the `{word.text}` is not closed: expected `{{{{ end }}}}`")
        del self._variables[scope:]
        self._depth -= 1
        return _BRANCHES[word.text](value, body, otherwise)

    def _else(self, word: Token) -> tuple[tuple[syntax.Node, ...], Token | None]:
        """What follows `{{else`: another condition of the same kind, or nodes up to `{{end}}`."""
        if self._skip_space() and self._next.text == word.text and word.text != "range":
            again = self._take()
            return (self._branch(again),), again
        self._expect(Kind.CLOSE_ACTION)
        nodes, end = self._nodes()
        if end is not None and end.text == "else":
            self._fail(end.position, "a second `else`: expected `{{ end }}`")
        if end is not None:
            self._close()
        return nodes, end

    def _close(self) -> None:
        self._skip_space()
        self._expect(Kind.CLOSE_ACTION)

    # Pipelines

    def _pipeline(self, end: Kind, *, is_range: bool = False) -> syntax.Pipeline:
        self._skip_space()
        position = self._next.position
        variables, declares = self._assignment(is_range)
        commands: list[syntax.Command] = []
        while True:
            self._skip_space()
            commands.append(self._command(end))
            if self._take_if(Kind.PIPE) is None:
                break
        self._expect(end)
        if declares:
            self._variables += variables
        return syntax.Pipeline(position, tuple(variables), declares, tuple(commands))

    def _assignment(self, is_range: bool) -> tuple[list[str], bool]:
        """`$x :=`, `$x =`, or in a range `$i, $x :=`; nothing when a plain pipeline follows."""
        start = self._index
        names: list[Token] = []
        while (token := self._take_if(Kind.VARIABLE)) is not None:
            names.append(token)
            self._skip_space()
            if not is_range or len(names) == 2 or self._take_if(Kind.COMMA) is None:
                break
            self._skip_space()
        operator = self._take_if(Kind.DECLARE) or self._take_if(Kind.ASSIGN)
        if operator is None or not names:
            self._index = start
            return [], False
        if operator.kind is Kind.ASSIGN:
            for name in names:
                self._known_variable(name)
        return [name.text for name in names], operator.kind is Kind.DECLARE

    def _command(self, end: Kind) -> syntax.Command:
        position = self._next.position
        operands: list[syntax.Operand] = []
        while True:
            operands.append(self._operand())
            spaced = self._skip_space()
            if self._next.kind in (Kind.PIPE, end):
                break
            if not spaced:
                self._unexpected(f"a space, `|` or {end.value}")
        first = operands[0]
        if isinstance(first, syntax.Literal) and first.value is None:
            self._fail(position, "`nil` is no value to show: expected a value or a function")
        if len(operands) > 1 and not isinstance(first, syntax.Identifier):
            self._fail(position, "only a function takes arguments: expected a function's name first")
        return syntax.Command(position, tuple(operands))

    def _operand(self) -> syntax.Operand:
        operand = self._term()
        start = self._next.position
        fields: list[str] = []
        while (token := self._take_if(Kind.FIELD)) is not None:
            fields.append(token.text[1:])
        if not fields:
            return operand
        if isinstance(operand, (syntax.Literal, syntax.Dot)):
            self._fail(start, f"`.{fields[0]}` does not follow a value that has fields")
        return syntax.Access(start, operand, tuple(fields))

    def _term(self) -> syntax.Operand:
        token = self._next
        match token.kind:
            case Kind.STRING | Kind.CHARACTER | Kind.NUMBER:
                return syntax.Literal(token.position, self._literal(self._take()))
            case Kind.VARIABLE:
                return syntax.Variable(token.position, self._known_variable(self._take()))
            case Kind.DOT:
                return syntax.Dot(self._take().position)
            case Kind.FIELD:
                self._take()
                return syntax.Access(token.position, syntax.Dot(token.position), (token.text[1:],))
            case Kind.OPEN:
                return self._parenthesised(self._take())
            case Kind.WORD:
                return self._word(self._take())
        return self._unexpected("a value or a function")

    def _parenthesised(self, token: Token) -> syntax.Pipeline:
        self._descend(token.position)
        pipeline = self._pipeline(Kind.CLOSE)
        self._depth -= 1
        return pipeline

    def _word(self, token: Token) -> syntax.Operand:
        if token.text in _CONSTANTS:
            return syntax.Literal(token.position, _CONSTANTS[token.text])
        if token.text not in self._functions:
            advice = did_you_mean(token.text, self._functions)
            self._fail(token.position, f"unknown function `{token.text}`", advice)
        return syntax.Identifier(token.position, token.text)

    def _known_variable(self, token: Token) -> str:
        if token.text not in self._variables:
            self._fail(
                token.position,
                f"variable `{token.text}` is not declared",
                f"write `{token.text} := ...` first",
            )
        return token.text

    def _literal(self, token: Token) -> str | int | float:
        try:
            return _literal_value(token)
        except TemplateError:
            raise
        except ValueError as error:
            self._fail(token.position, str(error))


def _literal_value(token: Token) -> str | int | float:
    if token.kind is Kind.STRING:
        return unquote(token.text)
    if token.kind is Kind.CHARACTER:
        character = unquote(token.text)
        if len(character) != 1:
            raise ValueError(
                f"{token.text} is not one character; strings stand in double quotes or backquotes"
            )
        return ord(character)
    try:
        return _integer(token.text)
    except ValueError:
        pass
    try:
        return float(token.text)
    except ValueError:
        raise ValueError(f"`{token.text}` is not a number") from None


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    if digits.isdigit() and digits.startswith("0") and digits.strip("0"):
        return int(text, 8)  # Go's old octal form: 0644
    return int(text, 0)
