"""The values of expressions.

Strings, bools, numbers and `null` are Python's own (a number is an `int` or a `Fraction`), a tuple is
a `tuple`, an object a `dict`. Lists, sets and maps carry the type of their elements, which an empty
one could not tell otherwise. `UNKNOWN` stands for what only a run can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias, cast

from vmforge.sdk.values import UNKNOWN, Unknown
from vmforge.sdk.values import Value as PlainValue
from vmforge.template.expressions.types import (
    ANY,
    BOOL,
    NUMBER,
    STRING,
    ObjectType,
    TupleType,
    Type,
    list_of,
    map_of,
    set_of,
)
from vmforge.template.hcl.numbers import format_number


class ListValue:
    """Elements of one type, in order."""

    __slots__ = ("element", "items")

    def __init__(self, items: tuple[Value, ...], element: Type) -> None:
        self.items = items
        self.element = element


class SetValue:
    """Elements of one type, each once; strings and numbers in ascending order."""

    __slots__ = ("element", "items")

    def __init__(self, items: tuple[Value, ...], element: Type) -> None:
        unique: list[Value] = []
        for item in items:
            if not any(equal(item, other) is True for other in unique):
                unique.append(item)
        if element in (STRING, NUMBER, BOOL) and None not in unique and UNKNOWN not in unique:
            unique.sort(key=lambda item: cast("str", item))
        self.items = tuple(unique)
        self.element = element


class MapValue:
    """Values of one type by key."""

    __slots__ = ("element", "items")

    def __init__(self, items: dict[str, Value], element: Type) -> None:
        self.items = items
        self.element = element


Value: TypeAlias = (
    "str | bool | int | Fraction | Unknown | tuple[Value, ...] | dict[str, Value] "
    "| ListValue | SetValue | MapValue | None"
)


def type_of(value: Value) -> Type:
    if isinstance(value, str):
        return STRING
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, (int, Fraction)):
        return NUMBER
    if isinstance(value, tuple):
        return TupleType(tuple(type_of(item) for item in value))
    if isinstance(value, dict):
        return ObjectType({name: type_of(item) for name, item in value.items()})
    if isinstance(value, ListValue):
        return list_of(value.element)
    if isinstance(value, SetValue):
        return set_of(value.element)
    if isinstance(value, MapValue):
        return map_of(value.element)
    return ANY


def elements(value: Value) -> tuple[Value, ...] | None:
    """The elements of a list, set or tuple; None for anything else."""
    if isinstance(value, tuple):
        return value
    return value.items if isinstance(value, (ListValue, SetValue)) else None


def entries(value: Value) -> dict[str, Value] | None:
    """The entries of a map or an object; None for anything else."""
    if isinstance(value, dict):
        return value
    return value.items if isinstance(value, MapValue) else None


def sorted_entries(entries: dict[str, Value]) -> list[tuple[str, Value]]:
    """In the order in which the language visits them: by key."""
    return sorted(entries.items(), key=lambda entry: in_order(entry[0]))


def in_order(text: str) -> bytes:
    """The key to sort strings by: Go compares them as UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def parts(value: Value) -> Iterator[Value]:
    """The values directly inside a value."""
    yield from elements(value) or (entries(value) or {}).values()


def is_known(value: Value) -> bool:
    """Whether a value is known throughout."""
    return value is not UNKNOWN and all(is_known(part) for part in parts(value))


def equal(left: Value, right: Value) -> bool | Unknown:
    """`left == right`: values of different types are different (`1 == "1"` is false)."""
    if left is None or right is None:
        return UNKNOWN if UNKNOWN in (left, right) else left is right
    if not is_known(left) or not is_known(right):
        return UNKNOWN
    return type_of(left) == type_of(right) and _same(left, right)


def _same(left: Value, right: Value) -> bool:
    items, others = elements(left), elements(right)
    if items is not None and others is not None:
        pairs = zip(items, others, strict=False)
        return len(items) == len(others) and all(_same(a, b) for a, b in pairs)
    table, other = entries(left), entries(right)
    if table is not None and other is not None:
        return table.keys() == other.keys() and all(_same(table[name], other[name]) for name in table)
    return left == right


def strings_in(value: Value) -> Iterator[str]:
    """Every string inside a value, and the text of every number."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (int, Fraction)) and not isinstance(value, bool):
        yield format_number(value)
    for part in parts(value):
        yield from strings_in(part)


def to_plain(value: Value) -> PlainValue:
    """A value without the language's own types, as components get it."""
    if isinstance(value, Fraction):
        return Decimal(format_number(value))
    items = elements(value)
    if items is not None:
        return tuple(to_plain(item) for item in items)
    table = entries(value)
    if table is not None:
        return {name: to_plain(item) for name, item in table.items()}
    return cast("PlainValue", value)


def from_plain(value: PlainValue) -> Value:
    """A plain value, as JSON and data sources give it, as a value of the language."""
    if isinstance(value, (Decimal, Fraction)):
        number = Fraction(value)
        return number.numerator if number.denominator == 1 else number
    if value is None or isinstance(value, (str, bool, int, Unknown)):
        return value
    if hasattr(value, "items"):
        return {str(name): from_plain(item) for name, item in value.items()}
    return tuple(from_plain(item) for item in value)


def describe(value: Value) -> str:
    """A value's kind, for messages: `a string`, `a list of number`."""
    if value is None:
        return "null"
    if isinstance(value, tuple):
        return "a list"
    of = type_of(value)
    return f"{'an' if isinstance(of, ObjectType) else 'a'} {of}"
