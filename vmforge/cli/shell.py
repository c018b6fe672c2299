"""`vmforge shell`: a throwaway machine that goes on from a layer, and a shell in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.running import TemplateRequest, plan_builds, run_all, running, status_of
from vmforge.cli.template_options import ConfigType, Only, SetOption, TemplateArgument, Var, VarFile
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from vmforge.sdk.context import BuildContext, Machine

NAME = "shell"


def command(
    context: typer.Context,
    step: Annotated[str, typer.Argument(help="The step to look behind: its name, type or number.")],
    template: TemplateArgument,
    var: Var = [],
    var_file: VarFile = [],
    only: Only = [],
    set_: SetOption = [],
    console: Annotated[
        bool, typer.Option("--console", help="Open no shell: tell where the screen is, until Ctrl-C.")
    ] = False,
    config_type: ConfigType = "",
) -> None:
    """Open a shell in a throwaway clone of a layer. Nothing of what happens in it is kept."""
    from vmforge.pipeline.layers.policy import LayerWishes
    from vmforge.pipeline.overrides import Override

    shown: Terminal = context.obj
    request = TemplateRequest(template, var, var_file, only, (), set_, config_type)
    planned = plan_builds(shown, request, [Override("headless", "false", soft=True)] if console else [])
    builds = planned.plan.builds
    if len(builds) != 1:
        names = ", ".join(f"`{build.full_name}`" for build in builds)
        raise UsageError(f"the template has {len(builds)} builds ({names}); choose one with `-only`")
    wishes = LayerWishes(begin_at=step, make=False)
    session = _wait if console else _open_shell
    with running(shown, planned, layers=wishes, session=session, throwaway=True) as run:
        results = run_all(shown, planned.plan, run)
    raise typer.Exit(status_of(results))


def _open_shell(context: BuildContext, machine: Machine) -> None:
    from vmforge.sdk.communicator import InteractiveCommunicator

    communicator = machine.communicator
    if not isinstance(communicator, InteractiveCommunicator):
        raise UsageError(f"the communicator `{communicator.kind}` has no shell for people; use `-console`")
    context.ui.message("this machine and what you do in it is thrown away when you leave the shell")
    communicator.interact()


def _wait(context: BuildContext, machine: Machine) -> None:
    """Until the user says so."""
    context.ui.message("the machine is thrown away on Ctrl-C")
    context.cancellation.wait(float("inf"))
