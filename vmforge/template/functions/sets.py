"""Sets."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from vmforge.template.expressions.conversion import convert
from vmforge.template.expressions.types import TupleType, Type, unify
from vmforge.template.expressions.values import (
    ListValue,
    SetValue,
    Value,
    describe,
    elements,
    equal,
    type_of,
)
from vmforge.template.functions.declaration import FunctionError, Parameter, function

_FIRST = Parameter("first")
_OTHERS = Parameter("others")


def _columns(values: Sequence[Value]) -> tuple[list[tuple[Value, ...]], list[list[Type]]]:
    """The elements of each set or list, and their types."""
    columns: list[tuple[Value, ...]] = []
    types: list[list[Type]] = []
    for index, value in enumerate(values):
        items = elements(value)
        if items is None:
            raise FunctionError(f"expected a set or a list, not {describe(value)}", index)
        columns.append(items)
        if isinstance(value, (ListValue, SetValue)):
            types.append([value.element])
        else:
            types.append([type_of(item) for item in items])
    return columns, types


def _sets(values: Sequence[Value]) -> tuple[list[tuple[Value, ...]], Type]:
    """The elements of several sets, converted to one type, and that type."""
    columns, types = _columns(values)
    common = unify([of for column in types for of in column])
    if common is None:
        raise FunctionError("the elements must be of one type")
    return [tuple(convert(item, common) for item in column) for column in columns], common


def _holds(items: Sequence[Value], wanted: Value) -> bool:
    return any(equal(item, wanted) is True for item in items)


@function("The elements that all sets have.", _FIRST, rest=_OTHERS)
def setintersection(*values: Value) -> Value:
    (first, *others), common = _sets(values)
    return SetValue(tuple(i for i in first if all(_holds(other, i) for other in others)), common)


@function("All combinations of one element from each set or list.", rest=Parameter("sets"))
def setproduct(*values: Value) -> Value:
    if len(values) < 2:
        raise FunctionError("needs at least two sets")
    columns, types = _columns(values)
    commons = [unify(column) for column in types]
    if None in commons:
        raise FunctionError("the elements of each set must be of one type")
    whole = [of for of in commons if of is not None]
    converted = [[convert(i, of) for i in column] for column, of in zip(columns, whole, strict=True)]
    make = SetValue if any(isinstance(value, SetValue) for value in values) else ListValue
    return make(tuple(itertools.product(*converted)), TupleType(tuple(whole)))


@function("The elements of the first set that the second does not have.", _FIRST, Parameter("second"))
def setsubtract(first: Value, second: Value) -> Value:
    (items, removed), common = _sets((first, second))
    return SetValue(tuple(item for item in items if not _holds(removed, item)), common)


@function("The elements that any of the sets has.", _FIRST, rest=_OTHERS)
def setunion(*values: Value) -> Value:
    columns, common = _sets(values)
    return SetValue(tuple(item for column in columns for item in column), common)
