"""What expressions can refer to: names, lazily computed namespaces, functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from vmforge.template.expressions.values import Value

if TYPE_CHECKING:
    from vmforge.template.functions import FunctionTable
    from vmforge.template.functions.context import FunctionContext

# What a splat calls its element: no identifier, so no template can name it.
SPLAT_ITEM: Final = "*"


class Namespace(ABC):
    """A root name whose attributes are computed when they are asked for (`local`)."""

    @abstractmethod
    def names(self) -> Collection[str]:
        """The attributes that there are."""

    def has(self, name: str) -> bool:
        """Whether there is an attribute of this name."""
        return name in self.names()

    @abstractmethod
    def get(self, name: str) -> Value:
        """The value of one of them. May raise `EvaluationError`."""


class Scope:
    """Names with values, over an enclosing scope. Without `functions` no function can be called.
    `elsewhere` explains names that exist in other places only, such as `source` outside a `build`
    block."""

    __slots__ = ("_names", "_parent", "context", "elsewhere", "functions")

    def __init__(
        self,
        names: Mapping[str, Value | Namespace],
        context: FunctionContext,
        *,
        functions: FunctionTable | None = None,
        elsewhere: Mapping[str, str] | None = None,
        parent: Scope | None = None,
    ) -> None:
        self._names = names
        self._parent = parent
        self.context = context
        self.functions = functions
        self.elsewhere: Mapping[str, str] = elsewhere or {}

    def child(self, names: Mapping[str, Value | Namespace]) -> Scope:
        """A scope inside this one; its names hide those outside."""
        return Scope(names, self.context, functions=self.functions, elsewhere=self.elsewhere, parent=self)

    def lookup(self, name: str) -> Value | Namespace:
        """Raises KeyError."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope._names:
                return scope._names[name]
            scope = scope._parent
        raise KeyError(name)

    def names(self) -> Iterator[str]:
        """All names that can be referred to."""
        scope: Scope | None = self
        while scope is not None:
            yield from (name for name in scope._names if name != SPLAT_ITEM)
            scope = scope._parent
