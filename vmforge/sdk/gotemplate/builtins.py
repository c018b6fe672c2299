"""The functions that Go's templates have by themselves (`and` and `or` are in execution.py)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from vmforge.sdk.gotemplate.printf import printf
from vmforge.sdk.gotemplate.values import inner_text, is_list, truth, type_name


def _print(*values: object) -> str:
    """Go's Sprint: a space between two values when neither is a string."""
    text = ""
    for index, value in enumerate(values):
        spaced = index > 0 and not isinstance(value, str) and not isinstance(values[index - 1], str)
        text += (" " if spaced else "") + inner_text(value)
    return text


def _println(*values: object) -> str:
    return " ".join(inner_text(value) for value in values) + "\n"


def _not(value: object) -> bool:
    return not truth(value)


def _len(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping) or is_list(value):
        return len(value)
    raise ValueError(f"{type_name(value)} has no length")


def _index(value: object, *keys: object) -> object:
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: object, key: object) -> object:
    if isinstance(value, Mapping):
        if key not in value:
            raise ValueError(f"the map has no key `{inner_text(key)}`")
        return value[key]
    if not isinstance(value, str) and not is_list(value):
        raise ValueError(f"{type_name(value)} cannot be indexed")
    items: object = value.encode() if isinstance(value, str) else value
    assert isinstance(items, bytes) or is_list(items)
    if not isinstance(key, int) or isinstance(key, bool):
        raise ValueError(f"the index must be a whole number, not {type_name(key)}")
    if not 0 <= key < len(items):
        raise ValueError(f"index {key} is out of range: there are {len(items)}")
    return items[key]


def _slice(value: object, *bounds: object) -> object:
    if not isinstance(value, str) and not is_list(value):
        raise ValueError(f"{type_name(value)} cannot be sliced")
    numbers = [bound for bound in bounds if isinstance(bound, int) and not isinstance(bound, bool)]
    if len(numbers) != len(bounds) or len(numbers) > 2:
        raise ValueError("needs a string or list and at most two whole numbers")
    start, end = [*numbers, *[0, len(value)][len(numbers) :]]
    if not 0 <= start <= end <= len(value):
        raise ValueError(f"{start} to {end} is out of range: there are {len(value)}")
    return value[start:end]


def _comparable(first: object, second: object) -> None:
    numbers = ("a whole number", "a number")
    kinds = type_name(first), type_name(second)
    if (
        kinds[0] != kinds[1]
        and not (kinds[0] in numbers and kinds[1] in numbers)
        and None not in (first, second)
    ):
        raise ValueError(f"{kinds[0]} cannot be compared with {kinds[1]}")


def _eq(first: object, second: object, *others: object) -> bool:
    """Whether the first is equal to any of the others."""
    for other in (second, *others):
        _comparable(first, other)
        if first == other:
            return True
    return False


def _ne(first: object, second: object) -> bool:
    return not _eq(first, second)


def _ordered(compare: Callable[[Any, Any], object]) -> Callable[[object, object], bool]:
    def ordered(first: object, second: object) -> bool:
        _comparable(first, second)
        if not isinstance(first, (str, int, float)) or isinstance(first, bool) or second is None:
            raise ValueError(f"{type_name(first)} has no order")
        return bool(compare(first, second))

    return ordered


def _urlquery(*values: object) -> str:
    return quote_plus(_print(*values))


_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"})


def _html(*values: object) -> str:
    return _print(*values).translate(_HTML)


BUILTINS: dict[str, Callable[..., object]] = {
    "print": _print,
    "printf": printf,
    "println": _println,
    "not": _not,
    "len": _len,
    "index": _index,
    "slice": _slice,
    "eq": _eq,
    "ne": _ne,
    "lt": _ordered(operator.lt),
    "le": _ordered(operator.le),
    "gt": _ordered(operator.gt),
    "ge": _ordered(operator.ge),
    "urlquery": _urlquery,
    "html": _html,
}
