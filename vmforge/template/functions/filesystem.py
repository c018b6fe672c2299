"""Files and paths. Relative paths start from the template's folder, except where Packer starts
from the current one (`abspath`)."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from vmforge.diagnostics import did_you_mean
from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.expressions.types import STRING
from vmforge.template.expressions.values import SetValue, Value, describe, entries, sorted_entries
from vmforge.template.functions.context import FunctionContext
from vmforge.template.functions.declaration import FunctionError, Parameter, function

_PATH = Parameter("path", STRING)


@function("The path from the root of the file system, relative to the current folder.", _PATH)
def abspath(path: str) -> str:
    return os.path.normpath(Path.cwd() / path)


@function("The last part of a path.", _PATH)
def basename(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or ("/" if path else ".")


@function("A path without its last part.", _PATH)
def dirname(path: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return os.path.normpath(folder or slash or ".")


@function("The content of a text file.", _PATH, context=True)
def file(context: FunctionContext, path: str) -> str:
    try:
        return read_bytes(context, path).decode("utf-8")
    except UnicodeDecodeError:
        raise FunctionError(f"`{path}` is no UTF-8 text", 0, hint="read it with `filebase64`") from None


@function("The content of a file in base64.", _PATH, context=True)
def filebase64(context: FunctionContext, path: str) -> str:
    return base64.b64encode(read_bytes(context, path)).decode()


@function("Whether there is a file at a path.", _PATH, context=True)
def fileexists(context: FunctionContext, path: str) -> bool:
    found = _located(context, path)
    if found.is_dir():
        raise FunctionError(f"`{path}` is a folder, not a file", 0)
    context.reads.add(found)
    return found.is_file()


@function(
    "The files below a folder whose paths match a glob such as `**/*.sh`.",
    _PATH,
    Parameter("glob", STRING),
    context=True,
)
def fileset(context: FunctionContext, path: str, glob: str) -> Value:
    root = _located(context, path)
    context.reads.add(root)
    pattern = re.compile(_glob_to_regex(glob))
    found = []
    for folder, _, names in os.walk(root, followlinks=True):
        for name in names:
            relative = (Path(folder) / name).relative_to(root).as_posix()
            if pattern.fullmatch(relative) and (Path(folder) / name).is_file():
                found.append(relative)
    return SetValue(tuple(found), STRING)


@function("The path with `~` at its start replaced by the home folder.", _PATH)
def pathexpand(path: str) -> str:
    return str(Path(path).expanduser()) if path == "~" or path.startswith("~/") else path


@function(
    "The text of a template file with variables filled in.", _PATH, Parameter("variables"), context=True
)
def templatefile(context: FunctionContext, path: str, variables: Value) -> Value:
    names = _names(variables)
    location = _located(context, path).resolve()
    if location in context.rendering:
        raise FunctionError(f"`{path}` calls `templatefile` for itself", 0)
    try:
        text = read_bytes(context, path).decode("utf-8")
    except UnicodeDecodeError:
        raise FunctionError(f"`{path}` is no UTF-8 text", 0) from None
    return _rendered(context, location, str(_located(context, path)), text, names)


def _names(variables: Value) -> dict[str, Value]:
    table = entries(variables)
    if table is None:
        raise FunctionError(f"expected an object with the variables, not {describe(variables)}", 1)
    for name, _ in sorted_entries(table):
        if not name.replace("-", "_").isidentifier():
            raise FunctionError(f"`{name}` cannot be the name of a variable", 1)
    return table


def _rendered(
    context: FunctionContext, location: Path, shown: str, text: str, names: dict[str, Value]
) -> Value:
    from dataclasses import replace

    from vmforge.template.expressions.evaluation import evaluate
    from vmforge.template.expressions.scope import Scope
    from vmforge.template.functions import FUNCTIONS
    from vmforge.template.hcl import SourceText, parse_template

    tree, diagnostics = parse_template(SourceText(shown, text))
    if tree is None:
        raise EvaluationError(diagnostics[0])
    inner = replace(context, rendering=(*context.rendering, location))
    return evaluate(tree, Scope(names, inner, functions=FUNCTIONS))


def read_bytes(context: FunctionContext, path: str) -> bytes:
    location = _located(context, path)
    context.reads.add(location)
    try:
        return location.read_bytes()
    except FileNotFoundError:
        raise FunctionError(f"there is no file `{path}`", 0, hint=_near(location, context)) from None
    except OSError as error:
        raise FunctionError(f"`{path}` cannot be read: {(error.strerror or str(error)).lower()}", 0) from None


def _near(location: Path, context: FunctionContext) -> str:
    """A hint: the file of that folder with the most similar name, or where paths start from."""
    if location.parent.is_dir():
        hint = did_you_mean(location.name, [entry.name for entry in location.parent.iterdir()])
        if hint:
            return hint
    return f"relative paths start from the template's folder, `{context.base}`"


def _located(context: FunctionContext, path: str) -> Path:
    return context.base / Path(path).expanduser()


def _glob_to_regex(glob: str) -> str:
    """Globs as Go's doublestar knows them: `*`, `**`, `?`, `[a-z]`, `{a,b}`."""
    result, at, depth = "", 0, 0
    while at < len(glob):
        rest, character = glob[at:], glob[at]
        bracket = re.match(r"\[[!^]?[^\]]+\]", rest)
        if rest.startswith("**/"):
            result, at = result + "(?:.*/)?", at + 3
            continue
        if rest.startswith("**"):
            result, at = result + ".*", at + 2
            continue
        if bracket is not None:
            result, at = result + bracket[0].replace("[!", "[^"), at + bracket.end()
            continue
        if character == "\\" and len(rest) > 1:
            result, at = result + re.escape(rest[1]), at + 2
            continue
        depth += {"{": 1, "}": -1}.get(character, 0)
        special = {"*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}
        result += "|" if character == "," and depth else special.get(character, re.escape(character))
        at += 1
    return result
