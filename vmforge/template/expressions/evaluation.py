"""Evaluates expressions. Unknown values travel: what depends on one is unknown itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, cast

from vmforge.diagnostics import did_you_mean
from vmforge.sdk.values import UNKNOWN
from vmforge.template.expressions.calls import call
from vmforge.template.expressions.conversion import ConversionError, convert, to_text
from vmforge.template.expressions.errors import EvaluationError, failure
from vmforge.template.expressions.scope import SPLAT_ITEM, Namespace, Scope
from vmforge.template.expressions.types import BOOL, NUMBER, STRING, Type, unify
from vmforge.template.expressions.values import (
    SetValue,
    Value,
    describe,
    elements,
    entries,
    equal,
    is_known,
    sorted_entries,
    type_of,
)
from vmforge.template.hcl.numbers import Number, normal, remainder
from vmforge.template.hcl.syntax import (
    Attribute,
    Binary,
    Call,
    Conditional,
    Expression,
    ForObject,
    ForTuple,
    Index,
    Joined,
    Literal,
    Node,
    ObjectConstructor,
    Parentheses,
    Reference,
    Splat,
    SplatItem,
    Template,
    TupleConstructor,
    Unary,
    Unwrapped,
)


def evaluate(node: Expression, scope: Scope) -> Value:
    """The value of an expression. Raises `EvaluationError` with the place of the fault."""
    return _EVALUATORS[type(node)](node, scope)


def evaluate_as(node: Expression, scope: Scope, to: Type, what: str) -> Value:
    """The value, converted; `what` names it in the error."""
    try:
        return convert(evaluate(node, scope), to)
    except ConversionError as error:
        raise failure(node, f"{what}: {error}") from None


def _literal(node: Literal, scope: Scope) -> Value:
    return node.value


def _inner(node: Parentheses | Unwrapped, scope: Scope) -> Value:
    return evaluate(node.inner, scope)


def _template(node: Template, scope: Scope) -> Value:
    texts: list[str] = []
    unknown = False
    for part in node.parts:
        value = part.value if isinstance(part, Literal) else evaluate(part, scope)
        if value is UNKNOWN:
            unknown = True
            continue
        if value is None:
            raise failure(part, "null cannot be put into a string", "use `coalesce` or a condition")
        try:
            texts.append(to_text(value))
        except ConversionError:
            hint = "put its elements together with `join`, or write it with `jsonencode`"
            raise failure(part, f"{describe(value)} cannot be put into a string", hint) from None
    return UNKNOWN if unknown else "".join(texts)


def _joined(node: Joined, scope: Scope) -> Value:
    value = evaluate(node.inner, scope)
    return "".join(cast("tuple[str, ...]", value)) if is_known(value) else UNKNOWN


def _resolve(node: Reference, scope: Scope) -> Value | Namespace:
    try:
        return scope.lookup(node.name)
    except KeyError:
        pass
    if node.name in scope.elsewhere:
        raise failure(node, f"`{node.name}` cannot be used here", scope.elsewhere[node.name])
    known = sorted(scope.names())
    hint = did_you_mean(node.name, known)
    if not hint and known:
        hint = "known here are " + ", ".join(f"`{name}`" for name in known)
    if not known:
        hint = "only constants can stand here"
    raise failure(node, f"there is nothing named `{node.name}`", hint)


def _reference(node: Reference, scope: Scope) -> Value:
    value = _resolve(node, scope)
    if isinstance(value, Namespace):
        return {name: value.get(name) for name in value.names()}
    return value


def _attribute(node: Attribute, scope: Scope) -> Value:
    if isinstance(node.operand, Reference):
        found = _resolve(node.operand, scope)
        if isinstance(found, Namespace):
            return _member(found, node.operand.name, node.name, node)
        operand = found
    else:
        operand = evaluate(node.operand, scope)
    if operand is UNKNOWN:
        return UNKNOWN
    table = entries(operand)
    if table is None:
        hint = ""
        if elements(operand) is not None:
            hint = f"to take `{node.name}` of each element write `{node.operand.text}[*].{node.name}`"
        raise failure(node, f"{describe(operand)} has no attribute `{node.name}`", hint)
    if node.name in table:
        return table[node.name]
    raise _no_entry(node, node.operand, node.name, table, "attribute")


def _member(space: Namespace, root: str, name: str, node: Node) -> Value:
    if not space.has(name):
        known = space.names()
        hint = did_you_mean(name, known).replace("`", f"`{root}.", 1)
        if not hint and "-" in name and name.split("-")[0] in known:
            hint = "`-` is part of the name here; put spaces round the minus sign"
        noun = {"var": "variable", "local": "local value"}.get(root, "value")
        raise failure(node, f"there is no {noun} `{root}.{name}`", hint or _list_hint(known))
    return space.get(name)


def _list_hint(known: Any) -> str:
    names = sorted(known)
    return "known are " + ", ".join(f"`{name}`" for name in names) if 0 < len(names) <= 8 else ""


def _no_entry(
    node: Node, operand: Expression, name: str, table: Mapping[str, Value], what: str
) -> EvaluationError:
    hint = did_you_mean(name, table) or _list_hint(table)
    place = f"`{operand.text}`" if len(operand.text) < 60 else "this value"
    return failure(
        node, f"{place} has no {what} `{name}`" if name else f"{place} has no entry for an empty key", hint
    )


def _index(node: Index, scope: Scope) -> Value:
    if isinstance(node.operand, Reference):
        found = _resolve(node.operand, scope)
        if isinstance(found, Namespace):
            name = evaluate_as(node.key, scope, STRING, "index")
            if name is UNKNOWN:
                return UNKNOWN
            return _member(found, node.operand.name, cast("str", name), node)
    operand = evaluate(node.operand, scope)
    key = evaluate(node.key, scope)
    if operand is UNKNOWN or key is UNKNOWN:
        return UNKNOWN
    if key is None:
        raise failure(node.key, "an index cannot be null")
    table = entries(operand)
    if table is not None:
        name = _converted_key(node, key, STRING)
        if name in table:
            return table[cast("str", name)]
        raise _no_entry(node.key, node.operand, cast("str", name), table, "entry")
    items = None if isinstance(operand, SetValue) else elements(operand)
    if items is None:
        raise failure(node, f"{describe(operand)} has no elements to pick by index")
    return _element(node, items, cast("Number", _converted_key(node, key, NUMBER)))


def _converted_key(node: Index, key: Value, to: Type) -> Value:
    try:
        return convert(key, to)
    except ConversionError as error:
        raise failure(node.key, f"index: {error}") from None


def _element(node: Index, items: tuple[Value, ...], number: Number) -> Value:
    if not isinstance(number, int):
        raise failure(node.key, "an index must be a whole number")
    if 0 <= number < len(items):
        return items[number]
    if number < 0:
        raise failure(node.key, "an index cannot be negative", "count from the end with `length(...) - 1`")
    count = "1 element" if len(items) == 1 else f"{len(items) or 'no'} elements"
    raise failure(node.key, f"there is no element {number}: `{node.operand.text}` has {count}")


def _splat(node: Splat, scope: Scope) -> Value:
    operand = evaluate(node.operand, scope)
    if operand is UNKNOWN:
        return UNKNOWN
    items = elements(operand)
    if items is None:
        items = () if operand is None else (operand,)
    return tuple(evaluate(node.each, scope.child({SPLAT_ITEM: item})) for item in items)


def _splat_item(node: SplatItem, scope: Scope) -> Value:
    return cast("Value", scope.lookup(SPLAT_ITEM))


def _operand(node: Expression, scope: Scope, to: Type, operator: str) -> Value:
    value = evaluate(node, scope)
    if value is None:
        raise failure(node, f"`{operator}` needs a {to}, not null")
    try:
        return convert(value, to)
    except ConversionError as error:
        raise failure(node, f"`{operator}`: {error}") from None


def _unary(node: Unary, scope: Scope) -> Value:
    to = BOOL if node.operator == "!" else NUMBER
    value = _operand(node.operand, scope, to, node.operator)
    if value is UNKNOWN:
        return UNKNOWN
    return not value if to is BOOL else -cast("Number", value)


_ARITHMETIC: Final[Mapping[str, Callable[[Number, Number], Value]]] = {
    "+": lambda a, b: normal(a + b),
    "-": lambda a, b: normal(a - b),
    "*": lambda a, b: normal(a * b),
    "/": lambda a, b: normal(Fraction(a) / b),
    "%": remainder,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def _binary(node: Binary, scope: Scope) -> Value:
    operator = node.operator
    if operator in ("==", "!="):
        same = equal(evaluate(node.left, scope), evaluate(node.right, scope))
        return UNKNOWN if same is UNKNOWN else same is (operator == "==")
    if operator in ("&&", "||"):
        return _logical(node, scope)
    left = _operand(node.left, scope, NUMBER, operator)
    right = _operand(node.right, scope, NUMBER, operator)
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    a, b = cast("Number", left), cast("Number", right)
    if b == 0 and operator in "/%":
        if operator == "%":
            return a
        # Packer computes an infinite number here, and fails where it is used: so not even `try` helps
        raise failure(node, "division by zero", final=True)
    return _ARITHMETIC[operator](a, b)


def _logical(node: Binary, scope: Scope) -> Value:
    left = _operand(node.left, scope, BOOL, node.operator)
    right = _operand(node.right, scope, BOOL, node.operator)
    deciding = node.operator == "||"
    if left is deciding or right is deciding:
        return deciding
    return UNKNOWN if UNKNOWN in (left, right) else not deciding


def _conditional(node: Conditional, scope: Scope) -> Value:
    condition = evaluate(node.condition, scope)
    if condition is None:
        raise failure(node.condition, "the condition is null; it must be true or false")
    try:
        chosen = convert(condition, BOOL)
    except ConversionError as error:
        raise failure(node.condition, f"condition: {error}") from None
    if chosen is UNKNOWN:
        return UNKNOWN
    taken, other = (node.then, node.otherwise) if chosen else (node.otherwise, node.then)
    value = evaluate(taken, scope)
    try:
        alternative = evaluate(other, scope)
    except EvaluationError:
        return value  # what is wrong with the arm that is not taken does not matter
    common = unify([type_of(value), type_of(alternative)])
    if common is None:
        kinds = f"{describe(value)} and {describe(alternative)}"
        raise failure(node, f"both results of a condition must be of one type, not {kinds}")
    try:
        return convert(value, common)
    except ConversionError as error:
        raise failure(taken, str(error)) from None


def _tuple(node: TupleConstructor, scope: Scope) -> Value:
    return tuple([evaluate(item, scope) for item in node.items])


def _object(node: ObjectConstructor, scope: Scope) -> Value:
    result: dict[str, Value] = {}
    unknown = False
    for key_node, value_node in node.items:
        key = evaluate_as(key_node, scope, STRING, "key")
        if key is None:
            raise failure(key_node, "a key cannot be null")
        value = evaluate(value_node, scope)
        if isinstance(key, str):
            result[key] = value
        else:
            unknown = True
    return UNKNOWN if unknown else result


def _pairs(node: ForTuple | ForObject, scope: Scope) -> Iterator[Scope] | None:
    """A scope for each element that the condition lets through; None for an unknown collection."""
    collection = evaluate(node.collection, scope)
    if collection is UNKNOWN:
        return None
    if collection is None:
        raise failure(node.collection, "null has no elements to go through")
    table, items = entries(collection), elements(collection)
    pairs: list[tuple[Value, Value]]
    if table is not None:
        pairs = [*sorted_entries(table)]
    elif items is not None:
        pairs = [(item, item) for item in items] if isinstance(collection, SetValue) else [*enumerate(items)]
    else:
        raise failure(node.collection, f"{describe(collection)} has no elements to go through")
    return _scopes(node, scope, pairs)


def _scopes(node: ForTuple | ForObject, scope: Scope, pairs: list[tuple[Value, Value]]) -> Iterator[Scope]:
    for key, item in pairs:
        names: dict[str, Value] = {node.item_name: item}
        if node.key_name:
            names = {node.key_name: key} | names
        yield scope.child(names)


def _takes(node: ForTuple | ForObject, scope: Scope) -> Value:
    if node.condition is None:
        return True
    value = evaluate_as(node.condition, scope, BOOL, "condition")
    if value is None:
        raise failure(node.condition, "the condition is null; it must be true or false")
    return value


def _for_tuple(node: ForTuple, scope: Scope) -> Value:
    scopes = _pairs(node, scope)
    if scopes is None:
        return UNKNOWN
    result: list[Value] = []
    for inner in scopes:
        takes = _takes(node, inner)
        if takes is UNKNOWN:
            return UNKNOWN
        if takes:
            result.append(evaluate(node.value, inner))
    return tuple(result)


def _for_object(node: ForObject, scope: Scope) -> Value:
    scopes = _pairs(node, scope)
    if scopes is None:
        return UNKNOWN
    result: dict[str, Value] = {}
    for inner in scopes:
        takes = _takes(node, inner)
        key = evaluate_as(node.key, inner, STRING, "key") if takes is True else None
        if UNKNOWN in (takes, key):
            return UNKNOWN
        if not takes:
            continue
        if not isinstance(key, str):
            raise failure(node.key, "a key cannot be null")
        value = evaluate(node.value, inner)
        if node.grouped:
            result[key] = (*cast("tuple[Value, ...]", result.get(key, ())), value)
        elif key in result:
            hint = "put `...` behind the value to collect the values of equal keys in a list"
            raise failure(node.key, f"two elements have the key `{key}`", hint)
        else:
            result[key] = value
    return result


_EVALUATORS: Final[Mapping[type[Expression], Callable[[Any, Scope], Value]]] = {
    Literal: _literal,
    Template: _template,
    Unwrapped: _inner,
    Parentheses: _inner,
    Joined: _joined,
    Reference: _reference,
    Attribute: _attribute,
    Index: _index,
    Splat: _splat,
    SplatItem: _splat_item,
    Unary: _unary,
    Binary: _binary,
    Conditional: _conditional,
    TupleConstructor: _tuple,
    ObjectConstructor: _object,
    ForTuple: _for_tuple,
    ForObject: _for_object,
    Call: lambda node, scope: call(node, scope, evaluate),
}
