"""Reads JSON files, and standard input, into trees."""

from __future__ import annotations

import sys
from pathlib import Path

from vmforge.diagnostics import Diagnostic, did_you_mean
from vmforge.errors import VmforgeError
from vmforge.template.hcl.source import SourceText
from vmforge.template.json.parser import parse_json
from vmforge.template.json.syntax import JsonNode, JsonObject, describe
from vmforge.template.legacy_json.detection import STANDARD_INPUT


def read_document(path: Path) -> tuple[JsonObject | None, list[Diagnostic]]:
    """A file's tree, whose root must be an object, and what is wrong with it. Raises `VmforgeError`
    for a path that does not exist."""
    tree, diagnostics = read_json(path)
    if tree is None and diagnostics and not path.name.endswith(".json"):
        hint = "a template in HCL2 has a name that ends in `.pkr.hcl`; `-config-type=hcl2` reads any name so"
        first = diagnostics[0]
        diagnostics[0] = Diagnostic.error(first.summary, first.detail, range=first.range, hint=hint)
    return _as_object(tree, "a template", diagnostics), diagnostics


def read_json(path: Path) -> tuple[JsonNode | None, list[Diagnostic]]:
    """The tree of a file, or of standard input for `-`. Raises `VmforgeError` when it cannot be read."""
    try:
        content = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    except FileNotFoundError:
        others = [str(other) for other in path.parent.glob("*") if other.is_file()]
        hint = did_you_mean(str(path), others) or "name a file or a folder that exists"
        raise VmforgeError(f"there is no file `{path}`", hint=hint) from None
    except OSError as error:
        raise VmforgeError(f"`{path}` cannot be read: {(error.strerror or str(error)).lower()}") from None
    text = content.decode("utf-8", "surrogateescape")
    in_file = path != STANDARD_INPUT
    return parse_json(SourceText(str(path) if in_file else "<stdin>", text, in_file=in_file))


def read_object(path: Path, what: str) -> tuple[JsonObject | None, list[Diagnostic]]:
    """The object that a file holds; `what` is what the file is. Raises `VmforgeError` when it cannot be
    read."""
    tree, diagnostics = read_json(path)
    return _as_object(tree, what, diagnostics), diagnostics


def _as_object(tree: JsonNode | None, what: str, diagnostics: list[Diagnostic]) -> JsonObject | None:
    if tree is None or isinstance(tree, JsonObject):
        return tree
    place = tree.source.range(tree.start, tree.start + 1)
    summary = f"{what} in JSON is an object, not {describe(tree)}"
    diagnostics.append(Diagnostic.error(summary, range=place, hint="put it into `{ ... }`"))
    return None
