"""Files with values of variables: `*.pkrvars.hcl`, `*.pkrvars.json`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.diagnostics import Diagnostic, SourceRange
from vmforge.template.blocks import value_or_unknown
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.values import Value
from vmforge.template.files import read_file, read_text
from vmforge.template.hcl.numbers import parse_number

if TYPE_CHECKING:
    from vmforge.template.json.syntax import JsonNode


def read_variable_file(
    path: Path, scope: Scope, diagnostics: list[Diagnostic]
) -> Iterator[tuple[str, Value, SourceRange]]:
    """The names, values and places in one file."""
    if path.suffix == ".json":
        yield from _read_json(path, diagnostics)
    elif path.suffix == ".hcl":
        yield from _read_hcl(path, scope, diagnostics)
    else:
        hint = "var files end in `.pkrvars.hcl` or `.pkrvars.json`"
        place = SourceRange.whole(str(path))
        diagnostics.append(Diagnostic.error(f"`{path}` is no var file", range=place, hint=hint))


def _read_hcl(
    path: Path, scope: Scope, diagnostics: list[Diagnostic]
) -> Iterator[tuple[str, Value, SourceRange]]:
    body, found = read_file(path)
    diagnostics += found
    for block in body.blocks:
        hint = "write `name = value`; variables are declared in a `.pkr.hcl` file"
        diagnostics.append(Diagnostic.error("a var file cannot hold blocks", range=block.range, hint=hint))
    for argument in body.arguments.values():
        value = value_or_unknown(argument.expression, scope, diagnostics)
        yield argument.name, value, argument.expression.range


def _read_json(path: Path, diagnostics: list[Diagnostic]) -> Iterator[tuple[str, Value, SourceRange]]:
    """The members of the object; strings are plain text there, not templates."""
    from vmforge.template.json import parse_json
    from vmforge.template.json.syntax import JsonObject, describe

    source, found = read_text(path)
    diagnostics += found
    if source is None:
        return
    tree, found = parse_json(source, floats=False)
    diagnostics += found
    if tree is None:
        return
    if not isinstance(tree, JsonObject):
        hint = 'write `{"name": "value"}`'
        summary = f"a var file holds one JSON object, not {describe(tree)}"
        diagnostics.append(Diagnostic.error(summary, range=tree.range, hint=hint))
        return
    for member in tree.members:
        if member.name.value != "//":
            yield member.name.value, _literal(member.value, diagnostics), member.value.range


def _literal(tree: JsonNode, diagnostics: list[Diagnostic]) -> Value:
    from vmforge.template.json.syntax import JsonArray, JsonNumber, JsonObject

    if isinstance(tree, JsonArray):
        return tuple(_literal(item, diagnostics) for item in tree.items)
    if isinstance(tree, JsonObject):
        return {member.name.value: _literal(member.value, diagnostics) for member in tree.members}
    if not isinstance(tree, JsonNumber):
        return tree.value
    try:
        return parse_number(tree.text)
    except ValueError as error:
        diagnostics.append(Diagnostic.error(str(error), range=tree.range))
        return None
