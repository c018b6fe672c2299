"""Files with values of variables: `*.pkrvars.hcl`, `*.pkrvars.json`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vmforge.diagnostics import Diagnostic, SourcePosition, SourceRange
from vmforge.template.blocks import value_or_unknown
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.values import Value, from_plain
from vmforge.template.files import read_file
from vmforge.template.hcl.numbers import parse_number


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
    import json  # few templates need it, and it is slow to load

    place = SourceRange.whole(str(path))
    try:
        content: Any = json.loads(
            path.read_text(encoding="utf-8-sig"), parse_int=parse_number, parse_float=parse_number
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        diagnostics.append(Diagnostic.error(f"`{path}` cannot be read: {reason}", range=place))
        return
    except json.JSONDecodeError as error:
        start = SourcePosition(error.lineno, error.colno, error.pos)
        end = SourcePosition(error.lineno, error.colno + 1, error.pos + 1)
        where = SourceRange(str(path), start, end)
        diagnostics.append(Diagnostic.error(f"this is no JSON: {error.msg.lower()}", range=where))
        return
    except (ValueError, RecursionError):
        diagnostics.append(Diagnostic.error("this is no JSON text in UTF-8", range=place))
        return
    if not isinstance(content, dict):
        hint = 'write `{"name": "value"}`'
        diagnostics.append(Diagnostic.error("a var file holds one JSON object", range=place, hint=hint))
        return
    for name, value in content.items():
        if name != "//":
            yield name, from_plain(value), place
