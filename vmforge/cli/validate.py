"""`vmforge validate`: is the template right? Touches no hypervisor, and the network only for data sources."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.offline_options import network_of
from vmforge.cli.template_options import (
    ConfigType,
    Except,
    IgnorePrerelease,
    Only,
    SequentialEvaluation,
    SetOption,
    TemplateArgument,
    Var,
    VarFile,
    load_template,
    selection,
    settle,
)
from vmforge.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmforge.template import DataValues, Template

NAME = "validate"


# long, because typer reads the flags off the parameters
def command(
    context: typer.Context,
    template: TemplateArgument,
    var: Var = [],
    var_file: VarFile = [],
    only: Only = [],
    except_: Except = [],
    set_: SetOption = [],
    syntax_only: Annotated[bool, typer.Option("--syntax-only", help="Only parse.")] = False,
    evaluate_datasources: Annotated[
        bool, typer.Option("--evaluate-datasources", help="Read data sources, over the network too.")
    ] = False,
    no_warn_undeclared_var: Annotated[
        bool,
        typer.Option("--no-warn-undeclared-var", help="Accept undeclared variables in var files silently."),
    ] = False,
    config_type: ConfigType = "",
    ignored_prerelease: IgnorePrerelease = False,
    ignored_sequential: SequentialEvaluation = False,
) -> None:
    """Check a template and show every mistake at once."""
    from vmforge.diagnostics import raise_errors
    from vmforge.pipeline.data_sources import check_data_sources, read_data_sources
    from vmforge.pipeline.overrides import Override
    from vmforge.pipeline.plan import Planner
    from vmforge.sdk.registry import Registry
    from vmforge.template import parse_only

    shown: Terminal = context.obj
    if syntax_only:
        raise_errors(parse_only(template, config_type))
        shown.print("Syntax-only check passed. Everything looks okay.")
        return
    started = datetime.now(UTC)
    registry, network = Registry(), network_of()

    def load(data_values: DataValues) -> Template:
        return load_template(
            template,
            var,
            var_file,
            started=started,
            warn_undeclared=not no_warn_undeclared_var,
            config_type=config_type,
            data_values=data_values,
            network=network,
        )

    loaded = read_data_sources(load, registry, started, network) if evaluate_datasources else load({})
    shown.redactor.add(loaded.secrets)
    overrides = [Override.parse(text) for text in set_]
    planner = Planner(loaded, registry, started, selection(only, except_), overrides, strict=False)
    planner.plan()
    shown.redactor.add(planner.secrets)
    data_findings = check_data_sources(loaded, registry, started)
    settle(shown, [*loaded.warnings, *data_findings, *planner.diagnostics])
    for missing in network.missing:
        shown.note(f"warning: offline: {missing.what} was not asked for (`{', '.join(missing.places)}`)")
    shown.print("The configuration is valid.")
