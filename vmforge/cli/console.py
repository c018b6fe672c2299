"""`vmforge console`: expressions tried out in the scope of a template."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vmforge.cli.inspect import variables_text
from vmforge.cli.template_options import ConfigType, Var, VarFile, load_template
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from vmforge.template import Template
    from vmforge.template.console import Evaluator

NAME = "console"

_HELP: Final = """\
Type an expression to see its value: `var.name`, `upper("a")`, `[for x in local.disks : x.size]`.
Variables, local values and functions are those of the template. In the console of a legacy JSON
template, type text with `{{ }}`.

variables  shows the variables and local values
help       shows this text
exit       ends the console, as Control-D does"""


def command(
    context: typer.Context,
    template: Annotated[
        Path | None,
        typer.Argument(metavar="[TEMPLATE]", help="The template whose names to use.", show_default=False),
    ] = None,
    var: Var = [],
    var_file: VarFile = [],
    config_type: ConfigType = "",
) -> int:
    """Evaluate expressions: those that are typed, or each line of standard input."""
    from vmforge.template.console import evaluator

    if template is None and (var or var_file):
        raise UsageError("`-var` and `-var-file` need a template", hint="name the template behind the flags")
    shown: Terminal = context.obj
    started = datetime.now(UTC)
    loaded = None
    if template is not None:
        loaded = load_template(
            template, var, var_file, started=started, tolerant=True, config_type=config_type
        )
        shown.redactor.add(loaded.secrets)
        shown.diagnostics([*loaded.warnings, *loaded.errors])
    session = _Session(shown, loaded, evaluator(loaded, started=started, environment=dict(os.environ)))
    if sys.stdin.isatty():
        session.run(_typed_lines())
        return 0
    session.run(line.decode("utf-8", "replace") for line in sys.stdin.buffer)
    return 1 if session.failed else 0


class _Session:
    """A run of lines. A line that is wrong is reported, and does not end it."""

    def __init__(self, shown: Terminal, template: Template | None, evaluator: Evaluator) -> None:
        self._shown = shown
        self._template = template
        self._evaluator = evaluator
        self.failed = False

    def run(self, lines: Iterator[str]) -> None:
        for line in map(str.strip, lines):
            if line == "exit":
                return
            if line == "help":
                self._shown.print(_HELP)
            elif line == "variables":
                self._show_variables()
            elif line:
                self._evaluate(line)

    def _show_variables(self) -> None:
        if self._template is None:
            self._shown.print("there are no variables: the console was started without a template")
            return
        for text in variables_text(self._template):
            self._shown.print(text)

    def _evaluate(self, line: str) -> None:
        from vmforge.diagnostics import DiagnosticError, read_source_line
        from vmforge.template.console import CONSOLE_INPUT

        def read_line(path: str, number: int) -> str | None:
            return line if path == CONSOLE_INPUT else read_source_line(path, number)

        try:
            result = self._evaluator.evaluate(line)
        except DiagnosticError as error:
            self.failed = True
            self._shown.redactor.add(self._evaluator.secrets)
            self._shown.diagnostics(error.diagnostics, read_line)
            return
        self._shown.redactor.add(self._evaluator.secrets)
        self._shown.print(result)


def _typed_lines() -> Iterator[str]:
    """Lines from the keyboard, with history and editing, up to Control-D or Control-C."""
    import readline  # noqa: F401  input() uses it once it is loaded

    while True:
        try:
            yield input("> ")
        except (EOFError, KeyboardInterrupt):
            return
