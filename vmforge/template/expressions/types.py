"""The types of the template language, and the common type that several can be converted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from vmforge.sdk.values import Value as PlainValue


@dataclass(frozen=True)
class Primitive:
    name: str

    def __str__(self) -> str:
        return self.name


STRING: Final = Primitive("string")
NUMBER: Final = Primitive("number")
BOOL: Final = Primitive("bool")
# any type: of a constraint that allows all, and of `null` and unknown values
ANY: Final = Primitive("any")


@dataclass(frozen=True)
class Collection:
    """`list(T)`, `set(T)` or `map(T)`, as `kind` says."""

    kind: str
    element: Type

    def __str__(self) -> str:
        return f"{self.kind} of {self.element}"


@dataclass(frozen=True)
class TupleType:
    elements: tuple[Type, ...]

    def __str__(self) -> str:
        return "tuple"


@dataclass(frozen=True, eq=False)
class ObjectType:
    """Attributes by name. Those in `defaults` are `optional(...)`: absent ones get that value."""

    attributes: Mapping[str, Type]
    defaults: Mapping[str, PlainValue] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectType) and self.attributes == other.attributes

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.attributes)))

    def __str__(self) -> str:
        return "object"


Type: TypeAlias = "Primitive | Collection | TupleType | ObjectType"


def list_of(element: Type) -> Collection:
    return Collection("list", element)


def set_of(element: Type) -> Collection:
    return Collection("set", element)


def map_of(element: Type) -> Collection:
    return Collection("map", element)


def unify(types: Sequence[Type]) -> Type | None:
    """The type that values of all these types can be converted to; None when there is none.

    The preferences are those of go-cty's `convert.UnifyUnsafe`: strings before numbers and bools;
    tuples of equal length stay tuples, others become lists; objects with the same names stay
    objects, others become maps.
    """
    kinds = {_kind(of) for of in types} - {"any"}
    if not kinds:
        return ANY
    known = [of for of in types if of is not ANY]
    if len(kinds) == 1 or kinds in ({"map", "object"}, {"list", "tuple"}, {"set", "tuple"}):
        return _unify_alike(kinds, known)
    if kinds <= {"string", "number"} or kinds <= {"string", "bool"}:
        return STRING
    if kinds <= {"list", "set", "tuple"}:
        element = unify([part for of in known for part in _parts(of)])
        return list_of(element) if element is not None else None
    return None


def _unify_alike(kinds: set[str], types: Sequence[Type]) -> Type | None:
    if kinds == {"tuple"}:
        return _unify_tuples(types)
    if kinds == {"object"}:
        return _unify_objects(types)
    if len(types) == 1 or isinstance(types[0], Primitive):
        return types[0]
    (kind,) = kinds - {"tuple", "object"}
    element = unify([part for of in types for part in _parts(of)])
    return Collection(kind, element) if element is not None else None


def _unify_tuples(types: Sequence[Type]) -> Type | None:
    rows = [of.elements for of in types if isinstance(of, TupleType)]
    if len({len(row) for row in rows}) == 1:
        columns = [unify(column) for column in zip(*rows, strict=True)]
        whole = [of for of in columns if of is not None]
        return TupleType(tuple(whole)) if len(whole) == len(columns) else None
    element = unify([part for row in rows for part in row])
    return list_of(element) if element is not None else None


def _unify_objects(types: Sequence[Type]) -> Type | None:
    objects = [of for of in types if isinstance(of, ObjectType)]
    names = list(objects[0].attributes)
    if all(set(of.attributes) == set(names) for of in objects):
        found = {name: unify([of.attributes[name] for of in objects]) for name in names}
        whole = {name: of for name, of in found.items() if of is not None}
        return ObjectType(whole) if len(whole) == len(found) else None
    element = unify([part for of in objects for part in of.attributes.values()])
    return map_of(element) if element is not None else None


def _kind(of: Type) -> str:
    if isinstance(of, Primitive):
        return of.name
    if isinstance(of, Collection):
        return of.kind
    return "tuple" if isinstance(of, TupleType) else "object"


def _parts(of: Type) -> Sequence[Type]:
    """The types of the elements of a structure or a collection."""
    if isinstance(of, Collection):
        return [of.element]
    if isinstance(of, TupleType):
        return of.elements
    return list(of.attributes.values()) if isinstance(of, ObjectType) else []
