"""The verbs of `format`, as go-cty defines them after Go's fmt package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import cast

from vmforge.template.expressions.conversion import ConversionError, convert
from vmforge.template.expressions.types import BOOL, NUMBER, STRING, Type
from vmforge.template.expressions.values import Value
from vmforge.template.functions.declaration import FunctionError
from vmforge.template.functions.json_text import encode_json
from vmforge.template.hcl.numbers import Number, format_number

_VERB = re.compile(
    r"%(?P<flags>[ +#0-]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?(?:\[(?P<index>\d+)\])?(?P<verb>.)?",
    re.DOTALL,
)
_BASES = {"b": "b", "d": "d", "o": "o", "x": "x", "X": "X"}


def format_text(format: str, values: Sequence[Value]) -> str:
    """The format with its verbs replaced. Raises `FunctionError` naming the verb at fault."""
    pieces: list[str] = []
    end = highest = following = 0
    for found in _VERB.finditer(format):
        pieces.append(format[end : found.start()])
        end = found.end()
        if found["verb"] == "%":
            pieces.append("%")
            continue
        index = int(found["index"]) - 1 if found["index"] else following
        if not found["verb"] or index < 0:
            raise FunctionError(f"`{found[0]}` is not complete", 0)
        if index >= len(values):
            raise FunctionError(f"there is no value for `{found[0]}`", 0)
        following = index + 1
        highest = max(highest, following)
        pieces.append(_formatted(found, values[index], index + 1))
    if highest < len(values) and "[" not in format:
        raise FunctionError(f"the format uses {highest} of {len(values)} values", highest + 1)
    return "".join([*pieces, format[end:]])


def _formatted(found: re.Match[str], value: Value, argument: int) -> str:
    verb = found["verb"]
    if verb == "v":
        return _padded(found, _as_is(value, "#" in found["flags"]))
    if verb in "sq":
        text = cast("str", _converted(found, value, STRING, argument))
        if found["precision"] is not None:
            text = text[: int(found["precision"] or 0)]
        return _padded(found, encode_json(text) if verb == "q" else text)
    if verb == "t":
        return _padded(found, "true" if _converted(found, value, BOOL, argument) else "false")
    if verb in _BASES or verb in "eEfFgG":
        number = cast("Number", _converted(found, value, NUMBER, argument))
        text = _integer(found, number, argument) if verb in _BASES else _decimal(found, number)
        return _with_sign(found, text)
    raise FunctionError(
        f"there is no format verb `%{verb}`", 0, hint="known are `%s %d %v %q %t %f %e %g %x %o %b`"
    )


def _converted(found: re.Match[str], value: Value, to: Type, argument: int) -> Value:
    if value is None:
        raise FunctionError(f"`{found[0]}` cannot format null", argument)
    try:
        return convert(value, to)
    except ConversionError as error:
        raise FunctionError(f"`{found[0]}`: {error}", argument) from None


def _as_is(value: Value, as_json: bool) -> str:
    if isinstance(value, str) and not as_json:
        return value
    if isinstance(value, (int, Fraction)) and not isinstance(value, bool) and not as_json:
        return shortest(value)
    return encode_json(value)


def _integer(found: re.Match[str], number: Number, argument: int) -> str:
    if not isinstance(number, int):
        raise FunctionError(f"`{found[0]}` needs a whole number", argument)
    return format(number, _BASES[found["verb"]])


def _decimal(found: re.Match[str], number: Number) -> str:
    verb, precision = found["verb"], found["precision"]
    if verb in "gG" and precision is None:
        return shortest(number, upper=verb == "G")
    places = int(precision or 0) if precision is not None else 6
    if verb in "fF":
        return f"{Decimal(format_number(number)):.{places}f}"
    return f"{float(number):.{places}{verb}}"


def _with_sign(found: re.Match[str], text: str) -> str:
    flags = found["flags"]
    sign = "-" if text.startswith("-") else "+" if "+" in flags else " " if " " in flags else ""
    digits = text.removeprefix("-")
    if "0" in flags and "-" not in flags and found["width"]:
        return sign + digits.rjust(int(found["width"]) - len(sign), "0")
    return _padded(found, sign + digits)


def _padded(found: re.Match[str], text: str) -> str:
    width = int(found["width"] or 0)
    return text.ljust(width) if "-" in found["flags"] else text.rjust(width)


def shortest(number: Number, *, upper: bool = False) -> str:
    """Go's `%g`: the shortest digits, with an exponent for very large and very small numbers."""
    text = format_number(number)
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, _, fraction = digits.partition(".")
    mantissa = (whole + fraction).lstrip("0")
    exponent = len(whole) - 1 if whole != "0" else -(len(fraction) - len(fraction.lstrip("0")) + 1)
    if number == 0 or -5 < exponent < 6:
        return text
    mantissa = mantissa.rstrip("0") or "0"
    tail = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    return (
        f"{sign}{mantissa[0]}{tail}{'E' if upper else 'e'}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    )
