"""Executes a parsed template on data that consist of mappings, sequences, texts, numbers and truth values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NoReturn, TypeAlias

import vmforge.sdk.gotemplate.syntax as syntax
from vmforge.sdk.gotemplate.builtins import BUILTINS
from vmforge.sdk.gotemplate.errors import TemplateError, field_error, template_error
from vmforge.sdk.gotemplate.parser import parse
from vmforge.sdk.gotemplate.values import is_list, to_text, truth, type_name

# A function of a template. Parameters annotated `str` and `int` are checked before it is called;
# what is wrong with the arguments otherwise it says by raising ValueError.
Function: TypeAlias = Callable[..., object]


def render(text: str, data: object, functions: Mapping[str, Function]) -> str:
    """The text with its actions replaced. `functions` stand beside Go's own and win over them.

    Raises `TemplateError` (a ValueError) for wrong syntax and for what cannot be evaluated, a field
    that the data do not have included.
    """
    known = BUILTINS | dict(functions)
    nodes = parse(text, known_functions(functions))
    return _Execution(text, data, known).run(nodes)


# These evaluate only as many arguments as they need.
_LAZY = frozenset({"and", "or"})


def known_functions(functions: Collection[str]) -> frozenset[str]:
    """The names of all functions that a template may call when it is given `functions`."""
    return _LAZY | BUILTINS.keys() | set(functions)


class _Leave(Exception):
    """`break`."""


class _GoOn(Exception):
    """`continue`."""


class _Execution:
    def __init__(self, text: str, data: object, functions: Mapping[str, Function]) -> None:
        self._text = text
        self._functions = functions
        self._output: list[str] = []
        self._dot = data
        self._variables: list[tuple[str, object]] = [("$", data)]

    def run(self, nodes: tuple[syntax.Node, ...]) -> str:
        self._walk(nodes)
        return "".join(self._output)

    def _fail(self, position: int, problem: str, advice: str = "") -> NoReturn:
        raise template_error(self._text, position, problem, advice)

    # Nodes

    def _walk(self, nodes: tuple[syntax.Node, ...]) -> None:
        for node in nodes:
            match node:
                case syntax.Text(text):
                    self._output.append(text)
                case syntax.Action(pipeline):
                    value = self._pipeline(pipeline)
                    if not pipeline.variables:
                        self._output.append(to_text(value))
                case syntax.If():
                    self._if(node)
                case syntax.With():
                    self._with(node)
                case syntax.Range():
                    self._range(node)
                case syntax.Break():
                    raise _Leave
                case syntax.Continue():
                    raise _GoOn

    def _block(self, nodes: tuple[syntax.Node, ...], dot: object) -> None:
        """Nodes in a scope of their own, with `dot` as the current value."""
        outer, declared = self._dot, len(self._variables)
        self._dot = dot
        try:
            self._walk(nodes)
        finally:
            self._dot = outer
            del self._variables[declared:]

    def _if(self, node: syntax.If) -> None:
        declared = len(self._variables)
        taken = truth(self._pipeline(node.condition))
        self._block(node.body if taken else node.otherwise, self._dot)
        del self._variables[declared:]

    def _with(self, node: syntax.With) -> None:
        declared = len(self._variables)
        value = self._pipeline(node.value)
        if truth(value):
            self._block(node.body, value)
        else:
            self._block(node.otherwise, self._dot)
        del self._variables[declared:]

    def _range(self, node: syntax.Range) -> None:
        declared = len(self._variables)
        values = self._pipeline(node.values, ranged=True)
        items = self._items(node.values.position, values)
        for key, value in items:
            self._assign_item(node.values, key, value)
            try:
                self._block(node.body, value)
            except _Leave:
                break
            except _GoOn:
                pass
            finally:
                if node.values.declares:
                    del self._variables[declared:]
        if not items:
            self._block(node.otherwise, self._dot)
        del self._variables[declared:]

    def _items(self, position: int, values: object) -> list[tuple[object, object]]:
        if isinstance(values, Mapping):
            return sorted(values.items(), key=lambda item: str(item[0]))
        if is_list(values):
            return list(enumerate(values))
        if values is not None:
            self._fail(position, f"`range` needs a list or a map, not {type_name(values)}")
        return []

    def _assign_item(self, pipeline: syntax.Pipeline, key: object, value: object) -> None:
        names = pipeline.variables
        pairs = zip(names, (value,) if len(names) == 1 else (key, value), strict=False)
        for name, item in pairs:
            self._set(name, item, declare=pipeline.declares)

    # Values

    def _pipeline(self, pipeline: syntax.Pipeline, *, ranged: bool = False) -> object:
        """The last command's value; assigned to the variable unless a `range` does that itself."""
        piped: list[object] = []
        for command in pipeline.commands:
            piped = [self._command(command, piped)]
        if pipeline.variables and not ranged:
            self._set(pipeline.variables[0], piped[0], declare=pipeline.declares)
        return piped[0]

    def _set(self, name: str, value: object, *, declare: bool) -> None:
        if declare:
            self._variables.append((name, value))
            return
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return

    def _command(self, command: syntax.Command, piped: list[object]) -> object:
        first, *arguments = command.operands
        if isinstance(first, syntax.Identifier):
            return self._call(first, arguments, piped)
        if piped:
            self._fail(command.position, "only a function can take what `|` hands on")
        return self._operand(first)

    def _operand(self, operand: syntax.Operand) -> object:
        match operand:
            case syntax.Literal(_, value):
                return value
            case syntax.Dot():
                return self._dot
            case syntax.Variable(_, name):
                return next(value for known, value in reversed(self._variables) if known == name)
            case syntax.Identifier():
                return self._call(operand, [], [])
            case syntax.Pipeline():
                return self._pipeline(operand)
            case syntax.Access(position, inner, fields):
                return self._fields(position, self._operand(inner), fields)

    def _fields(self, position: int, value: object, fields: Iterable[str]) -> object:
        for name in fields:
            if not isinstance(value, Mapping):
                self._fail(position, f"`.{name}` of {type_name(value)}, which has no fields")
            if name not in value:
                raise field_error(self._text, position, name, [str(key) for key in value])
            value = value[name]
        return value

    def _call(
        self, function: syntax.Identifier, arguments: Sequence[syntax.Operand], piped: list[object]
    ) -> object:
        if function.name in _LAZY:
            return self._and_or(function, arguments, piped)
        called = self._functions[function.name]
        values = [self._operand(argument) for argument in arguments] + piped
        try:
            _check_arguments(called, values)
            return called(*values)
        except TemplateError:
            raise
        except (ValueError, OverflowError, OSError) as error:
            self._fail(function.position, f"`{function.name}`: {error}")

    def _and_or(
        self, function: syntax.Identifier, arguments: Sequence[syntax.Operand], piped: list[object]
    ) -> object:
        if not arguments and not piped:
            self._fail(function.position, f"`{function.name}` needs at least 1 argument, not 0")
        value: object = None
        for argument in arguments:
            value = self._operand(argument)
            if truth(value) is (function.name == "or"):
                return value
        return piped[0] if piped else value


def _check_arguments(function: Function, values: Sequence[object]) -> None:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    single = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
    required = [p for p in single if p.default is p.empty]
    variadic = next((p for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    if len(values) < len(required) or (variadic is None and len(values) > len(single)):
        raise ValueError(
            f"needs {_count(len(required), len(single), variadic is not None)}, not {len(values)}"
        )
    for number, value in enumerate(values):
        parameter = single[number] if number < len(single) else variadic
        expected = _EXPECTED.get(parameter.annotation) if parameter is not None else None
        if expected is not None and type_name(value) not in expected:
            wanted = " or ".join(expected)
            raise ValueError(f"argument {number + 1} must be {wanted}, not {type_name(value)}")


_EXPECTED: dict[object, tuple[str, ...]] = {str: ("a string",), int: ("a whole number",)}


def _count(least: int, most: int, unbounded: bool) -> str:
    words = f"{least}" if least == most else f"{least} to {most}"
    if unbounded:
        words = f"at least {least}"
    return f"{words} argument{'' if words.endswith('1') else 's'}"
