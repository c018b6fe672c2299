"""Writes `{{ }}` again, for what HCL cannot say and the engine renders in the upgraded template too.

There the engine has no user variables, so their values are put in as literals: JSON's strings are
strings of Go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

import vmforge.sdk.gotemplate.syntax as go
from vmforge.template.upgrade.tokens import Interpolation, Part

Reference = Callable[[str], str]


def write_nodes(nodes: Iterable[go.Node], reference: Reference) -> Iterator[Part]:
    """The nodes as text. `reference` gives the expression that reads a user variable."""
    for node in nodes:
        yield from _node(node, reference)


def _node(node: go.Node, reference: Reference) -> Iterator[Part]:
    match node:
        case go.Text(text):
            yield text
        case go.Action(pipeline):
            yield "{{ "
            yield from _pipeline(pipeline, reference)
            yield " }}"
        case go.If(pipeline, body, otherwise):
            yield from _branch("if", pipeline, body, otherwise, reference)
        case go.With(pipeline, body, otherwise):
            yield from _branch("with", pipeline, body, otherwise, reference)
        case go.Range(pipeline, body, otherwise):
            yield from _branch("range", pipeline, body, otherwise, reference)
        case go.Break():
            yield "{{ break }}"
        case go.Continue():
            yield "{{ continue }}"


def _branch(
    word: str,
    pipeline: go.Pipeline,
    body: tuple[go.Node, ...],
    otherwise: tuple[go.Node, ...],
    reference: Reference,
) -> Iterator[Part]:
    yield f"{{{{ {word} "
    yield from _pipeline(pipeline, reference)
    yield " }}"
    yield from write_nodes(body, reference)
    if otherwise:
        yield "{{ else }}"
        yield from write_nodes(otherwise, reference)
    yield "{{ end }}"


def _pipeline(pipeline: go.Pipeline, reference: Reference) -> Iterator[Part]:
    if pipeline.variables:
        yield f"{', '.join(pipeline.variables)} {':=' if pipeline.declares else '='} "
    for number, command in enumerate(pipeline.commands):
        yield " | " if number else ""
        yield from _command(command, reference)


def _command(command: go.Command, reference: Reference) -> Iterator[Part]:
    match command.operands:
        case (go.Identifier(_, "user"), go.Literal(_, str(name))):
            yield Interpolation(f"jsonencode({reference(name)})")
            return
    for number, operand in enumerate(command.operands):
        yield " " if number else ""
        yield from _operand(operand, reference)


def _operand(operand: go.Operand, reference: Reference) -> Iterator[Part]:
    match operand:
        case go.Literal(_, value):
            yield _literal(value)
        case go.Dot():
            yield "."
        case go.Variable(_, name) | go.Identifier(_, name):
            yield name
        case go.Access(_, inner, fields):
            if not isinstance(inner, go.Dot):
                yield from _operand(inner, reference)
            yield "".join(f".{field}" for field in fields)
        case go.Pipeline():
            yield "("
            yield from _pipeline(operand, reference)
            yield ")"


def _literal(value: str | int | float | bool | None) -> str:
    if value is None:
        return "nil"
    if isinstance(value, str) and "`" not in value and "\r" not in value:
        return f"`{value}`"
    return json.dumps(value, ensure_ascii=False)
