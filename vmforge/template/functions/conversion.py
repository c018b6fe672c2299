"""Conversion, and expressions that may fail."""

from __future__ import annotations

from collections.abc import Callable

from vmforge.template.expressions.conversion import ConversionError, convert
from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.type_expressions import read_type
from vmforge.template.expressions.values import Value
from vmforge.template.functions.declaration import FunctionError, Parameter, function
from vmforge.template.hcl.syntax import Call, Expression

Evaluate = Callable[[Expression, Scope], Value]


@function("Whether an expression has a value.", Parameter("expression"), lazy=True)
def can(node: Call, scope: Scope, evaluate: Evaluate) -> Value:
    if len(node.arguments) != 1:
        raise FunctionError("needs one expression")
    try:
        evaluate(node.arguments[0], scope)
    except EvaluationError as error:
        if error.final:
            raise
        return False
    return True


@function(
    "The first of several expressions that has a value.", rest=Parameter("expressions"), lazy=True, name="try"
)
def first_that_works(node: Call, scope: Scope, evaluate: Evaluate) -> Value:
    if not node.arguments:
        raise FunctionError("needs an expression")
    for argument in node.arguments[:-1]:
        try:
            return evaluate(argument, scope)
        except EvaluationError as error:
            if error.final:
                raise
    return evaluate(node.arguments[-1], scope)


@function(
    "A value as one of a type, such as `list(string)`.",
    Parameter("value"),
    Parameter("type"),
    lazy=True,
    name="convert",
)
def convert_value(node: Call, scope: Scope, evaluate: Evaluate) -> Value:
    if len(node.arguments) != 2:
        raise FunctionError("needs a value and a type", hint="write `convert(value, list(string))`")
    value = evaluate(node.arguments[0], scope)
    try:
        return convert(value, read_type(node.arguments[1], scope))
    except ConversionError as error:
        raise FunctionError(str(error), 0) from None
