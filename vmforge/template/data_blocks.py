"""Reads `data` blocks, and makes `data` in expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeAlias

from vmforge.diagnostics import Diagnostic, has_errors
from vmforge.sdk.values import UNKNOWN
from vmforge.sdk.values import Value as PlainValue
from vmforge.template.arguments import check_labels
from vmforge.template.blocks import BoundBlock, evaluate_body, expand, value_or_unknown
from vmforge.template.builds import evaluated
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.values import Value, from_plain, is_known
from vmforge.template.hcl.syntax import Block, Body
from vmforge.template.model import DataBlock, Evaluated

DataValues: TypeAlias = Mapping[str, Mapping[str, Mapping[str, PlainValue]]]


class _Table(dict[str, Value]):
    """An object that, while it is `open`, may have more attributes than are known: those are unknown."""

    def __init__(self, *, open: bool = False) -> None:
        super().__init__()
        self.open = open

    def __contains__(self, name: object) -> bool:
        return self.open or super().__contains__(name)

    def __missing__(self, name: str) -> Value:
        if self.open:
            return UNKNOWN
        raise KeyError(name)


class DataBlocks:
    """The `data` blocks of a template. `table` is what `data` is in expressions: the values that were
    given, all others unknown."""

    def __init__(self, given: DataValues, diagnostics: list[Diagnostic]) -> None:
        self.blocks: list[DataBlock] = []
        self.table = _Table()
        self._types: dict[str, _Table] = {}
        self._names: set[tuple[str, str]] = set()
        self._given = given
        self._diagnostics = diagnostics

    def read(self, blocks: Iterable[Block], scope: Scope) -> None:
        """Take in the blocks. The scope's `data` must be `table`, since what a `dynamic` block makes may
        depend on other data sources."""
        waiting = []
        for block in blocks:
            if block.type == "data":
                self._take(BoundBlock(block.type, block.label_values, block.body, scope, block))
            else:
                waiting.append(block)
        self._expand(waiting, scope)

    def _expand(self, waiting: list[Block], scope: Scope) -> None:
        """Take in what `dynamic` blocks make, each after those that it refers to."""
        while waiting:
            failed, findings = [], list[Diagnostic]()
            for block in waiting:
                found: list[Diagnostic] = []
                made = list(expand(Body(block.source, block.start, block.end, {}, [block]), scope, found))
                if has_errors(found):
                    failed.append(block)
                    findings += found
                    continue
                if _depends_on_unknown(block, scope):
                    self._open()
                for one in made:
                    self._take(one)
            if len(failed) == len(waiting):
                self._diagnostics += findings
                return
            waiting = failed

    def _open(self) -> None:
        """Some data sources are not known by name yet: what is not in the table is unknown, no mistake."""
        for table in (self.table, *self._types.values()):
            table.open = True

    def _take(self, block: BoundBlock) -> None:
        if not check_labels(block, ("TYPE", "NAME"), self._diagnostics):
            return
        type_, name = block.labels
        if (type_, name) in self._names:
            summary = f"data source `{type_}.{name}` is declared twice"
            self._diagnostics.append(Diagnostic.error(summary, range=block.node.range))
        self._names.add((type_, name))
        table = self._types.setdefault(type_, _Table(open=self.table.open))
        given = self._given.get(type_, {}).get(name)
        table[name] = UNKNOWN if given is None else from_plain(given)
        self.table[type_] = table
        self.blocks.append(DataBlock(type_, name, block.node.range, partial(_evaluate, block)))


def _depends_on_unknown(block: Block, scope: Scope) -> bool:
    """Whether it may not be known yet what a `dynamic` block makes."""
    for_each = block.body.arguments["for_each"].expression
    return not is_known(value_or_unknown(for_each, scope, []))


def _evaluate(block: BoundBlock) -> Evaluated:
    diagnostics: list[Diagnostic] = []
    before = set(block.scope.context.secrets)
    body = evaluate_body(block, diagnostics)
    return evaluated(body, diagnostics, block.scope, before)
