"""What a template refers to, found without executing it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import vmforge.sdk.gotemplate.syntax as syntax
from vmforge.sdk.gotemplate.checking import root_fields
from vmforge.sdk.gotemplate.execution import known_functions
from vmforge.sdk.gotemplate.parser import parse


def fields_of(text: str, functions: Collection[str]) -> frozenset[str]:
    """The names of the data's fields that a template reads: `A` of `.A` and `.A.B`. `functions` are those
    that it may call beside Go's own. Raises `TemplateError`."""
    return frozenset(access.fields[0] for access in root_fields(parse(text, known_functions(functions))))


def names_given_to(function: str, text: str, functions: Collection[str]) -> frozenset[str]:
    """The texts that a template names as the first argument of a function: `x` of ``user `x` ``. Raises
    `TemplateError`."""
    return frozenset(_first_arguments(function, parse(text, known_functions(functions))))


def _first_arguments(function: str, node: Any) -> Iterator[str]:
    """In this node of the syntax tree and in everything below it."""
    if isinstance(node, syntax.Pipeline):
        yield from _piped_arguments(function, node)
    if isinstance(node, tuple):
        for item in node:
            yield from _first_arguments(function, item)
    elif dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            yield from _first_arguments(function, getattr(node, field.name))


def _piped_arguments(function: str, pipeline: syntax.Pipeline) -> Iterator[str]:
    before: syntax.Command | None = None
    for command in pipeline.commands:
        match command.operands:
            case (syntax.Identifier(_, name), syntax.Literal(_, str(argument)), *_) if name == function:
                yield argument
            case (syntax.Identifier(_, name),) if name == function and before is not None:
                match before.operands:
                    case (syntax.Literal(_, str(argument)),):
                        yield argument
        before = command
