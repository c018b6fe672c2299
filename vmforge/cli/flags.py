"""Reads plain flags without typer's converters.

typer converts the values of flags with pydantic, whose import takes longer than all that `vmforge validate`
does. The texts, paths and lists of them that nearly all flags are need no library.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

# what the types of flags that are read here make of one text, or of a default
_ITEMS: Final[dict[Any, Callable[[Any], object]]] = {str: str, Path: Path}
_LISTS: Final[dict[Any, Callable[[Any], object]]] = {list[str]: str, list[Path]: Path}


class Command(TyperCommand):
    """A command whose plain flags are read here, all others by typer."""

    def get_params(self, ctx: Any) -> Any:
        return _read_plainly(super().get_params(ctx))


class Group(TyperGroup):
    """The same for the program's own flags."""

    def get_params(self, ctx: Any) -> Any:
        return _read_plainly(super().get_params(ctx))


def _read_plainly(parameters: Any) -> Any:
    """The parameters, each with a reader of our own where typer's need not do more than that."""
    for parameter in parameters:
        # only those versions of typer that use pydantic have a descriptor
        annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
        if annotation in _LISTS or isinstance(annotation, type):
            parameter.process_value = _reader(parameter, annotation, type(parameter).process_value)
    return parameters


def _reader(parameter: Any, annotation: Any, by_typer: Callable[..., object]) -> Callable[[Any, Any], object]:
    """What turns that which was given (None when nothing was) into the value that the command gets."""
    item, many = _ITEMS.get(annotation), _LISTS.get(annotation)

    def process_value(context: Any, value: Any) -> object:
        own = many is not None or item is not None or value is None or type(value) is annotation
        if not own or (parameter.required and not value):
            return by_typer(parameter, context, value)  # which also knows how to complain
        if many is not None:
            value = [many(one) for one in value or ()]
        elif item is not None and value is not None:
            value = item(value)
        return value if parameter.callback is None else parameter.callback(context, parameter, value)

    return process_value
