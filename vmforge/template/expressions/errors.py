"""How an expression fails."""

from __future__ import annotations

from vmforge.diagnostics import Diagnostic
from vmforge.template.hcl.syntax import Node


class EvaluationError(Exception):
    """An expression has no value. `try` and `can` do not catch it when it is `final`."""

    def __init__(self, diagnostic: Diagnostic, *, final: bool = False) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic
        self.final = final


def failure(node: Node, summary: str, hint: str = "", *, final: bool = False) -> EvaluationError:
    """The error that a node cannot be evaluated."""
    return EvaluationError(Diagnostic.error(summary, range=node.range, hint=hint), final=final)
