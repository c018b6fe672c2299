"""Regular expressions, in Go's syntax (RE2)."""

from __future__ import annotations

import re

from vmforge.template.expressions.types import ANY, STRING
from vmforge.template.expressions.values import ListValue, Value
from vmforge.template.functions.declaration import FunctionError, Parameter, function
from vmforge.template.functions.re2 import compile_re2

_PATTERN = Parameter("pattern", STRING)
_TEXT = Parameter("text", STRING)
_REFERENCE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)


def _compiled(pattern: str, argument: int) -> re.Pattern[str]:
    try:
        return compile_re2(pattern)
    except ValueError as error:
        raise FunctionError(str(error), argument) from None


def _captures(found: re.Match[str]) -> Value:
    """The whole match; or a list of the groups; or an object of the named groups."""
    if found.re.groupindex:
        if len(found.re.groupindex) < found.re.groups:
            raise FunctionError("name all groups of the pattern, or none", 0)
        return dict(found.groupdict())
    return found.groups() if found.re.groups else found[0]


@function("What a pattern matches first in a text; an error when nothing matches.", _PATTERN, _TEXT)
def regex(pattern: str, text: str) -> Value:
    found = _compiled(pattern, 0).search(text)
    if found is None:
        raise FunctionError(
            "the pattern matches nothing in the text", hint="use `regexall` or `try` to allow that"
        )
    return _captures(found)


@function("All that a pattern matches in a text.", _PATTERN, _TEXT)
def regexall(pattern: str, text: str) -> Value:
    return ListValue(tuple(_captures(found) for found in _compiled(pattern, 0).finditer(text)), ANY)


@function(
    "The text with all matches of a pattern replaced; `$1` and `${name}` stand for groups.",
    _TEXT,
    _PATTERN,
    Parameter("replacement", STRING),
)
def regex_replace(text: str, pattern: str, replacement: str) -> str:
    return _compiled(pattern, 1).sub(lambda found: _expanded(found, replacement), text)


def _expanded(found: re.Match[str], replacement: str) -> str:
    def group(reference: re.Match[str]) -> str:
        name: str = reference[1] or reference[2] or ""
        if not name:
            return "$"
        key: int | str = int(name) if name.isdigit() else name
        known = key in found.re.groupindex if isinstance(key, str) else key <= found.re.groups
        return (found[key] or "") if known else ""

    return _REFERENCE.sub(group, replacement)
