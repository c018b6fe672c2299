"""`vmforge fix`: a legacy JSON template without the options that Packer renamed or removed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vmforge.cli.replacing import replace_file
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from vmforge.template.fixes import FixedTemplate

NAME = "fix"

_STANDARD_INPUT: Final = Path("-")


def command(
    context: typer.Context,
    template: Annotated[
        Path, typer.Argument(metavar="TEMPLATE", help="A legacy JSON template, or `-`.", show_default=False)
    ],
    validate: Annotated[
        bool, typer.Option("--validate/--no-validate", help="Check that the result is a template.")
    ] = True,
    write: Annotated[
        bool, typer.Option("--write/--no-write", help="Write the result to the file, not to the terminal.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="Say on standard error what is changed.")] = False,
) -> None:
    """Print a template with options that Packer renamed or removed replaced."""
    from vmforge.diagnostics import raise_errors
    from vmforge.template.fixes import fix_template

    if write and template == _STANDARD_INPUT:
        raise UsageError("`--write` needs a file to write to", hint="leave it out to print the result")
    shown: Terminal = context.obj
    fixed = fix_template(template)
    if list_:
        _list_changes(shown, fixed)
    findings = fixed.check() if validate else []
    if not write:
        # before the findings, as Packer does, and with the blank line that it ends with
        shown.data(f"{fixed.text}\n".encode())
    raise_errors(findings)
    if write and fixed.changes:
        replace_file(template, fixed.text.encode())


def _list_changes(shown: Terminal, fixed: FixedTemplate) -> None:
    for change in fixed.changes:
        shown.note(f"{change.place}: `{change.fixer.name}` {change.fixer.description}")
