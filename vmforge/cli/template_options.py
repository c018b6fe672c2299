"""The flags that every command about a template takes, and how they become a template."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vmforge.cli.terminal import Terminal
    from vmforge.diagnostics import Diagnostic
    from vmforge.pipeline.selection import Selection
    from vmforge.sdk.network import Network
    from vmforge.template import DataValues, Template

TemplateArgument = Annotated[
    Path,
    typer.Argument(
        metavar="TEMPLATE",
        help="A `.pkr.hcl` file, a folder of them, a JSON template, or `-`.",
        show_default=False,
    ),
]
Var = Annotated[list[str], typer.Option("--var", metavar="NAME=VALUE", help="Set a variable; repeatable.")]
VarFile = Annotated[
    list[Path], typer.Option("--var-file", metavar="FILE", help="Read variables from a file; repeatable.")
]
Only = Annotated[
    list[str],
    typer.Option("--only", metavar="GLOB,...", help="Only the builds whose names match; repeatable."),
]
Except = Annotated[
    list[str],
    typer.Option(
        "--except", metavar="GLOB,...", help="All but these builds and post-processors; repeatable."
    ),
]
ConfigType = Annotated[
    str,
    typer.Option(
        "--config-type", metavar="hcl2|json", help="Read the template as this language.", hidden=True
    ),
]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set", metavar="[SOURCE.]OPTION=VALUE", help="Set an option of the sources from here; repeatable."
    ),
]
# Packer's flags that mean nothing here, so that its users' scripts run as they are.
IgnorePrerelease = Annotated[
    bool, typer.Option("--ignore-prerelease-plugins", hidden=True, help="Accepted for Packer's sake.")
]
SequentialEvaluation = Annotated[
    bool, typer.Option("--use-sequential-evaluation", hidden=True, help="Accepted for Packer's sake.")
]
WarnUndeclared = Annotated[
    bool,
    typer.Option(
        "--warn-on-undeclared-var/--no-warn-on-undeclared-var",
        help="Warn of variables in var files that the template does not declare.",
    ),
]


def load_template(
    path: Path,
    variables: Sequence[str],
    files: Sequence[Path],
    *,
    started: datetime | None = None,
    warn_undeclared: bool = False,
    run_uuid: str = "",
    data_values: DataValues | None = None,
    tolerant: bool = False,
    config_type: str = "",
    network: Network | None = None,
    reads: set[Path] | None = None,
) -> Template:
    """Read the template with the user's variables. Raises `DiagnosticError` with every finding; a
    `tolerant` one only for what keeps the template from being looked at."""
    from vmforge.cli.offline_options import network_of
    from vmforge.template import VariableInputs, load

    allowed, read = network or network_of(), set[Path]() if reads is None else reads
    inputs = VariableInputs(tuple(variables), tuple(files), dict(os.environ), warn_undeclared, allowed, read)
    return load(
        path,
        inputs,
        started=started or datetime.now(UTC),
        run_uuid=run_uuid,
        data_values=data_values,
        tolerant=tolerant,
        config_type=config_type,
    )


def settle(shown: Terminal, findings: Iterable[Diagnostic]) -> None:
    """Show what was found about a template, each finding once. Raises `DiagnosticError` with all of
    it when there is an error."""
    from vmforge.diagnostics import raise_errors

    once = list(dict.fromkeys(findings))
    raise_errors(once)
    shown.diagnostics(once)


def selection(only: Iterable[str], except_: Iterable[str]) -> Selection:
    """The patterns of `-only` and `-except`: comma lists, possibly several."""
    from vmforge.pipeline.selection import Selection

    return Selection(tuple(_split(only)), tuple(_split(except_)))


def _split(lists: Iterable[str]) -> Iterable[str]:
    return (name.strip() for text in lists for name in text.split(",") if name.strip())
