"""Conversion of values between types, as go-cty's `convert` package does it."""

from __future__ import annotations

from fractions import Fraction

from vmforge.sdk.values import UNKNOWN
from vmforge.template.expressions.types import (
    ANY,
    BOOL,
    NUMBER,
    STRING,
    Collection,
    ObjectType,
    Primitive,
    TupleType,
    Type,
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
    from_plain,
    type_of,
)
from vmforge.template.hcl.numbers import format_number, parse_number

_BOOLS = {"true": True, "1": True, "false": False, "0": False}


class ConversionError(Exception):
    """A value cannot be converted; the text says what was expected, and where in the value."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"`{path.lstrip('.')}`: {message}" if path else message)
        self.message = message
        self.path = path

    def inside(self, step: str) -> ConversionError:
        """The same error, seen from the structure that the value is in."""
        return ConversionError(self.message, step + self.path)


def convert(value: Value, to: Type) -> Value:
    """The value as one of type `to`. `null` and unknown values fit every type."""
    if value is None or value is UNKNOWN or to is ANY:
        return value
    if isinstance(to, Primitive):
        return _to_primitive(value, to)
    if isinstance(to, Collection):
        return _to_map(value, to) if to.kind == "map" else _to_sequence(value, to)
    if isinstance(to, TupleType):
        return _to_tuple(value, to)
    return _to_object(value, to)


def to_text(value: Value) -> str:
    """A string, number or bool as a string. Raises `ConversionError`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Fraction)):
        return format_number(value)
    raise ConversionError(f"expected a string, not {describe(value)}")


def _to_primitive(value: Value, to: Primitive) -> Value:
    if to is STRING:
        return to_text(value)
    if type_of(value) == to:
        return value
    if to is NUMBER and isinstance(value, str):
        try:
            return parse_number(value)
        except ValueError:
            raise ConversionError("expected a number, and the string does not hold one") from None
    if to is BOOL and isinstance(value, str):
        if value in _BOOLS:
            return _BOOLS[value]
        raise ConversionError("expected a bool, and the string is neither `true` nor `false`")
    raise ConversionError(f"expected a {to}, not {describe(value)}")


def _to_sequence(value: Value, to: Collection) -> Value:
    items = elements(value)
    if items is None:
        raise ConversionError(f"expected a {to}, not {describe(value)}")
    element = to.element
    if element is ANY:
        element = _common([type_of(item) for item in items], value, to.kind)
    converted = []
    for index, item in enumerate(items):
        try:
            converted.append(convert(item, element))
        except ConversionError as error:
            raise error.inside(f"[{index}]") from None
    make = ListValue if to.kind == "list" else SetValue
    return make(tuple(converted), element)


def _to_map(value: Value, to: Collection) -> Value:
    table = entries(value)
    if table is None:
        raise ConversionError(f"expected a {to}, not {describe(value)}")
    element = to.element
    if element is ANY:
        element = _common([type_of(item) for item in table.values()], value, to.kind)
    return MapValue({name: _convert_entry(name, item, element) for name, item in table.items()}, element)


def _common(types: list[Type], value: Value, kind: str) -> Type:
    if isinstance(value, (ListValue, SetValue, MapValue)):
        return value.element
    element = unify(types)
    if element is None:
        raise ConversionError(f"the elements of a {kind} must be of one type")
    return element


def _convert_entry(name: str, item: Value, to: Type) -> Value:
    try:
        return convert(item, to)
    except ConversionError as error:
        raise error.inside(f".{name}") from None


def _to_tuple(value: Value, to: TupleType) -> Value:
    items = elements(value)
    if items is None or isinstance(value, SetValue):
        raise ConversionError(f"expected a tuple, not {describe(value)}")
    if len(items) != len(to.elements):
        raise ConversionError(f"expected {len(to.elements)} elements, not {len(items)}")
    return tuple(convert(item, of) for item, of in zip(items, to.elements, strict=True))


def _to_object(value: Value, to: ObjectType) -> Value:
    table = entries(value)
    if table is None:
        raise ConversionError(f"expected an object, not {describe(value)}")
    defaults = to.defaults or {}
    result: dict[str, Value] = {}
    for name, of in to.attributes.items():
        if name in defaults and table.get(name) is None:
            result[name] = convert(from_plain(defaults[name]), of)
        elif name in table:
            result[name] = _convert_entry(name, table[name], of)
        else:
            raise ConversionError(f"the attribute `{name}` is missing")
    return result
