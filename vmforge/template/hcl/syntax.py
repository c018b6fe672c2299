"""The syntax tree of HCL. Every node knows its stretch of the text; ranges are computed on demand.

Nodes are values, and treated as such. They are not frozen only because setting the fields of a
frozen dataclass would take most of the time of parsing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from vmforge.diagnostics import SourceRange
from vmforge.template.hcl.source import SourceText

LiteralValue: TypeAlias = "str | bool | int | Fraction | None"


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """A stretch of a file that means something."""

    source: SourceText
    start: int
    end: int

    @property
    def range(self) -> SourceRange:
        return self.source.range(self.start, self.end)

    @property
    def text(self) -> str:
        """The node as it is written."""
        return self.source.text[self.start : self.end]


class Expression(Node):
    """What has a value."""

    __slots__ = ()

    def children(self) -> Iterator[Expression]:
        """The expressions that this one is made of."""
        return iter(())


@dataclass(slots=True, eq=False, repr=False)
class Literal(Expression):
    """A number, a bool, `null`, or a string without sequences."""

    value: LiteralValue


@dataclass(slots=True, eq=False, repr=False)
class Template(Expression):
    """Text with sequences in it; its value is a string."""

    parts: tuple[Expression, ...]

    def children(self) -> Iterator[Expression]:
        return iter(self.parts)


@dataclass(slots=True, eq=False, repr=False)
class Unwrapped(Expression):
    """A template that is one interpolation and nothing else, `"${x}"`: it keeps the type of `x`."""

    inner: Expression

    def children(self) -> Iterator[Expression]:
        yield self.inner


@dataclass(slots=True, eq=False, repr=False)
class Joined(Expression):
    """`%{ for }` of a template: the strings that the inner `for` yields, one after the other."""

    inner: Expression

    def children(self) -> Iterator[Expression]:
        yield self.inner


@dataclass(slots=True, eq=False, repr=False)
class Parentheses(Expression):
    """`(inner)`"""

    inner: Expression

    def children(self) -> Iterator[Expression]:
        yield self.inner


@dataclass(slots=True, eq=False, repr=False)
class Reference(Expression):
    """The name that starts a traversal: `var` in `var.image`."""

    name: str


@dataclass(slots=True, eq=False, repr=False)
class Attribute(Expression):
    """`operand.name`"""

    operand: Expression
    name: str

    def children(self) -> Iterator[Expression]:
        yield self.operand


@dataclass(slots=True, eq=False, repr=False)
class Index(Expression):
    """`operand[key]`, and the old `operand.0`."""

    operand: Expression
    key: Expression

    def children(self) -> Iterator[Expression]:
        yield self.operand
        yield self.key


@dataclass(slots=True, eq=False, repr=False)
class SplatItem(Expression):
    """Inside a splat's `each`, the element at hand."""


@dataclass(slots=True, eq=False, repr=False)
class Splat(Expression):
    """`operand[*].rest` or `operand.*.rest`; `each` is the rest, applied to a `SplatItem`."""

    operand: Expression
    each: Expression

    def children(self) -> Iterator[Expression]:
        yield self.operand
        yield self.each


@dataclass(slots=True, eq=False, repr=False)
class Unary(Expression):
    """`-operand` and `!operand`"""

    operator: str
    operand: Expression

    def children(self) -> Iterator[Expression]:
        yield self.operand


@dataclass(slots=True, eq=False, repr=False)
class Binary(Expression):
    """`left operator right`"""

    operator: str
    left: Expression
    right: Expression

    def children(self) -> Iterator[Expression]:
        yield self.left
        yield self.right


@dataclass(slots=True, eq=False, repr=False)
class Conditional(Expression):
    """`condition ? then : otherwise`, and `%{ if }` of a template."""

    condition: Expression
    then: Expression
    otherwise: Expression

    def children(self) -> Iterator[Expression]:
        yield from (self.condition, self.then, self.otherwise)


@dataclass(slots=True, eq=False, repr=False)
class TupleConstructor(Expression):
    """`[items]`"""

    items: tuple[Expression, ...]

    def children(self) -> Iterator[Expression]:
        return iter(self.items)


@dataclass(slots=True, eq=False, repr=False)
class ObjectConstructor(Expression):
    """`{ key = value }`; a bare name as key is a `Literal` here."""

    items: tuple[tuple[Expression, Expression], ...]

    def children(self) -> Iterator[Expression]:
        for key, value in self.items:
            yield key
            yield value


@dataclass(slots=True, eq=False, repr=False)
class ForTuple(Expression):
    """`[for key, item in collection : value if condition]`"""

    key_name: str
    item_name: str
    collection: Expression
    value: Expression
    condition: Expression | None

    def children(self) -> Iterator[Expression]:
        yield from (self.collection, self.value)
        if self.condition is not None:
            yield self.condition


@dataclass(slots=True, eq=False, repr=False)
class ForObject(Expression):
    """`{for key, item in collection : new_key => value... if condition}`"""

    key_name: str
    item_name: str
    collection: Expression
    key: Expression
    value: Expression
    grouped: bool
    condition: Expression | None

    def children(self) -> Iterator[Expression]:
        yield from (self.collection, self.key, self.value)
        if self.condition is not None:
            yield self.condition


@dataclass(slots=True, eq=False, repr=False)
class Call(Expression):
    """`name(arguments)`; with `expand` the last argument is a list of the remaining ones."""

    name: str
    arguments: tuple[Expression, ...]
    expand: bool

    def children(self) -> Iterator[Expression]:
        return iter(self.arguments)


@dataclass(slots=True, eq=False, repr=False)
class Argument(Node):
    """`name = expression` in a body."""

    name: str
    expression: Expression

    @property
    def name_range(self) -> SourceRange:
        return self.source.range(self.start, self.start + len(self.name))


@dataclass(slots=True, eq=False, repr=False)
class Label(Node):
    """One of the strings or names between a block's type and its body."""

    value: str


@dataclass(slots=True, eq=False, repr=False)
class Block(Node):
    """`type "label" { ... }`; its own range is the header, up to the brace."""

    type: str
    labels: tuple[Label, ...]
    body: Body

    @property
    def label_values(self) -> tuple[str, ...]:
        return tuple(label.value for label in self.labels)


@dataclass(slots=True, eq=False, repr=False)
class Body(Node):
    """The content of a file or of a block, in the order of the text."""

    arguments: dict[str, Argument]
    blocks: list[Block]
