"""Judges a template without its data: syntax, and the fields that it reads from them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import vmforge.sdk.gotemplate.syntax as syntax
from vmforge.sdk.gotemplate.errors import field_error
from vmforge.sdk.gotemplate.execution import known_functions
from vmforge.sdk.gotemplate.parser import parse


def check(text: str, fields: Collection[str], functions: Collection[str]) -> None:
    """Raise `TemplateError` for what can never be rendered with these fields and functions.

    Values decide the rest (an index out of range, a list where a text is meant) when it is rendered.
    """
    for access in root_fields(parse(text, known_functions(functions))):
        if access.fields[0] not in fields:
            raise field_error(text, access.position, access.fields[0], fields)


def root_fields(nodes: tuple[syntax.Node, ...]) -> Iterator[syntax.Access]:
    """The accesses to fields of the data; inside `with` and `range` the dot is something else."""
    for node in nodes:
        match node:
            case syntax.Action(pipeline):
                yield from _in_pipeline(pipeline)
            case syntax.If(pipeline, body, otherwise):
                yield from _in_pipeline(pipeline)
                yield from root_fields(body)
                yield from root_fields(otherwise)
            case syntax.With(pipeline, _, otherwise) | syntax.Range(pipeline, _, otherwise):
                yield from _in_pipeline(pipeline)
                yield from root_fields(otherwise)


def _in_pipeline(pipeline: syntax.Pipeline) -> Iterator[syntax.Access]:
    for command in pipeline.commands:
        for operand in command.operands:
            yield from _in_operand(operand)


def _in_operand(operand: syntax.Operand) -> Iterator[syntax.Access]:
    if isinstance(operand, syntax.Pipeline):
        yield from _in_pipeline(operand)
    elif isinstance(operand, syntax.Access):
        inner = operand.operand
        if isinstance(inner, syntax.Dot) or (isinstance(inner, syntax.Variable) and inner.name == "$"):
            yield operand
        yield from _in_operand(operand.operand)
