"""`vmforge post-process`: a template's post-processors on the artifact of an earlier build."""

from __future__ import annotations

import typer

from vmforge.cli.offline_options import MirrorOption, Offline, network_of
from vmforge.cli.running import TemplateRequest, plan_builds, run_all, running, status_of
from vmforge.cli.template_options import ConfigType, Except, Only, SetOption, TemplateArgument, Var, VarFile
from vmforge.cli.terminal import Terminal

NAME = "post-process"


def command(
    context: typer.Context,
    template: TemplateArgument,
    var: Var = [],
    var_file: VarFile = [],
    only: Only = [],
    except_: Except = [],
    set_: SetOption = [],
    offline: Offline = False,
    mirror: MirrorOption = [],
    config_type: ConfigType = "",
) -> None:
    """Run a template's post-processors again, on the artifacts that its builders left."""
    shown: Terminal = context.obj
    network = network_of(offline, mirror)
    request = TemplateRequest(template, var, var_file, only, except_, set_, config_type, network=network)
    planned = plan_builds(shown, request)
    with running(shown, planned, only_post_process=True) as run:
        results = run_all(shown, planned.plan, run)
    raise typer.Exit(status_of(results))
