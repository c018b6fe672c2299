"""The environment that vmforge runs in."""

from __future__ import annotations

from vmforge.template.expressions.types import STRING
from vmforge.template.functions.context import FunctionContext
from vmforge.template.functions.declaration import Parameter, function


@function(
    "An environment variable, empty when it is not set. Only in the default of a variable.",
    Parameter("name", STRING),
    context=True,
)
def env(context: FunctionContext, name: str) -> str:
    return context.environment.get(name, "")
