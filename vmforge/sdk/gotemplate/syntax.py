"""The syntax tree of a template. Every `position` counts the characters before the node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, a truth value, or `nil` (None)."""

    position: int
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`: the current value."""

    position: int


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`; `$` alone is the data that the template was given."""

    position: int
    name: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """A function's name."""

    position: int
    name: str


@dataclass(frozen=True, slots=True)
class Access:
    """`operand.A.B`."""

    position: int
    operand: Operand
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """One link of a pipeline: an operand, or a function and its arguments."""

    position: int
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`$a, $b := command | command`; `declares` tells `:=` from `=`."""

    position: int
    variables: tuple[str, ...]
    declares: bool
    commands: tuple[Command, ...]


Operand: TypeAlias = Literal | Dot | Variable | Identifier | Access | Pipeline


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ pipeline }}`."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class If:
    condition: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class With:
    value: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Range:
    values: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Break:
    position: int


@dataclass(frozen=True, slots=True)
class Continue:
    position: int


Node: TypeAlias = Text | Action | If | With | Range | Break | Continue
