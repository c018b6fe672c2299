"""Reads the members of an object that the language itself knows, with every mistake where it stands.

Names are matched as Packer matches them, without regard to case.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from vmforge.diagnostics import Diagnostic
from vmforge.sdk.body import Body, Setting
from vmforge.sdk.values import Duration
from vmforge.template.json.syntax import (
    JsonArray,
    JsonConstant,
    JsonNode,
    JsonNumber,
    JsonObject,
    JsonPlace,
    JsonString,
    describe,
    is_null,
    plain,
)

# Renders the `{{ }}` of one string; raises ValueError with a message when it cannot.
Render = Callable[[str], str]


@dataclass(frozen=True)
class Fields:
    """The members of one object. What is absent, null or wrong reads as the default."""

    node: JsonObject
    diagnostics: list[Diagnostic]
    render: Render = str

    def find(self, name: str) -> JsonNode | None:
        found = [m.value for m in self.node.members if m.name.value.lower() == name]
        return found[-1] if found and not is_null(found[-1]) else None

    def object(self, name: str) -> JsonObject | None:
        node = self._of(name, JsonObject)
        return node if isinstance(node, JsonObject) else None

    def array(self, name: str) -> tuple[JsonNode, ...]:
        node = self._of(name, JsonArray)
        return node.items if isinstance(node, JsonArray) else ()

    def texts(self, name: str, *, or_one: bool = False) -> list[JsonString]:
        """A list of strings; with `or_one` a single one stands for a list of itself."""
        node = self.find(name)
        items = (node,) if or_one and isinstance(node, JsonString) else self.array(name)
        for item in items:
            if not isinstance(item, JsonString):
                self.error(item, f"`{name}` is a list of strings; this is {describe(item)}")
        return [item for item in items if isinstance(item, JsonString)]

    def text(self, name: str) -> str:
        """A string as it is written."""
        node = self._of(name, JsonString)
        return node.value if isinstance(node, JsonString) else ""

    def rendered(self, name: str) -> str:
        node = self.find(name)
        return self._rendered(name, node) if isinstance(node, JsonString) else self.text(name)

    def flag(self, name: str) -> bool | None:
        node = self.find(name)
        if isinstance(node, JsonConstant):
            return node.value
        if isinstance(node, JsonString):
            text = self._rendered(name, node).lower()
            if text in ("true", "false"):
                return text == "true"
        if node is not None:
            self.error(node, f"`{name}` must be `true` or `false`")
        return None

    def count(self, name: str) -> int:
        node = self.find(name)
        if node is None:
            return 0
        value: object = self._rendered(name, node) if isinstance(node, JsonString) else plain(node)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self.error(node, f"`{name}` must be a whole number, 0 or more")
        return 0

    def duration(self, name: str) -> Duration | None:
        node = self.find(name)
        if isinstance(node, JsonNumber):
            summary = f"`{name}` without a unit is counted in nanoseconds"
            hint = f'write `"{node.text}s"` for seconds'
            self.diagnostics.append(Diagnostic.warning(summary, range=node.range, hint=hint))
            return Duration(float(node.text) / 1e9)
        text = self.rendered(name)
        if node is None or not text:
            return None
        try:
            return Duration.parse(text)
        except ValueError as error:
            self.error(node, f"`{name}`: {error}")
            return None

    def body(self, without: Collection[str]) -> Body:
        """The other members as a component's options, not rendered yet."""
        settings = {
            name: Setting.at(name, plain(m.value), JsonPlace(m.value, m.name))
            for m in self.node.members
            if (name := m.name.value.lower()) not in without
        }
        return Body(settings, (), self.node.range)

    def error(self, node: JsonNode, summary: str, hint: str = "") -> None:
        self.diagnostics.append(Diagnostic.error(summary, range=node.range, hint=hint))

    def _of(self, name: str, kind: type[JsonObject | JsonArray | JsonString]) -> JsonNode | None:
        node = self.find(name)
        if node is not None and not isinstance(node, kind):
            self.error(node, f"`{name}` must be {_NAMES[kind]}, not {describe(node)}", _ADVICE[kind])
        return node

    def _rendered(self, name: str, node: JsonString) -> str:
        try:
            return self.render(node.value)
        except ValueError as error:
            self.error(node, f"`{name}`: {error}")
            return ""


_NAMES = {JsonObject: "an object", JsonArray: "a list", JsonString: "a string"}
_ADVICE = {JsonObject: "write `{ ... }`", JsonArray: "put it into `[ ... ]`", JsonString: ""}
