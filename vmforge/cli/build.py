"""`vmforge build`: the template's images, built side by side."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    load_template,
    selection,
    settle,
)
from vmforge.cli.terminal import Terminal
from vmforge.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from vmforge.pipeline.build import BuildResult
    from vmforge.pipeline.failure import OnError
    from vmforge.pipeline.overrides import Override
    from vmforge.pipeline.plan import Plan
    from vmforge.pipeline.run import Run
    from vmforge.template import DataValues, Template

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
    config_type: ConfigType = "",
    ignored_prerelease: IgnorePrerelease = False,
    ignored_sequential: SequentialEvaluation = False,
    ignored_enforcement: Annotated[
        bool, typer.Option("--skip-enforcement", hidden=True, help="Accepted for Packer's sake.")
    ] = False,
) -> None:
    """Build the images of a template."""
    from vmforge.pipeline.data_sources import read_data_sources
    from vmforge.pipeline.run import Run, Scratch
    from vmforge.sdk.cancellation import Cancellation
    from vmforge.sdk.folders import state_dir
    from vmforge.sdk.registry import Registry

    shown: Terminal = context.obj
    shown.timestamps = timestamp_ui
    shown.colour &= color
    policy = _on_error(on_error)
    started, run_uuid = datetime.now(UTC), str(uuid.uuid4())

    def load(data_values: DataValues) -> Template:
        return load_template(
            template,
            var,
            var_file,
            started=started,
            warn_undeclared=warn_on_undeclared_var,
            run_uuid=run_uuid,
            config_type=config_type,
            data_values=data_values,
        )

    loaded = read_data_sources(load, Registry(), started)
    shown.redactor.add(loaded.secrets)
    plan = _plan(shown, loaded, started, only, except_, _overrides(set_))
    state = state_dir(os.environ)
    scratch = Scratch(state, run_uuid)
    with scratch as folder:
        run = Run(
            uuid=run_uuid,
            template_dir=loaded.root,
            scratch=folder,
            state_dir=state,
            ui_for=shown.ui,
            cancellation=Cancellation(),
            redactor=shown.redactor,
            on_error=policy,
            force=force,
            debug=debug,
            parallel=parallel_builds,
        )
        results = _run(shown, plan, run)
        if any(result.kept for result in results):
            scratch.keep()
    if timings is not None:
        _write_timings(timings, results)
    raise typer.Exit(_status(results))


def _plan(
    shown: Terminal,
    loaded: Template,
    started: datetime,
    only: Sequence[str],
    except_: Sequence[str],
    overrides: Sequence[Override],
) -> Plan:
    from vmforge.pipeline.plan import Planner
    from vmforge.sdk.registry import Registry

    planner = Planner(loaded, Registry(), started, selection(only, except_), overrides)
    plan = planner.plan()
    settle(shown, [*loaded.warnings, *planner.diagnostics])
    return plan


def _overrides(texts: Sequence[str]) -> list[Override]:
    from vmforge.pipeline.overrides import Override

    overrides = [Override.parse(text) for text in texts]
    if accelerator := os.environ.get("VMFORGE_ACCELERATOR"):
        overrides.insert(0, Override("accelerator", accelerator, soft=True))
    return overrides


def _on_error(text: str) -> OnError:
    from vmforge.pipeline.failure import OnError

    if text not in list(OnError):
        listed = ", ".join(f"`{choice}`" for choice in OnError)
        raise UsageError(f"`-on-error={text}` is none of {listed}")
    return OnError(text)


def _run(shown: Terminal, plan: Plan, run: Run) -> list[BuildResult]:
    from vmforge.cli import results
    from vmforge.cli.signals import Signals
    from vmforge.pipeline.runner import run_builds

    def announce() -> None:
        shown.print("==> interrupted: cleaning up; this may take a moment")

    with Signals(run.cancellation, announce):
        ended = run_builds(plan.builds, run, lambda result: results.show_end(shown, result))
    results.show_summary(shown, ended)
    return ended


def _write_timings(path: Path, results: Sequence[BuildResult]) -> None:
    rows = [
        {"build": result.name, "title": step.title, "seconds": round(step.seconds, 3)}
        for result in results
        for step in result.times
    ]
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def _status(results: Sequence[BuildResult]) -> int:
    errors = [result.error for result in results if result.error is not None]
    if any(isinstance(error, Interrupted) for error in errors):
        return Interrupted.exit_status
    return max((error.exit_status for error in errors), default=0)
