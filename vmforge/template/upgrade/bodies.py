"""Writes the members of JSON objects as arguments and blocks of HCL. The layout is the formatter's work."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from vmforge.diagnostics import Diagnostic
from vmforge.template.json.syntax import (
    JsonArray,
    JsonConstant,
    JsonNode,
    JsonNumber,
    JsonObject,
    JsonString,
    Member,
)
from vmforge.template.upgrade.options import Options
from vmforge.template.upgrade.texts import Texts
from vmforge.template.upgrade.tokens import block, comment, expression, is_identifier, key

_SHORT_LIST = 80
_COMMENT = "_"

Special = Callable[[JsonNode], str | None]


@dataclass(frozen=True)
class BodyWriter:
    """Writes the bodies of one component. `special` has the members that are not options of the
    component, and what writes their values; None writes a value as any other."""

    texts: Texts
    special: Mapping[str, Special] = field(default_factory=dict)

    def body(self, node: JsonObject, options: Options, without: Collection[str] = ()) -> str:
        """The lines of a component's body. Names of options are in lower case, as JSON's are read."""
        members = [(m.name.value.lower(), m) for m in node.members]
        return self._members([(name, m) for name, m in members if name not in without], options)

    def _members(self, members: list[tuple[str, Member]], options: Options) -> str:
        arguments, blocks = [], []
        for name, member in members:
            if not is_identifier(name) or name.startswith(_COMMENT):
                arguments.append(self._comment(member))
                continue
            found = options.blocks(name, member.value) if name not in self.special else None
            if found is None:
                arguments.append(f"{name} = {self._argument(name, member.value, options)}\n")
                continue
            for node in found:
                inner = self._members([(m.name.value, m) for m in node.members], options.inside(name))
                blocks.append("\n" + block(name, (), inner))
        return "".join([*arguments, *blocks])

    def _argument(self, name: str, node: JsonNode, options: Options) -> str:
        if name in self.special and (written := self.special[name](node)) is not None:
            return written
        if options.is_list_of_one(name, node):
            return f"[{self.value(node)}]"
        return self.value(node, heredocs=True)

    def _comment(self, member: Member) -> str:
        if isinstance(member.value, JsonString) and member.name.value.startswith(_COMMENT):
            return comment(member.value.value)
        summary = f"`{member.name.value}` cannot be the name of an option in HCL; it is left out"
        self.texts.diagnostics.append(Diagnostic.warning(summary, range=member.name.range))
        return ""

    def value(self, node: JsonNode, *, heredocs: bool = False) -> str:
        """The expression for a value."""
        match node:
            case JsonString():
                return expression(self.texts.parts(node), heredocs=heredocs)
            case JsonNumber():
                return format(node.value, "f") if not isinstance(node.value, int) else str(node.value)
            case JsonConstant():
                return "null" if node.value is None else str(node.value).lower()
            case JsonArray():
                return _list([self.value(item) for item in node.items])
            case JsonObject():
                return _object(self._entries(node))

    def _entries(self, node: JsonObject) -> Iterator[tuple[str, str]]:
        last = {m.name.value: m.value for m in node.members}
        return ((key(name), self.value(value)) for name, value in last.items())


def _list(items: list[str]) -> str:
    line = f"[{', '.join(items)}]"
    if len(line) <= _SHORT_LIST and "\n" not in line:
        return line
    return "[\n" + "".join(f"{item},\n" for item in items) + "]"


def _object(entries: Iterator[tuple[str, str]]) -> str:
    lines = "".join(f"{name} = {value}\n" for name, value in entries)
    return f"{{\n{lines}}}" if lines else "{}"
