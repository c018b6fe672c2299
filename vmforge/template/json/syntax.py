"""The tree of a JSON text, every value with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from vmforge.diagnostics import SourceRange
from vmforge.sdk.values import Value
from vmforge.template.hcl.source import SourceText


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value between two offsets of its text."""

    source: SourceText
    start: int
    end: int

    @property
    def range(self) -> SourceRange:
        return self.source.range(self.start, self.end)


@dataclass(frozen=True, slots=True, eq=False)
class JsonString(Node):
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class JsonNumber(Node):
    """`text` is the number as written."""

    text: str

    @property
    def value(self) -> int | Decimal:
        """As Go reads it, a float of 64 bits (into which it must fit), except that whole numbers keep
        every digit."""
        if self.text.lstrip("-").isdigit():
            return int(self.text)
        number = Decimal(repr(float(self.text)))
        return int(number) if number == number.to_integral_value() else number


@dataclass(frozen=True, slots=True, eq=False)
class JsonConstant(Node):
    """`true`, `false` or `null`."""

    value: bool | None


@dataclass(frozen=True, slots=True, eq=False)
class JsonArray(Node):
    items: tuple[JsonNode, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """`"name": value`."""

    name: JsonString
    value: JsonNode


@dataclass(frozen=True, slots=True, eq=False)
class JsonObject(Node):
    """`members` are in the order of the text; the last of several with one name counts."""

    members: tuple[Member, ...]


JsonNode: TypeAlias = "JsonString | JsonNumber | JsonConstant | JsonArray | JsonObject"


@dataclass(frozen=True, slots=True)
class JsonPlace:
    """The place of a value (`sdk.body.Place`) and of its parts."""

    node: JsonNode
    name: JsonString | None = None

    @property
    def range(self) -> SourceRange:
        return self.node.range

    @property
    def name_range(self) -> SourceRange | None:
        return self.name.range if self.name is not None else None

    def inside(self, key: str | int) -> JsonPlace | None:
        if isinstance(self.node, JsonArray) and isinstance(key, int) and key < len(self.node.items):
            return JsonPlace(self.node.items[key])
        if isinstance(self.node, JsonObject):
            for member in reversed(self.node.members):
                if member.name.value == key:
                    return JsonPlace(member.value, member.name)
        return None


def plain(node: JsonNode) -> Value:
    """The value without its places."""
    match node:
        case JsonArray():
            return [plain(item) for item in node.items]
        case JsonObject():
            return {member.name.value: plain(member.value) for member in node.members}
    return node.value


def is_null(node: JsonNode) -> bool:
    return isinstance(node, JsonConstant) and node.value is None


def strings(node: JsonNode) -> Iterator[JsonString]:
    """All strings of a tree that are values, in the order of the text."""
    match node:
        case JsonString():
            yield node
        case JsonArray():
            for item in node.items:
                yield from strings(item)
        case JsonObject():
            for member in node.members:
                yield from strings(member.value)


def describe(node: JsonNode) -> str:
    """What a value is, for messages: `a list`, `an object`, `true` ..."""
    match node:
        case JsonArray():
            return "a list"
        case JsonObject():
            return "an object"
        case JsonString():
            return "a string"
        case JsonNumber():
            return "a number"
    return "null" if node.value is None else str(node.value).lower()
