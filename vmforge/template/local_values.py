"""Local values, computed when something refers to them: so in the order of their dependencies."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from vmforge.diagnostics import Diagnostic
from vmforge.template.arguments import ArgumentReader, check_labels, check_names
from vmforge.template.blocks import evaluate_safely
from vmforge.template.expressions.errors import EvaluationError, failure
from vmforge.template.expressions.scope import Namespace, Scope
from vmforge.template.expressions.values import Value, strings_in, to_plain
from vmforge.template.hcl.syntax import Block, Expression, Node
from vmforge.template.model import LocalValue


@dataclass(frozen=True)
class _Declaration:
    node: Node
    expression: Expression
    sensitive: bool


class LocalValues(Namespace):
    """All local values of a template; `local` in expressions. `scope` must be set before the first
    value is asked for."""

    def __init__(self, constant_scope: Scope, diagnostics: list[Diagnostic]) -> None:
        self.scope = constant_scope
        self._constant_scope = constant_scope
        self._diagnostics = diagnostics
        self._declarations: dict[str, _Declaration] = {}
        self._values: dict[str, Value] = {}
        self._failures: dict[str, EvaluationError] = {}
        self._in_progress: list[str] = []

    def declare(self, block: Block) -> None:
        """A `locals { name = value }` block."""
        check_names(block.body, "`locals`", self._diagnostics, arguments=block.body.arguments)
        for argument in block.body.arguments.values():
            self._add(argument.name, _Declaration(argument, argument.expression, False))

    def declare_one(self, block: Block) -> None:
        """A `local "name" { expression = ... }` block."""
        if not check_labels(block, ("NAME",), self._diagnostics):
            return
        check_names(block.body, "`local`", self._diagnostics, arguments=("expression", "sensitive"))
        expression = block.body.arguments.get("expression")
        if expression is None:
            self._diagnostics.append(Diagnostic.error("`local` needs `expression`", range=block.range))
            return
        reader = ArgumentReader(block.body, self._constant_scope, self._diagnostics)
        declaration = _Declaration(block, expression.expression, bool(reader.flag("sensitive")))
        self._add(block.labels[0].value, declaration)

    def _add(self, name: str, declaration: _Declaration) -> None:
        known = self._declarations.setdefault(name, declaration)
        if known is not declaration:
            summary = f"local value `{name}` is declared twice"
            hint = f"it is first declared at {known.node.range}"
            self._diagnostics.append(Diagnostic.error(summary, range=declaration.node.range, hint=hint))

    def names(self) -> Collection[str]:
        return self._declarations.keys()

    def get(self, name: str) -> Value:
        """Raises `EvaluationError`, the same for a wrong value and for all that depend on it."""
        if name in self._failures:
            raise self._failures[name]
        if name not in self._values:
            try:
                self._values[name] = self._compute(name)
            except EvaluationError as error:
                self._failures[name] = EvaluationError(error.diagnostic, final=True)
                raise
        return self._values[name]

    def _compute(self, name: str) -> Value:
        declaration = self._declarations[name]
        if name in self._in_progress:
            circle = [*self._in_progress[self._in_progress.index(name) :], name]
            listed = " -> ".join(f"`local.{step}`" for step in circle)
            raise failure(declaration.expression, f"local values depend on each other: {listed}", final=True)
        self._in_progress.append(name)
        try:
            value = evaluate_safely(declaration.expression, self.scope)
        finally:
            self._in_progress.pop()
        if declaration.sensitive:
            self.scope.context.secrets.update(text for text in strings_in(value) if text)
        return value

    def evaluate_all(self) -> Iterator[LocalValue]:
        """Every local value, in the order of declaration; what has none is reported."""
        for name, declaration in self._declarations.items():
            try:
                value = to_plain(self.get(name))
            except EvaluationError as error:
                if error.diagnostic not in self._diagnostics:
                    self._diagnostics.append(error.diagnostic)
                continue
            yield LocalValue(name, value, declaration.sensitive, declaration.node.range)
