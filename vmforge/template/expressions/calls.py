"""Calls of functions: arguments counted, converted and checked as the declaration says."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from vmforge.sdk.values import UNKNOWN
from vmforge.template.expressions.conversion import ConversionError, convert
from vmforge.template.expressions.errors import failure
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.values import Value, describe, elements, is_known, strings_in
from vmforge.template.functions.declaration import Function, FunctionError, Parameter
from vmforge.template.hcl.syntax import Call, Expression

Evaluate = Callable[[Expression, Scope], Value]


def call(node: Call, scope: Scope, evaluate: Evaluate) -> Value:
    """The value of a call. Raises `EvaluationError`."""
    function = _find(node, scope)
    try:
        if function.lazy:
            return cast("Value", function.body(node, scope, evaluate))
        values, nodes = _arguments(node, scope, evaluate)
        _check_count(node, function, len(values))
        converted = [_converted(function, i, value, nodes[i]) for i, value in enumerate(values)]
        if UNKNOWN in converted or (not function.partial and not all(map(is_known, converted))):
            return UNKNOWN
        result = _apply(function, scope, converted)
    except FunctionError as error:
        place = node
        if error.argument is not None and node.arguments:
            return _raise(node.arguments[min(error.argument, len(node.arguments) - 1)], function, error)
        return _raise(place, function, error)
    if function.conceals:
        _conceal(scope, converted, result)
    return result


def _raise(node: Expression, function: Function, error: FunctionError) -> Value:
    raise failure(node, f"`{function.name}`: {error}", error.hint) from error


def _find(node: Call, scope: Scope) -> Function:
    if scope.functions is None:
        raise failure(node, "no function can be called here")
    try:
        return scope.functions.find(node.name)
    except FunctionError as error:
        raise failure(node, str(error), error.hint) from None


def _arguments(node: Call, scope: Scope, evaluate: Evaluate) -> tuple[list[Value], list[Expression]]:
    """The values, and for each the expression that it comes from."""
    values = [evaluate(argument, scope) for argument in node.arguments]
    nodes = list(node.arguments)
    if not node.expand:
        return values, nodes
    last = values.pop()
    if last is UNKNOWN:
        return [*values, UNKNOWN], nodes
    items = elements(last)
    if items is None:
        raise failure(nodes[-1], f"`...` needs a list, not {describe(last)}")
    return [*values, *items], nodes[:-1] + [nodes[-1]] * len(items)


def _check_count(node: Call, function: Function, count: int) -> None:
    required = sum(not parameter.optional for parameter in function.parameters)
    most = len(function.parameters)
    if count < required:
        if node.expand:  # an unknown list may hold enough
            return
        missing = function.parameters[count].name
        raise failure(
            node, f"`{node.name}` needs one more argument: `{missing}`", f"write `{function.signature}`"
        )
    if count > most and function.rest is None:
        raise failure(
            node.arguments[-1], f"`{node.name}` takes fewer arguments", f"write `{function.signature}`"
        )


def _parameter(function: Function, index: int) -> Parameter:
    if index < len(function.parameters):
        return function.parameters[index]
    assert function.rest is not None
    return function.rest


def _converted(function: Function, index: int, value: Value, node: Expression) -> Value:
    parameter = _parameter(function, index)
    if value is None and not parameter.nullable:
        raise failure(node, f"`{function.name}`: `{parameter.name}` cannot be null")
    try:
        return convert(value, parameter.type)
    except ConversionError as error:
        raise failure(node, f"`{function.name}`: `{parameter.name}`: {error}") from None


def _apply(function: Function, scope: Scope, values: list[Value]) -> Value:
    if function.wants_context:
        return cast("Value", function.body(scope.context, *values))
    return cast("Value", function.body(*values))


def _conceal(scope: Scope, values: list[Value], result: Value) -> None:
    """What is made of a secret, by encoding or hashing it, is a secret too."""
    known = tuple(scope.context.secrets)  # other builds, in other threads, may add to it
    if known and any(secret in text for value in values for text in strings_in(value) for secret in known):
        scope.context.secrets.update(text for text in strings_in(result) if len(text) > 2)
