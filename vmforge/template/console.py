"""Evaluates single lines in the scope of a template, as `vmforge console` does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from vmforge.diagnostics import Diagnostic, DiagnosticError, SourceRange
from vmforge.sdk.compatibility import PACKER_VERSION
from vmforge.sdk.interpolate import Interpolator, interpolator
from vmforge.template.blocks import evaluate_safely
from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.values import to_plain
from vmforge.template.functions import FUNCTIONS
from vmforge.template.functions.context import FunctionContext
from vmforge.template.hcl import SourceText, parse_expression
from vmforge.template.model import Template
from vmforge.template.printing import format_value

# what diagnostics call the line that was typed
CONSOLE_INPUT: Final = "<console>"


class Evaluator(ABC):
    """Gives the results of lines."""

    @abstractmethod
    def evaluate(self, line: str) -> str:
        """The result as Packer's console prints it. Raises `DiagnosticError`."""

    @property
    def secrets(self) -> Collection[str]:
        """Strings of sensitive values that have been met so far."""
        return ()


def evaluator(template: Template | None, *, started: datetime, environment: Mapping[str, str]) -> Evaluator:
    """For a template in HCL2 or legacy JSON; for expressions that refer to nothing when there is none."""
    if template is None:
        return _Expressions(_bare_scope(started, environment))
    if template.scope is not None:
        return _Expressions(template.scope)
    return _Interpolations(
        interpolator(started=started, template_dir=template.root, variables=template.user_variables)
    )


class _Expressions(Evaluator):
    """Lines are expressions of HCL2."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def evaluate(self, line: str) -> str:
        expression, findings = parse_expression(SourceText(CONSOLE_INPUT, line, in_file=False))
        if expression is None:
            raise DiagnosticError(findings)
        try:
            return format_value(to_plain(evaluate_safely(expression, self._scope)))
        except EvaluationError as error:
            raise DiagnosticError([error.diagnostic]) from None

    @property
    def secrets(self) -> Collection[str]:
        return self._scope.context.secrets


class _Interpolations(Evaluator):
    """Lines are text with `{{ }}`, as the strings of a legacy JSON template are."""

    def __init__(self, engine: Interpolator) -> None:
        self._engine = engine

    def evaluate(self, line: str) -> str:
        try:
            return self._engine.render(line)
        except ValueError as error:
            place = SourceRange.whole(CONSOLE_INPUT)
            raise DiagnosticError([Diagnostic.error(str(error), range=place)]) from None


def _bare_scope(started: datetime, environment: Mapping[str, str]) -> Scope:
    here = Path.cwd()
    return Scope(
        {
            "var": {},
            "local": {},
            "data": {},
            "path": {"root": str(here), "cwd": str(here)},
            "packer": {"version": PACKER_VERSION},
        },
        FunctionContext(here, started, environment),
        functions=FUNCTIONS,
    )
