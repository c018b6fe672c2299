"""What the commands that run builds share: the template loaded and planned, the run, its end."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmforge.cli.template_options import load_template, selection, settle
from vmforge.cli.terminal import Terminal
from vmforge.errors import Interrupted

if TYPE_CHECKING:
    from vmforge.pipeline.build import BuildResult
    from vmforge.pipeline.overrides import Override
    from vmforge.pipeline.plan import Plan
    from vmforge.pipeline.run import Run
    from vmforge.template import DataValues, Template


@dataclass(frozen=True)
class TemplateRequest:
    """Which template, with which values, and which of its builds: the flags as they were given."""

    template: Path
    var: Sequence[str] = ()
    var_file: Sequence[Path] = ()
    only: Sequence[str] = ()
    except_: Sequence[str] = ()
    set_: Sequence[str] = ()
    config_type: str = ""
    warn_undeclared: bool = False


@dataclass(frozen=True)
class Planned:
    """A template that was loaded and planned for one run."""

    template: Template
    plan: Plan
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


def plan_builds(shown: Terminal, request: TemplateRequest, overrides: Sequence[Override] = ()) -> Planned:
    """Load the template, read its data sources and plan the builds; `overrides` come after the user's own.

    Shows all findings. Raises `DiagnosticError` when one of them is an error.
    """
    from vmforge.pipeline.data_sources import read_data_sources
    from vmforge.pipeline.plan import Planner
    from vmforge.sdk.registry import Registry

    started, run_uuid = datetime.now(UTC), str(uuid.uuid4())

    def load(data_values: DataValues) -> Template:
        return load_template(
            request.template,
            request.var,
            request.var_file,
            started=started,
            warn_undeclared=request.warn_undeclared,
            run_uuid=run_uuid,
            config_type=request.config_type,
            data_values=data_values,
        )

    loaded = read_data_sources(load, Registry(), started)
    shown.redactor.add(loaded.secrets)
    chosen = selection(request.only, request.except_)
    planner = Planner(loaded, Registry(), started, chosen, [*_overrides(request.set_), *overrides])
    plan = planner.plan()
    settle(shown, [*loaded.warnings, *planner.diagnostics])
    return Planned(loaded, plan, run_uuid)


@contextmanager
def running(shown: Terminal, planned: Planned, **wishes: Any) -> Iterator[Run]:
    """A run for the planned builds, with a scratch folder that goes away with it; `wishes` are fields of
    `Run`. A folder that a kept machine uses stays: see `keep_scratch`."""
    from vmforge.pipeline.run import Run, Scratch
    from vmforge.sdk.cancellation import Cancellation
    from vmforge.sdk.folders import state_dir
    from vmforge.template.digest import digest

    state = state_dir(os.environ)
    scratch = Scratch(state, planned.uuid)
    with scratch as folder:
        yield Run(
            uuid=planned.uuid,
            template_dir=planned.template.root,
            scratch=folder,
            state_dir=state,
            ui_for=shown.ui,
            cancellation=Cancellation(),
            redactor=shown.redactor,
            template_digest=digest(planned.template.path),
            keep_scratch=scratch.keep,
            **wishes,
        )


def run_all(shown: Terminal, plan: Plan, run: Run) -> list[BuildResult]:
    """Run the builds and show how they end; Ctrl-C unwinds them."""
    from vmforge.cli import results
    from vmforge.cli.signals import Signals
    from vmforge.pipeline.runner import run_builds

    def announce() -> None:
        shown.print("==> interrupted: cleaning up; this may take a moment")

    with Signals(run.cancellation, announce):
        ended = run_builds(plan.builds, run, lambda result: results.show_end(shown, result))
    if any(result.kept for result in ended):
        run.keep_scratch()
    results.show_summary(shown, ended)
    return ended


def status_of(results: Sequence[BuildResult]) -> int:
    """The exit status: 0 when every build succeeded."""
    errors = [result.error for result in results if result.error is not None]
    if any(isinstance(error, Interrupted) for error in errors):
        return Interrupted.exit_status
    return max((error.exit_status for error in errors), default=0)


def _overrides(texts: Sequence[str]) -> list[Override]:
    from vmforge.pipeline.overrides import Override

    overrides = [Override.parse(text) for text in texts]
    if accelerator := os.environ.get("VMFORGE_ACCELERATOR"):
        overrides.insert(0, Override("accelerator", accelerator, soft=True))
    return overrides
