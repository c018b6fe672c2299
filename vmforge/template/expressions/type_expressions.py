"""Type constraints: `type = list(object({ name = string, size = optional(number, 1) }))`."""

from __future__ import annotations

from vmforge.diagnostics import did_you_mean
from vmforge.sdk.values import Value as PlainValue
from vmforge.template.expressions.conversion import ConversionError, convert
from vmforge.template.expressions.errors import EvaluationError, failure
from vmforge.template.expressions.evaluation import evaluate
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.types import (
    ANY,
    BOOL,
    NUMBER,
    STRING,
    Collection,
    ObjectType,
    TupleType,
    Type,
)
from vmforge.template.expressions.values import from_plain, to_plain
from vmforge.template.hcl.syntax import (
    Call,
    Expression,
    Literal,
    ObjectConstructor,
    Reference,
    TupleConstructor,
)

_NAMES = {"string": STRING, "number": NUMBER, "bool": BOOL, "any": ANY}
_CONSTRUCTORS = ("list", "set", "map", "object", "tuple")


def read_type(node: Expression, scope: Scope) -> Type:
    """The type that an expression names. `scope` is where defaults of `optional` are evaluated.
    Raises `EvaluationError`."""
    if isinstance(node, Reference):
        if node.name in _NAMES:
            return _NAMES[node.name]
        if node.name in _CONSTRUCTORS:
            inner = {"object": "({ name = string })", "tuple": "([string, number])"}.get(
                node.name, "(string)"
            )
            raise failure(
                node, f"`{node.name}` needs the type of what is in it", f"write `{node.name}{inner}`"
            )
        raise _unknown(node, node.name)
    if isinstance(node, Call):
        return _read_call(node, scope)
    if isinstance(node, Literal) and node.value in _NAMES:
        raise failure(node, "a type is written without quotes", f"write `{node.value}`")
    raise failure(node, "expected a type", "types are `string`, `number`, `bool`, `list(string)` and such")


def _unknown(node: Expression, name: str) -> EvaluationError:
    known = [*_NAMES, *_CONSTRUCTORS]
    hint = did_you_mean(name, known) or "known are " + ", ".join(f"`{known}`" for known in known)
    return failure(node, f"there is no type `{name}`", hint)


def _read_call(node: Call, scope: Scope) -> Type:
    if node.name == "optional":
        raise failure(node, "`optional` can only stand for an attribute of `object`")
    if node.name not in _CONSTRUCTORS:
        raise _unknown(node, node.name)
    if len(node.arguments) != 1 or node.expand:
        raise failure(node, f"`{node.name}` needs one argument")
    inner = node.arguments[0]
    if node.name == "object":
        return _read_object(inner, scope)
    if node.name == "tuple":
        if not isinstance(inner, TupleConstructor):
            raise failure(inner, "`tuple` needs a list of types", "write `tuple([string, number])`")
        return TupleType(tuple(read_type(item, scope) for item in inner.items))
    return Collection(node.name, read_type(inner, scope))


def _read_object(inner: Expression, scope: Scope) -> Type:
    if not isinstance(inner, ObjectConstructor):
        raise failure(inner, "`object` needs types by name", "write `object({ name = string })`")
    attributes: dict[str, Type] = {}
    defaults: dict[str, PlainValue] = {}
    for key, value in inner.items:
        if not isinstance(key, Literal) or not isinstance(key.value, str):
            raise failure(key, "expected the name of an attribute")
        if isinstance(value, Call) and value.name == "optional":
            attributes[key.value], defaults[key.value] = _read_optional(value, scope)
        else:
            attributes[key.value] = read_type(value, scope)
    return ObjectType(attributes, defaults or None)


def _read_optional(node: Call, scope: Scope) -> tuple[Type, PlainValue]:
    if not 1 <= len(node.arguments) <= 2:
        raise failure(node, "`optional` needs a type and perhaps a default", "write `optional(string, null)`")
    of = read_type(node.arguments[0], scope)
    if len(node.arguments) == 1:
        return of, None
    default = node.arguments[1]
    plain = to_plain(evaluate(default, scope))
    try:
        convert(from_plain(plain), of)
    except ConversionError as error:
        raise failure(default, f"the default does not fit the type: {error}") from None
    return of, plain
