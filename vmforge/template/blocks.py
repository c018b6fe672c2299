"""Bodies of components: arguments evaluated, nested blocks gathered, `dynamic` blocks expanded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from vmforge.diagnostics import Diagnostic, SourceRange
from vmforge.sdk import body as sdk
from vmforge.sdk.values import UNKNOWN
from vmforge.template.expressions.errors import EvaluationError, failure
from vmforge.template.expressions.evaluation import evaluate
from vmforge.template.expressions.scope import Namespace, Scope
from vmforge.template.expressions.values import (
    SetValue,
    Value,
    describe,
    elements,
    entries,
    sorted_entries,
    to_plain,
)
from vmforge.template.hcl.syntax import (
    Argument,
    Block,
    Body,
    Expression,
    ForTuple,
    Literal,
    ObjectConstructor,
    Parentheses,
    Reference,
    TupleConstructor,
)

_TOO_DEEP = "this expression is nested too deeply"


@dataclass(frozen=True)
class BoundBlock:
    """A block and the scope in which its body is evaluated; one of several when it is the content of
    a `dynamic` block. `node` is what to point at."""

    type: str
    labels: tuple[str, ...]
    body: Body
    scope: Scope
    node: Block

    def within(self, names: Mapping[str, Value | Namespace]) -> BoundBlock:
        """The same block, with more names in its scope."""
        return replace(self, scope=self.scope.child(names))


@dataclass(frozen=True, slots=True)
class ExpressionPlace:
    """The place of an expression's value (`sdk.Place`), and of the parts that it writes out."""

    node: Expression
    name: Expression | None = None

    @property
    def range(self) -> SourceRange:
        return self.node.range

    @property
    def name_range(self) -> SourceRange | None:
        return self.name.range if self.name is not None else None

    def inside(self, key: str | int) -> ExpressionPlace | None:
        node = self.node
        while isinstance(node, Parentheses):
            node = node.inner
        if isinstance(node, TupleConstructor) and isinstance(key, int) and key < len(node.items):
            return ExpressionPlace(node.items[key])
        if isinstance(node, ForTuple):  # one expression writes all its items
            return ExpressionPlace(node.value)
        if isinstance(node, ObjectConstructor):
            for name, value in reversed(node.items):  # of two with one name the last counts
                if isinstance(name, Literal) and name.value == key:
                    return ExpressionPlace(value, name)
        return None


def value_or_unknown(node: Expression, scope: Scope, diagnostics: list[Diagnostic]) -> Value:
    """The value of an expression; unknown when it has none, which is then reported. So one mistake
    does not bring forth others."""
    try:
        return evaluate_safely(node, scope)
    except EvaluationError as error:
        if error.diagnostic not in diagnostics:
            diagnostics.append(error.diagnostic)
    return UNKNOWN


def evaluate_safely(node: Expression, scope: Scope) -> Value:
    """`evaluate`, for expressions of any depth."""
    try:
        return evaluate(node, scope)
    except RecursionError:
        raise failure(node, _TOO_DEEP) from None


def evaluate_body(
    block: BoundBlock, diagnostics: list[Diagnostic], leave_out: Collection[str] = ()
) -> sdk.Body:
    """A block's body as components get it, without the arguments in `leave_out`."""
    settings = {
        name: _setting(argument, block.scope, diagnostics)
        for name, argument in block.body.arguments.items()
        if name not in leave_out
    }
    nested = []
    for inner in expand(block.body, block.scope, diagnostics):
        body = evaluate_body(inner, diagnostics)
        nested.append(sdk.Block(inner.type, inner.labels, body, inner.node.range))
    return sdk.Body(settings, tuple(nested), block.node.range)


def _setting(argument: Argument, scope: Scope, diagnostics: list[Diagnostic]) -> sdk.Setting:
    value = to_plain(value_or_unknown(argument.expression, scope, diagnostics))
    node = argument.expression
    return sdk.Setting(argument.name, value, node.range, argument.name_range, ExpressionPlace(node))


def expand(body: Body, scope: Scope, diagnostics: list[Diagnostic]) -> Iterator[BoundBlock]:
    """The blocks of a body, each `dynamic` one replaced by what it makes."""
    for block in body.blocks:
        if block.type != "dynamic":
            yield BoundBlock(block.type, block.label_values, block.body, scope, block)
            continue
        try:
            yield from _generated(block, scope)
        except EvaluationError as error:
            diagnostics.append(error.diagnostic)


def _generated(block: Block, scope: Scope) -> Iterator[BoundBlock]:
    if len(block.labels) != 1:
        raise failure(block, "`dynamic` needs one label, the type of the blocks that it makes")
    type_, arguments = block.labels[0].value, block.body.arguments
    content = _content(block)
    for_each = arguments.get("for_each")
    if for_each is None:
        raise failure(block, "`dynamic` needs `for_each`")
    iterator = type_
    if "iterator" in arguments:
        name = arguments["iterator"].expression
        if not isinstance(name, Reference):
            raise failure(name, "`iterator` must be a bare name")
        iterator = name.name
    for key, value in _pairs(for_each.expression, scope):
        inner = scope.child({iterator: {"key": key, "value": value}})
        labels = _labels(arguments["labels"].expression, inner) if "labels" in arguments else ()
        if labels is not None:
            yield BoundBlock(type_, labels, content.body, inner, block)


def _content(block: Block) -> Block:
    contents = [inner for inner in block.body.blocks if inner.type == "content"]
    if len(contents) != 1 or len(block.body.blocks) != 1:
        raise failure(block, "`dynamic` needs one `content` block, and no other")
    for name, argument in block.body.arguments.items():
        if name not in ("for_each", "iterator", "labels"):
            hint = "`dynamic` knows `for_each`, `iterator` and `labels`; the rest belongs into `content`"
            raise failure(argument, f"unknown argument `{name}`", hint)
    return contents[0]


def _pairs(node: Expression, scope: Scope) -> list[tuple[Value, Value]]:
    """The key and value of each block to make; none while the collection is unknown."""
    collection = evaluate(node, scope)
    if collection is UNKNOWN:
        return []
    table, items = entries(collection), elements(collection)
    if table is not None:
        return [*sorted_entries(table)]
    if items is None:
        raise failure(node, f"`for_each` needs a list, a set or a map, not {describe(collection)}")
    return [(i, i) for i in items] if isinstance(collection, SetValue) else [*enumerate(items)]


def _labels(node: Expression, scope: Scope) -> tuple[str, ...] | None:
    """The labels of a block to make; None while one of them is unknown, as it is not known then which
    block it is."""
    value = evaluate(node, scope)
    labels = elements(value)
    if value is UNKNOWN or UNKNOWN in (labels or ()):
        return None
    if labels is None or not all(isinstance(label, str) for label in labels):
        raise failure(node, "`labels` needs a list of strings")
    return tuple(str(label) for label in labels)
