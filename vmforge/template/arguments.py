"""Reads the arguments of the language's own blocks, with every mistake reported where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from vmforge.diagnostics import Diagnostic, SourceRange, did_you_mean
from vmforge.sdk.values import UNKNOWN, Duration
from vmforge.template.blocks import BoundBlock, value_or_unknown
from vmforge.template.expressions.conversion import ConversionError, convert
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.types import BOOL, NUMBER, STRING, Type, list_of
from vmforge.template.expressions.values import ListValue, Value
from vmforge.template.hcl.syntax import Argument, Block, Body, TupleConstructor


class ArgumentReader:
    """Reads arguments of one body. What is absent, null, unknown or wrong reads as the default."""

    def __init__(self, body: Body, scope: Scope, diagnostics: list[Diagnostic]) -> None:
        self._body = body
        self._scope = scope
        self._diagnostics = diagnostics

    def text(self, name: str, default: str = "") -> str:
        value = self._value(name, STRING)
        return value if isinstance(value, str) else default

    def flag(self, name: str) -> bool | None:
        value = self._value(name, BOOL)
        return value if isinstance(value, bool) else None

    def count(self, name: str) -> int:
        value = self._value(name, NUMBER)
        if value is None or value is UNKNOWN:
            return 0
        if not isinstance(value, int) or value < 0:
            self.error(name, f"`{name}` must be a whole number, 0 or more")
            return 0
        return value

    def duration(self, name: str) -> Duration | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return Duration.parse(text)
        except ValueError as error:
            self.error(name, f"`{name}`: {error}")
            return None

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(text for text, _ in self.texts_with_ranges(name))

    def texts_with_ranges(self, name: str) -> list[tuple[str, SourceRange]]:
        """A list of strings, each with its place in the file."""
        value = self._value(name, list_of(STRING))
        if not isinstance(value, ListValue):
            return []
        node = self._body.arguments[name].expression
        places = [node] * len(value.items)
        if isinstance(node, TupleConstructor) and len(node.items) == len(value.items):
            places = list(node.items)
        pairs = zip(value.items, places, strict=True)
        return [(text, place.range) for text, place in pairs if isinstance(text, str)]

    def only_and_except(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        only, except_ = self.texts("only"), self.texts("except")
        if only and except_:
            self.error("except", "`only` and `except` cannot stand together", "keep one of them")
        return only, except_

    def error(self, name: str, summary: str, hint: str = "") -> None:
        place = self._body.arguments[name].expression.range
        self._diagnostics.append(Diagnostic.error(summary, range=place, hint=hint))

    def _value(self, name: str, to: Type) -> Value:
        argument = self._body.arguments.get(name)
        if argument is None:
            return None
        value = value_or_unknown(argument.expression, self._scope, self._diagnostics)
        try:
            return convert(value, to)
        except ConversionError as error:
            self.error(name, f"`{name}`: {error}")
            return None


def check_names(
    body: Body,
    what: str,
    diagnostics: list[Diagnostic],
    *,
    arguments: Collection[str] = (),
    blocks: Collection[str] = (),
) -> None:
    """Report every argument and block of a body that `what` does not have."""
    strangers = [argument for name, argument in body.arguments.items() if name not in arguments]
    diagnostics += [_stranger("argument", node, what, arguments, blocks) for node in strangers]
    others = [block for block in body.blocks if block.type not in blocks]
    diagnostics += [_stranger("block", node, what, blocks, arguments) for node in others]


def _stranger(
    kind: str, node: Argument | Block, what: str, known: Iterable[str], others: Collection[str]
) -> Diagnostic:
    name = node.name if isinstance(node, Argument) else node.type
    hint = did_you_mean(name, known)
    if name in others:
        hint = f"write `{name} {{ ... }}`" if kind == "argument" else f"write `{name} = ...`"
    elif not hint and known:
        hint = "known are " + ", ".join(f"`{name}`" for name in known)
    place = node.name_range if isinstance(node, Argument) else node.range
    return Diagnostic.error(f"unknown {kind} `{name}` in {what}", range=place, hint=hint)


def check_labels(block: Block | BoundBlock, names: tuple[str, ...], diagnostics: list[Diagnostic]) -> bool:
    """Whether a block has as many labels as it needs; reported otherwise."""
    count = len(block.labels)
    if count == len(names):
        return True
    node = block.node if isinstance(block, BoundBlock) else block
    pattern = " ".join([block.type, *(f'"{name}"' for name in names), "{ ... }"])
    place = node.range
    if count < len(names):
        summary = f"`{block.type}` needs a label for its {names[count].lower()}"
    else:
        summary = f"`{block.type}` has a label too many"
        place = node.labels[len(names)].range if node.type == block.type else place
    if node.type != block.type:  # made by `dynamic`
        pattern = "labels = [" + ", ".join(f'"{name}"' for name in names) + "]"
    diagnostics.append(Diagnostic.error(summary, range=place, hint=f"write `{pattern}`"))
    return False
