"""`vmforge validate`: is the template right? Touches neither network nor hypervisor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from vmforge.cli.template_options import (
    ConfigType,
    Except,
    Only,
    SetOption,
    TemplateArgument,
    Var,
    VarFile,
    load_template,
    selection,
)
from vmforge.cli.terminal import Terminal

NAME = "validate"


def command(
    context: typer.Context,
    template: TemplateArgument,
    var: Var = [],
    var_file: VarFile = [],
    only: Only = [],
    except_: Except = [],
    set_: SetOption = [],
    syntax_only: Annotated[bool, typer.Option("--syntax-only", help="Only parse.")] = False,
    no_warn_undeclared_var: Annotated[
        bool,
        typer.Option("--no-warn-undeclared-var", help="Accept undeclared variables in var files silently."),
    ] = False,
    config_type: ConfigType = "",
) -> None:
    """Check a template and show every mistake at once."""
    from vmforge.diagnostics import raise_errors
    from vmforge.pipeline.overrides import Override
    from vmforge.pipeline.plan import Planner
    from vmforge.sdk.registry import Registry
    from vmforge.template import parse_only

    shown: Terminal = context.obj
    if syntax_only:
        raise_errors(parse_only(template))
        shown.print("Syntax-only check passed. Everything looks okay.")
        return
    started = datetime.now(UTC)
    loaded = load_template(
        template, var, var_file, started=started, warn_undeclared=not no_warn_undeclared_var
    )
    shown.redactor.add(loaded.secrets)
    overrides = [Override.parse(text) for text in set_]
    planner = Planner(loaded, Registry(), started, selection(only, except_), overrides, strict=False)
    planner.plan()
    findings = list(dict.fromkeys([*loaded.warnings, *planner.diagnostics]))
    raise_errors(findings)
    shown.diagnostics(findings)
    shown.print("The configuration is valid.")
