"""`vmforge cleanup`: finds and deletes what builds that were killed have left in clouds."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.ages import age
from vmforge.cli.running import TemplateRequest, plan_builds, running
from vmforge.cli.template_options import ConfigType, Except, Only, SetOption, Var, VarFile
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError, VmforgeError

if TYPE_CHECKING:
    from vmforge.pipeline.leftovers import OwnedLeftover

NAME = "cleanup"


def command(
    context: typer.Context,
    template: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TEMPLATE]", help="Whose accounts and places to look at.", show_default=False
        ),
    ] = None,
    cloud: Annotated[
        bool, typer.Option("--cloud", help="Look in the clouds that the template names.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="AGE",
            help="Also what other machines' builds made longer ago than that, as in `12h` or `2d`.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Only list, as JSON.")] = False,
    var: Var = [],
    var_file: VarFile = [],
    only: Only = [],
    except_: Except = [],
    set_: SetOption = [],
    config_type: ConfigType = "",
) -> None:
    """Find what killed builds have left in clouds, and delete it.

    What they left on this machine's own hypervisor is ended by the next build. Without a template: say which
    builds were killed, and where.
    """
    shown: Terminal = context.obj
    if not cloud:
        raise UsageError("there is nothing to clean up but clouds", hint="give `--cloud` and a template")
    if template is None:
        _list_dead_builds(shown)
        return
    oldest = age(older_than, "--older-than") if older_than else None
    planned = plan_builds(shown, TemplateRequest(template, var, var_file, only, except_, set_, config_type))
    with running(shown, planned) as run:
        from vmforge.pipeline.leftovers import gather

        found = gather(planned.plan.builds, run)
        if as_json:
            shown.print(json.dumps([_as_json(owned) for owned in found], indent=2))
            return
        for owned in found:
            shown.print(_line(owned))
        abandoned = [owned for owned in found if owned.is_abandoned(oldest)]
        if not abandoned:
            shown.print("nothing is left of killed builds")
        elif yes or _wants(shown, len(abandoned)):
            _delete(shown, abandoned)
            _forget(run.state_dir, {owned.leftover.mark.run for owned in abandoned})


def _list_dead_builds(shown: Terminal) -> None:
    from vmforge.sdk.cloud.records import dead_builds
    from vmforge.sdk.folders import state_dir

    dead = dead_builds(state_dir(os.environ))
    for build in dead:
        ended = "was kept" if build.kept else "was killed"
        shown.print(f"`{build.build}` in {build.place} {ended}: vmforge cleanup --cloud {build.template}")
    if not dead:
        shown.print("no build of this machine was killed in a cloud")


def _wants(shown: Terminal, count: int) -> bool:
    if not sys.stdin.isatty():
        shown.note(f"{count} can be deleted: give `--yes`")
        return False
    return shown.ask(f"delete {count} of these? [y/N]").strip().lower() in ("y", "yes")


def _delete(shown: Terminal, abandoned: Sequence[OwnedLeftover]) -> None:
    """Delete them all, also when some refuse. Raises `VmforgeError` then."""
    failed = 0
    for owned in abandoned:
        try:
            owned.leftover.delete()
        except VmforgeError as error:
            failed += 1
            shown.note(f"error: {owned.leftover}: {error.message}")
        else:
            shown.print(f"deleted the {owned.leftover}")
    if failed:
        raise VmforgeError(f"{failed} of {len(abandoned)} could not be deleted", hint="try it again")


def _forget(state: Path, runs: set[str]) -> None:
    from vmforge.sdk.cloud.records import dead_builds

    for build in dead_builds(state):
        if build.run in runs:
            build.forget()


def _line(owned: OwnedLeftover) -> str:
    mark = owned.leftover.mark
    return f"{owned.leftover}: of `{mark.build}`, run {mark.run}, which {owned.owner}"


def _as_json(owned: OwnedLeftover) -> dict[str, object]:
    leftover = owned.leftover
    about = {"kind": leftover.kind, "id": leftover.id, "place": leftover.place}
    mark = leftover.mark
    whose = {"run": mark.run, "build": mark.build, "host": mark.host, "started": mark.started}
    return {**about, **whose, "owner": owned.owner.name.lower()}
