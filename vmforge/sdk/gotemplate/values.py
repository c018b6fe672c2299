"""What the values of a template are called, when they count as true, and how Go prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def type_name(value: object) -> str:
    """The kind of a value as messages call it: `a string`, `a map` ..."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "a truth value"
    for kind, name in ((int, "a whole number"), (float, "a number"), (str, "a string"), (Mapping, "a map")):
        if isinstance(value, kind):
            return name
    return "a list" if is_list(value) else f"a {type(value).__name__}"


def truth(value: object) -> bool:
    """Go's rule: false, 0, nil, and everything empty are false."""
    return bool(value)


def to_text(value: object) -> str:
    """A value as `{{ value }}` shows it, which is Go's `%v`."""
    return "<no value>" if value is None else inner_text(value)


def inner_text(value: object) -> str:
    """A value inside a list, or as an argument of `print`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, Mapping):
        pairs = sorted(value.items(), key=lambda pair: str(pair[0]))
        return "map[" + " ".join(f"{inner_text(key)}:{inner_text(item)}" for key, item in pairs) + "]"
    if is_list(value):
        return "[" + " ".join(inner_text(item) for item in value) + "]"
    return str(value)


def float_text(value: float) -> str:
    """The shortest text that reads back as `value`, with an exponent below 1e-4 and from 1e6 on."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value and not 1e-4 <= abs(value) < 1e6:
        scientific = (f"{value:.{digits}e}" for digits in range(17))
        return next(text for text in scientific if float(text) == value)
    return repr(value).removesuffix(".0")
