"""`vmforge build`: the template's images, built side by side."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmforge.cli.layer_options import (
    Explain,
    FromLayer,
    LayersFlag,
    NoCache,
    Resume,
    Until,
    explain_builds,
    wishes,
)
from vmforge.cli.lock_file import LockOption, NoLock, check_lock
from vmforge.cli.offline_options import MirrorOption, Offline, network_of
from vmforge.cli.running import TemplateRequest, plan_builds, run_all, running, status_of
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
    WarnUndeclared,
)
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from vmforge.package_cache import PackageCache
    from vmforge.pipeline.build import BuildResult
    from vmforge.pipeline.failure import OnError
    from vmforge.sdk.network import Network

NAME = "build"


# long, because typer reads the flags off the parameters
def command(
    context: typer.Context,
    template: TemplateArgument,
    var: Var = [],
    var_file: VarFile = [],
    only: Only = [],
    except_: Except = [],
    set_: SetOption = [],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the artifacts of an earlier build.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="One build at a time, a pause after each step.")
    ] = False,
    on_error: Annotated[
        str,
        typer.Option(
            "--on-error",
            metavar="cleanup|abort|ask|run-cleanup-provisioner",
            help="What to do with what a failed build made.",
        ),
    ] = "cleanup",
    parallel_builds: Annotated[
        int, typer.Option("--parallel-builds", metavar="N", help="Builds at a time; 0 means all.")
    ] = 0,
    timestamp_ui: Annotated[
        bool, typer.Option("--timestamp-ui", help="Put the time before each line.")
    ] = False,
    color: Annotated[bool, typer.Option("--color/--no-color", help="Colour on a terminal.")] = True,
    warn_on_undeclared_var: WarnUndeclared = False,
    timings: Annotated[
        Path | None, typer.Option("--timings", metavar="FILE", help="Write the seconds of each step as JSON.")
    ] = None,
    screenshots: Annotated[
        Path | None,
        typer.Option("--screenshots", metavar="DIR", help="Keep a picture of each change of the screen."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE.gif|.mp4|.cast", help="Film the machine's screen."),
    ] = None,
    layers: LayersFlag = "",
    no_cache: NoCache = False,
    from_layer: FromLayer = "",
    until: Until = "",
    resume: Resume = False,
    explain: Explain = False,
    package_cache: Annotated[
        bool,
        typer.Option(
            "--package-cache",
            help="Keep the packages that guests fetch over HTTP, and take them from there the next time.",
        ),
    ] = False,
    lock: LockOption = None,
    no_lock: NoLock = False,
    offline: Offline = False,
    mirror: MirrorOption = [],
    config_type: ConfigType = "",
    ignored_prerelease: IgnorePrerelease = False,
    ignored_sequential: SequentialEvaluation = False,
    ignored_enforcement: Annotated[
        bool, typer.Option("--skip-enforcement", hidden=True, help="Accepted for Packer's sake.")
    ] = False,
) -> None:
    """Build the images of a template."""
    shown: Terminal = context.obj
    shown.timestamps = timestamp_ui
    shown.colour &= color
    policy = _on_error(on_error)
    wanted = wishes(layers, no_cache, from_layer, until, resume)
    request = TemplateRequest(
        template,
        var,
        var_file,
        only,
        except_,
        set_,
        config_type,
        warn_on_undeclared_var,
        network_of(offline, mirror),
    )
    planned = plan_builds(shown, request)
    locked = check_lock(shown, planned, template, lock, no_lock)
    flags: dict[str, Any] = {"on_error": policy, "force": force, "debug": debug, "parallel": parallel_builds}
    flags |= {"screenshots": screenshots, "film": record, "several": len(planned.plan.builds) > 1}
    with (
        _packages(package_cache and not explain, planned.network) as packages,
        running(shown, planned, layers=wanted, packages=packages, locked_media=locked, **flags) as run,
    ):
        if explain:
            explain_builds(shown, planned.plan.builds, run)
            return
        results = run_all(shown, planned.plan, run)
    if timings is not None:
        _write_timings(timings, results)
    raise typer.Exit(status_of(results))


def _packages(wanted: bool, network: Network) -> AbstractContextManager[PackageCache | None]:
    """The package cache of the run, if it is to have one. Raises `HostError` where it cannot be made,
    `UsageError` for a limit that is no size."""
    if not wanted:
        return nullcontext()
    from vmforge.cache import Store, default_root
    from vmforge.cache.limit import PACKAGES_LIMIT
    from vmforge.package_cache import PackageCache

    store = Store(default_root(os.environ))
    return PackageCache(store, network=network, limit=PACKAGES_LIMIT.bytes(store.root, os.environ))


def _on_error(text: str) -> OnError:
    from vmforge.pipeline.failure import OnError

    if text not in list(OnError):
        listed = ", ".join(f"`{choice}`" for choice in OnError)
        raise UsageError(f"`-on-error={text}` is none of {listed}")
    return OnError(text)


def _write_timings(path: Path, results: Sequence[BuildResult]) -> None:
    rows = [
        {"build": result.name, "title": step.title, "seconds": round(step.seconds, 3)}
        for result in results
        for step in result.times
    ]
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
