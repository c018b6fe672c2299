"""A JSON document without places, whose numbers keep the digits they were written with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from vmforge.template.json.syntax import JsonArray, JsonNode, JsonNumber, JsonObject

_UNSAFE = re.compile(r'["\\\x00-\x1f&\u2028\u2029]')
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Number:
    """A number as its text has it."""

    text: str


Json: TypeAlias = "dict[str, Json] | list[Json] | str | Number | bool | None"
Object: TypeAlias = "dict[str, Json]"


def from_node(node: JsonNode) -> Json:
    """The value of a parsed text; the last of several members with one name counts."""
    match node:
        case JsonObject():
            return {member.name.value: from_node(member.value) for member in node.members}
        case JsonArray():
            return [from_node(item) for item in node.items]
        case JsonNumber():
            return Number(node.text)
    return node.value


def to_text(value: Json) -> str:
    """The document as Packer's `fix` writes it, with a line break at its end: two spaces, keys in the
    order of their characters, and the escapes of Go's `encoding/json` but for `<` and `>`."""
    return "".join(_pieces(value, "\n")) + "\n"


def _pieces(value: Json, line: str) -> Iterator[str]:
    """`line` is a line break and the indentation of what the value stands in."""
    match value:
        case dict():
            yield from _enclosed("{}", ((f"{_quoted(key)}: ", value[key]) for key in sorted(value)), line)
        case list():
            yield from _enclosed("[]", (("", item) for item in value), line)
        case str():
            yield _quoted(value)
        case Number():
            yield value.text
        case None:
            yield "null"
        case _:
            yield "true" if value else "false"


def _enclosed(brackets: str, items: Iterable[tuple[str, Json]], line: str) -> Iterator[str]:
    yield brackets[0]
    inner, separator = line + "  ", ""
    for key, item in items:
        yield separator + inner + key
        yield from _pieces(item, inner)
        separator = ","
    yield (line if separator else "") + brackets[1]


def _quoted(text: str) -> str:
    return f'"{_UNSAFE.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    return _SHORT.get(match.group()) or f"\\u{ord(match.group()):04x}"
