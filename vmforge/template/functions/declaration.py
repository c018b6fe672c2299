"""How a function of the template language is declared.

    @function("The text in upper case.", Parameter("text", STRING))
    def upper(text: str) -> str:
        return text.upper()

The declaration is what calls are checked against and what the reference is generated from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vmforge.template.expressions.types import ANY, Type


class FunctionError(Exception):
    """A function cannot give a result. `argument` counts the one at fault from 0."""

    def __init__(self, message: str, argument: int | None = None, *, hint: str = "") -> None:
        super().__init__(message)
        self.argument = argument
        self.hint = hint


@dataclass(frozen=True)
class Parameter:
    """Arguments are converted to `type`; null is refused unless `nullable`."""

    name: str
    type: Type = ANY
    nullable: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Function:
    """`rest` takes any number of further arguments. A `partial` function copes with unknown values
    inside its arguments; any other has an unknown result then. What a function that `conceals`
    makes of a secret is registered as a secret. A `lazy` one gets the call unevaluated."""

    name: str
    group: str
    help: str
    parameters: tuple[Parameter, ...]
    rest: Parameter | None
    body: Callable[..., Any]
    wants_context: bool = False
    lazy: bool = False
    partial: bool = False
    conceals: bool = False

    @property
    def signature(self) -> str:
        """How it is called, as the reference shows it: `substr(text, offset, length)`."""
        names = [f"[{p.name}]" if p.optional else p.name for p in self.parameters]
        names += [f"{self.rest.name}..."] if self.rest is not None else []
        return f"{self.name}({', '.join(names)})"


_DECLARED: dict[str, Function] = {}


def function(
    help: str,
    *parameters: Parameter,
    name: str = "",
    rest: Parameter | None = None,
    context: bool = False,
    lazy: bool = False,
    partial: bool = False,
    conceals: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a function of the language; its name is the Python function's unless given. With
    `context` it gets the `FunctionContext` as first argument."""

    def declare(body: Callable[..., Any]) -> Callable[..., Any]:
        own = name or body.__name__
        group = body.__module__.rpartition(".")[2]
        _DECLARED[own] = Function(own, group, help, parameters, rest, body, context, lazy, partial, conceals)
        return body

    return declare


def declared() -> Mapping[str, Function]:
    """What has been declared so far."""
    return _DECLARED
