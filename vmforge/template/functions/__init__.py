"""The functions of the template language, each declared once with its types and its help."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache

from vmforge.diagnostics import did_you_mean
from vmforge.template.functions.declaration import Function, FunctionError, declared

_GROUPS = (
    "numeric",
    "text",
    "patterns",
    "collection",
    "sets",
    "encoding",
    "filesystem",
    "datetime",
    "crypto",
    "network",
    "conversion",
    "environment",
    "secrets",
)
_DEFAULTS_ONLY = "env"
_ELSEWHERE = {
    "tostring": "write `convert(value, string)`",
    "tonumber": "write `convert(value, number)`",
    "tobool": "write `convert(value, bool)`",
    "tolist": "write `convert(value, list(any))`",
    "toset": "write `convert(value, set(any))`",
    "tomap": "write `convert(value, map(any))`",
    "sensitive": 'declare the value in a block: `local "name" { expression = ..., sensitive = true }`',
    "nonsensitive": "values that are not declared sensitive are shown anyway",
    "one": "take the element by index, `list[0]`",
}


class FunctionTable:
    """The functions that can be called at one place of a template."""

    def __init__(self, *, defaults: bool) -> None:
        self._defaults = defaults

    def find(self, name: str) -> Function:
        """Raises `FunctionError` when it cannot be called here."""
        functions = all_functions()
        if self._defaults and name != _DEFAULTS_ONLY:
            hint = "compute it in a `locals` block instead"
            raise FunctionError(f"the default of a variable cannot call `{name}`, only `env`", hint=hint)
        if name == _DEFAULTS_ONLY and not self._defaults:
            hint = 'declare `variable "name" { default = env("NAME") }` and use `var.name`'
            raise FunctionError("`env` can be called only in the default of a variable", hint=hint)
        if name not in functions:
            hint = _ELSEWHERE.get(name) or did_you_mean(name, functions)
            raise FunctionError(f"there is no function `{name}`", hint=hint)
        return functions[name]


# What expressions can call, and what the default of a variable can.
FUNCTIONS = FunctionTable(defaults=False)
DEFAULT_FUNCTIONS = FunctionTable(defaults=True)


@cache
def all_functions() -> Mapping[str, Function]:
    """Every function by name, in order of groups. Loaded with the first call of any."""
    for group in _GROUPS:
        importlib.import_module(f"vmforge.template.functions.{group}")
    found = declared().values()
    return {function.name: function for group in _GROUPS for function in found if function.group == group}


__all__ = ["DEFAULT_FUNCTIONS", "FUNCTIONS", "Function", "FunctionError", "FunctionTable", "all_functions"]
