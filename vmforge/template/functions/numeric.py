"""Numbers."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from vmforge.template.expressions.types import NUMBER, STRING, list_of
from vmforge.template.expressions.values import ListValue
from vmforge.template.functions.declaration import FunctionError, Parameter, function
from vmforge.template.hcl.numbers import Number, normal

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LONG_DIGITS = _DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@function("The distance of a number from zero.", Parameter("number", NUMBER), name="abs")
def absolute(number: Number) -> Number:
    return -number if number < 0 else number


@function("The next whole number that is not smaller.", Parameter("number", NUMBER))
def ceil(number: Number) -> Number:
    return math.ceil(number)


@function("The next whole number that is not larger.", Parameter("number", NUMBER))
def floor(number: Number) -> Number:
    return math.floor(number)


@function("The logarithm of a number to a base.", Parameter("number", NUMBER), Parameter("base", NUMBER))
def log(number: Number, base: Number) -> Number:
    try:
        return _from_float(math.log(number) / math.log(base))
    except (ValueError, ZeroDivisionError):
        raise FunctionError("the logarithm is not defined for these numbers") from None


@function("The largest of the numbers.", rest=Parameter("numbers", NUMBER), name="max")
def maximum(*numbers: Number) -> Number:
    if not numbers:
        raise FunctionError("needs at least one number", hint="expand a list with `...`: `max(list...)`")
    return max(numbers)


@function("The smallest of the numbers.", rest=Parameter("numbers", NUMBER), name="min")
def minimum(*numbers: Number) -> Number:
    if not numbers:
        raise FunctionError("needs at least one number", hint="expand a list with `...`: `min(list...)`")
    return min(numbers)


@function(
    "The whole number that a text holds, written in a base from 2 to 62.",
    Parameter("text", STRING),
    Parameter("base", NUMBER),
)
def parseint(text: str, base: Number) -> Number:
    if base not in range(2, 63):
        raise FunctionError("the base must be a whole number from 2 to 62", 1)
    digits = _LONG_DIGITS if base > 36 else _DIGITS
    body = text.lstrip("+-") if len(text) - len(text.lstrip("+-")) <= 1 else ""
    total = 0
    for character in body if base > 36 else body.lower():
        value = digits.find(character)
        if not 0 <= value < base:
            body = ""
            break
        total = total * int(base) + value
    if not body:
        raise FunctionError(f"the text is no whole number in base {base}", 0)
    return -total if text.startswith("-") else total


@function(
    "A number to the power of another.", Parameter("number", NUMBER), Parameter("power", NUMBER), name="pow"
)
def power(number: Number, power: Number) -> Number:
    try:
        return _from_float(math.pow(number, power))
    except (ValueError, OverflowError):
        raise FunctionError("the power is not defined for these numbers, or too large") from None


@function("-1, 0 or 1: the sign of a number.", Parameter("number", NUMBER))
def signum(number: Number) -> Number:
    return (number > 0) - (number < 0)


@function("The sum of a list of numbers.", Parameter("numbers", list_of(NUMBER)), name="sum")
def total(numbers: ListValue) -> Number:
    if not numbers.items:
        raise FunctionError("an empty list has no sum", 0)
    result: Number = 0
    for number in numbers.items:
        if isinstance(number, bool) or not isinstance(number, (int, Fraction)):
            raise FunctionError("the list holds null", 0)
        result = normal(result + number)
    return result


def _from_float(value: float) -> Number:
    """A float's shortest digits, which is what Go writes for it."""
    if math.isinf(value) or math.isnan(value):
        raise FunctionError("the result is not a number")
    return normal(Fraction(Decimal(repr(value))))
