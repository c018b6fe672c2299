"""Lists, maps and objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from vmforge.sdk.values import UNKNOWN, Unknown
from vmforge.template.expressions.conversion import ConversionError, convert
from vmforge.template.expressions.types import (
    ANY,
    BOOL,
    NUMBER,
    STRING,
    list_of,
    unify,
)
from vmforge.template.expressions.values import (
    ListValue,
    MapValue,
    SetValue,
    Value,
    describe,
    elements,
    entries,
    equal,
    in_order,
    sorted_entries,
    type_of,
)
from vmforge.template.functions.declaration import FunctionError, Parameter, function
from vmforge.template.functions.text import characters
from vmforge.template.hcl.numbers import Number

_LIST = Parameter("list")
_LONGEST_RANGE = 1024


def _items(value: Value, argument: int = 0) -> tuple[Value, ...]:
    items = elements(value)
    if items is None:
        raise FunctionError(f"expected a list, not {describe(value)}", argument)
    return items


def _entries(value: Value, argument: int = 0) -> dict[str, Value]:
    table = entries(value)
    if table is None:
        raise FunctionError(f"expected a map, not {describe(value)}", argument)
    return table


def _like(value: Value, items: Sequence[Value]) -> Value:
    """Some of a list's elements, as a list of the same kind."""
    if isinstance(value, (ListValue, SetValue)):
        return ListValue(tuple(items), value.element)
    return tuple(items)


@function("Whether all of a list are true; so for an empty list.", Parameter("list", list_of(BOOL)))
def alltrue(values: ListValue) -> bool:
    return all(value is True for value in values.items)


@function("Whether any of a list is true.", Parameter("list", list_of(BOOL)))
def anytrue(values: ListValue) -> bool:
    return any(value is True for value in values.items)


@function("A list cut into lists of a size.", Parameter("list", list_of(ANY)), Parameter("size", NUMBER))
def chunklist(values: ListValue, size: Number) -> Value:
    if not isinstance(size, int) or size < 0:
        raise FunctionError("the size must be a whole number, 0 or more", 1)
    step = size or max(1, len(values.items))
    chunks = [values.items[i : i + step] for i in range(0, len(values.items), step)]
    return ListValue(tuple(ListValue(chunk, values.element) for chunk in chunks), list_of(values.element))


@function("The first value that is neither null nor an empty text.", rest=Parameter("values", nullable=True))
def coalesce(*values: Value) -> Value:
    common = unify([type_of(value) for value in values if value is not None])
    for value in values:
        if value is not None and value != "":
            return value if common is None else convert(value, common)
    raise FunctionError("all values are null or empty")


@function("The first list that is not empty.", rest=Parameter("lists", nullable=True))
def coalescelist(*lists: Value) -> Value:
    for index, value in enumerate(lists):
        if value is not None and _items(value, index):
            return value
    raise FunctionError("all lists are empty")


@function("A list of texts without the empty ones and nulls.", Parameter("list", list_of(STRING)))
def compact(texts: ListValue) -> Value:
    return ListValue(tuple(text for text in texts.items if text not in (None, "")), STRING)


@function("The elements of several lists in one.", rest=Parameter("lists"), partial=True)
def concat(*lists: Value) -> Value:
    joined = tuple(item for index, value in enumerate(lists) for item in _items(value, index))
    types = [value.element for value in lists if isinstance(value, ListValue)]
    if len(types) == len(lists) and types and all(of == types[0] for of in types):
        return ListValue(joined, types[0])
    return joined


@function("Whether a list has an element equal to a value.", _LIST, Parameter("value", nullable=True))
def contains(values: Value, wanted: Value) -> bool:
    return any(_equal_enough(item, wanted) for item in _items(values))


def _equal_enough(item: Value, wanted: Value) -> bool:
    return equal(item, wanted) is True or (
        elements(item) is not None and elements(wanted) is not None and _same_items(item, wanted)
    )


def _same_items(item: Value, wanted: Value) -> bool:
    """Equality of a list with a tuple, which the language's `==` denies, after conversion."""
    try:
        return equal(convert(item, list_of(ANY)), convert(wanted, list_of(ANY))) is True
    except ConversionError:
        return False


@function("The elements of a list, each once.", Parameter("list", list_of(ANY)))
def distinct(values: ListValue) -> Value:
    unique: list[Value] = []
    for item in values.items:
        if not any(equal(item, other) is True for other in unique):
            unique.append(item)
    return ListValue(tuple(unique), values.element)


@function(
    "The element of a list at an index, counted on from the start after the end.",
    _LIST,
    Parameter("index", NUMBER),
    partial=True,
)
def element(values: Value, index: Number) -> Value:
    items = _items(values)
    if not items:
        raise FunctionError("an empty list has no element", 0)
    if not isinstance(index, int):
        raise FunctionError("the index must be a whole number", 1)
    return items[index % len(items)]


@function("A list of the elements of lists within lists.", _LIST, partial=True)
def flatten(values: Value) -> Value:
    leaves = tuple(_leaves(_items(values)))
    return UNKNOWN if UNKNOWN in leaves else leaves


def _leaves(items: Sequence[Value]) -> Iterator[Value]:
    for item in items:
        inner = elements(item)
        if inner is None:
            yield item
        else:
            yield from _leaves(inner)


@function(
    "The index of the first element of a list that equals a value.", _LIST, Parameter("value", nullable=True)
)
def index(values: Value, wanted: Value) -> int:
    for position, item in enumerate(_items(values)):
        if equal(item, wanted) is True:
            return position
    raise FunctionError("no element equals the value", 1, hint="test with `contains` first")


@function("The keys of a map, in order.", Parameter("map"), partial=True)
def keys(table: Value) -> Value:
    names = tuple(name for name, _ in sorted_entries(_entries(table)))
    return ListValue(names, STRING) if isinstance(table, MapValue) else names


@function("The count of elements, entries or characters.", Parameter("value"), partial=True)
def length(value: Value) -> int:
    if isinstance(value, str):
        return len(characters(value))
    items, table = elements(value), entries(value)
    if items is None and table is None:
        raise FunctionError(f"{describe(value)} has no length", 0)
    return len(items if items is not None else table or {})


@function(
    "The entry of a map, or a default when there is none.",
    Parameter("map"),
    Parameter("key", STRING),
    Parameter("default", nullable=True, optional=True),
    partial=True,
)
def lookup(table: Value, key: str, *default: Value) -> Value:
    found = _entries(table)
    if key in found:
        return found[key]
    if not default:
        raise FunctionError(f"there is no entry `{key}`", 1, hint="give a default as third argument")
    if isinstance(table, MapValue):
        try:
            return convert(default[0], table.element)
        except ConversionError as error:
            raise FunctionError(f"`default`: {error}", 2) from None
    return default[0]


@function(
    "The entries of several maps in one; later ones win.", rest=Parameter("maps", nullable=True), partial=True
)
def merge(*maps: Value) -> Value:
    merged: dict[str, Value] = {}
    given = [value for value in maps if value is not None]
    for index, value in enumerate(given):
        merged |= _entries(value, index)
    types = [value.element for value in given if isinstance(value, MapValue)]
    if given and len(types) == len(given) and all(of == types[0] for of in types):
        return MapValue(merged, types[0])
    return merged


@function(
    "Numbers up to a limit, or from a start to a limit, in steps.",
    rest=Parameter("limits", NUMBER),
    name="range",
)
def number_range(*limits: Number) -> Value:
    if not 1 <= len(limits) <= 3:
        raise FunctionError("needs a limit, or a start and a limit, or these and a step")
    start, end = (limits[0], limits[1]) if len(limits) > 1 else (0, limits[0])
    step = limits[2] if len(limits) == 3 else (1 if start <= end else -1)
    if step == 0 or (step > 0) != (start <= end):
        raise FunctionError("the step must lead from the start to the limit", 2)
    numbers: list[Value] = []
    while (start < end) if step > 0 else (start > end):
        if len(numbers) == _LONGEST_RANGE:
            raise FunctionError(f"the range has more than {_LONGEST_RANGE} numbers")
        numbers.append(start)
        start += step
    return ListValue(tuple(numbers), NUMBER)


@function("A list backwards.", _LIST, partial=True)
def reverse(values: Value) -> Value:
    return _like(values, _items(values)[::-1])


@function(
    "The elements of a list from an index up to, and without, another.",
    _LIST,
    Parameter("start", NUMBER),
    Parameter("end", NUMBER),
    partial=True,
    name="slice",
)
def slice_of(values: Value, start: Number, end: Number) -> Value:
    items = _items(values)
    if isinstance(values, SetValue):
        raise FunctionError("a set has no order to slice it by", 0)
    for position, index in enumerate((start, end)):
        if not isinstance(index, int) or not 0 <= index <= len(items):
            raise FunctionError(f"the list has {len(items)} elements", position + 1)
    if start > end:
        raise FunctionError("the start lies behind the end", 1)
    return _like(values, items[int(start) : int(end)])


@function("A list of texts in ascending order.", Parameter("list", list_of(STRING)))
def sort(texts: ListValue) -> Value:
    if None in texts.items:
        raise FunctionError("the list holds null", 0)
    ordered = sorted(cast("tuple[str, ...]", texts.items), key=in_order)
    return ListValue(tuple(ordered), STRING)


@function("The values of a map, in order of the keys.", Parameter("map"), partial=True)
def values(table: Value) -> Value:
    items = tuple(value for _, value in sorted_entries(_entries(table)))
    return ListValue(items, table.element) if isinstance(table, MapValue) else items


@function(
    "A map from a list of keys and a list of values.",
    Parameter("keys", list_of(STRING)),
    Parameter("values"),
    partial=True,
)
def zipmap(keys: ListValue, values: Value) -> Value | Unknown:
    items = _items(values, 1)
    if len(keys.items) != len(items):
        raise FunctionError(f"there are {len(keys.items)} keys and {len(items)} values")
    if UNKNOWN in keys.items:
        return UNKNOWN
    if None in keys.items:
        raise FunctionError("a key is null", 0)
    table = dict(zip(cast("tuple[str, ...]", keys.items), items, strict=True))
    return MapValue(table, values.element) if isinstance(values, ListValue) else table
