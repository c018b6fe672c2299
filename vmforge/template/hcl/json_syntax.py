"""The JSON syntax of HCL (https://github.com/hashicorp/hcl/blob/main/json/spec.md) into the syntax
tree of the native one.

JSON does not tell a block from an argument: a schema does. In bodies of components everything is an
argument, as objects can stand for blocks there, except `dynamic`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vmforge.diagnostics import Diagnostic
from vmforge.template.hcl.embedded import EmbeddedText
from vmforge.template.hcl.numbers import Number, parse_number
from vmforge.template.hcl.parser import parse_expression
from vmforge.template.hcl.source import SourceText
from vmforge.template.hcl.syntax import (
    Argument,
    Block,
    Body,
    Expression,
    Label,
    Literal,
    ObjectConstructor,
    TupleConstructor,
)
from vmforge.template.hcl.template_parser import in_normal_form, parse_template
from vmforge.template.json.parser import parse_json
from vmforge.template.json.syntax import (
    JsonArray,
    JsonConstant,
    JsonNode,
    JsonNumber,
    JsonObject,
    JsonString,
    Member,
    describe,
    is_null,
)

_COMMENT: Final = "//"


@dataclass(frozen=True)
class _Schema:
    """What a body holds: the labels of its block, the blocks in it, the arguments whose strings are
    expressions of the native syntax, not templates, and whether `dynamic` blocks can stand in it."""

    labels: int = 0
    blocks: Mapping[str, _Schema] = field(default_factory=dict)
    native: tuple[str, ...] = ()
    dynamic: bool = False


_COMPONENT: Final = _Schema(1, dynamic=True)
_NAMED_COMPONENT: Final = _Schema(2, dynamic=True)
_BUILD: Final = _Schema(
    0,
    {
        "error-cleanup-provisioner": _COMPONENT,
        "hcp_packer_registry": _Schema(),
        "post-processor": _COMPONENT,
        "post-processors": _Schema(0, {"post-processor": _COMPONENT}, dynamic=True),
        "provisioner": _COMPONENT,
        "source": _COMPONENT,
    },
    dynamic=True,
)
_TEMPLATE: Final = _Schema(
    0,
    {
        "build": _BUILD,
        "communicator": _NAMED_COMPONENT,
        "data": _NAMED_COMPONENT,
        "hcp_packer_registry": _Schema(),
        "local": _Schema(1),
        "locals": _Schema(),
        "packer": _Schema(0, {"required_plugins": _Schema()}),
        "source": _NAMED_COMPONENT,
        "variable": _Schema(1, {"validation": _Schema()}, ("type",)),
        "variables": _Schema(),
    },
    dynamic=True,
)


def parse_json_file(source: SourceText) -> tuple[Body, list[Diagnostic]]:
    """Parse a template in JSON. What could be understood comes with what was wrong."""
    tree, diagnostics = parse_json(source, unique_keys=False, floats=False)
    body = Body(source, 0, len(source.text), {}, [])
    if tree is not None:
        _Reader(diagnostics).fill(body, tree, _TEMPLATE)
    return body, diagnostics


class _Reader:
    """Turns a tree of JSON into bodies and expressions."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        self._diagnostics = diagnostics

    def fill(self, body: Body, tree: JsonNode, schema: _Schema) -> None:
        """Put the members of an object, or of a list of objects, into a body."""
        for member in self._members(tree):
            name = member.name.value
            if name == _COMMENT:
                continue
            inner = schema.blocks.get(name)
            if name == "dynamic" and schema.dynamic:
                body.blocks += self._dynamic(member, schema)
            elif inner is None:
                self._add_argument(body, member, native=name in schema.native)
            else:
                body.blocks += self._blocks(member, member.value, inner, ())

    def _members(self, tree: JsonNode) -> Iterator[Member]:
        if isinstance(tree, JsonObject):
            yield from tree.members
        elif isinstance(tree, JsonArray):
            for item in tree.items:
                if isinstance(item, JsonObject):
                    yield from item.members
                else:
                    self._expected_object(item)
        else:
            self._expected_object(tree)

    def _expected_object(self, tree: JsonNode) -> None:
        summary = f"expected an object with arguments and blocks, not {describe(tree)}"
        self._diagnostics.append(Diagnostic.error(summary, range=tree.range, hint="write `{ ... }`"))

    def _add_argument(self, body: Body, member: Member, *, native: bool) -> None:
        name, value = member.name, member.value
        expression: Expression | None
        if native and isinstance(value, JsonString):
            expression = self._native(value)
        else:
            expression = self.expression(value)
        if expression is None:
            return
        argument = Argument(name.source, name.start + 1, value.end, name.value, expression)
        first = body.arguments.setdefault(name.value, argument)
        if first is not argument:
            summary = f"`{name.value}` is set twice"
            hint = f"it is first set on line {first.range.start.line}; keep one"
            self._diagnostics.append(Diagnostic.error(summary, range=name.range, hint=hint))

    def _blocks(
        self, header: Member, tree: JsonNode, schema: _Schema, labels: tuple[Label, ...]
    ) -> Iterator[Block]:
        """The blocks that a member stands for: one level of objects for each label that is left."""
        if is_null(tree):
            return
        if len(labels) < schema.labels:
            for member in self._members(tree):
                name = member.name
                if name.value != _COMMENT:
                    label = Label(name.source, name.start, name.end, name.value)
                    yield from self._blocks(header, member.value, schema, (*labels, label))
            return
        for item in tree.items if isinstance(tree, JsonArray) else (tree,):
            body = Body(item.source, item.start, item.end, {}, [])
            self.fill(body, item, schema)
            place = labels[-1] if labels else header.name
            yield Block(place.source, place.start, place.end, header.name.value, labels, body)

    def _dynamic(self, header: Member, schema: _Schema) -> Iterator[Block]:
        """`dynamic` blocks, whose `content` is what the block that they make holds."""
        for member in self._members(header.value):
            name = member.name
            if name.value != _COMMENT:
                made = replace(schema.blocks.get(name.value, _COMPONENT), labels=0)
                maker = _Schema(1, {"content": made}, ("iterator",))
                label = Label(name.source, name.start, name.end, name.value)
                yield from self._blocks(header, member.value, maker, (label,))

    def expression(self, tree: JsonNode) -> Expression:
        """A value as an expression; its strings are templates."""
        source, start, end = tree.source, tree.start, tree.end
        match tree:
            case JsonString():
                return self._template(tree)
            case JsonArray():
                items = tuple(self.expression(item) for item in tree.items)
                return TupleConstructor(source, start, end, items)
            case JsonObject():
                pairs = tuple((self._template(m.name), self.expression(m.value)) for m in tree.members)
                self._check_keys(tree)
                return ObjectConstructor(source, start, end, pairs)
            case JsonNumber():
                return Literal(source, start, end, self._number(tree))
            case JsonConstant():
                return Literal(source, start, end, tree.value)

    def _number(self, tree: JsonNumber) -> Number | None:
        try:
            return parse_number(tree.text)
        except ValueError as error:
            self._diagnostics.append(Diagnostic.error(str(error), range=tree.range))
            return None

    def _check_keys(self, tree: JsonObject) -> None:
        first: dict[str, JsonString] = {}
        for member in tree.members:
            name = member.name
            if first.setdefault(name.value, name) is not name:
                line = first[name.value].range.start.line
                summary = f"the key `{name.value}` stands twice in this object"
                hint = f"it is first set on line {line}; keep one"
                self._diagnostics.append(Diagnostic.error(summary, range=name.range, hint=hint))

    def _template(self, tree: JsonString) -> Expression:
        if "${" in tree.value or "%{" in tree.value:
            expression, diagnostics = parse_template(EmbeddedText(tree))
            self._diagnostics += diagnostics
            if expression is not None:
                return expression
        return Literal(tree.source, tree.start, tree.end, in_normal_form(tree.value))

    def _native(self, tree: JsonString) -> Expression | None:
        expression, diagnostics = parse_expression(EmbeddedText(tree))
        self._diagnostics += diagnostics
        return expression
