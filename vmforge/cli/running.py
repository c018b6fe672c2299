"""What the commands that run builds share: the template loaded and planned, the run, its end."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmforge.cli.offline_options import network_of
from vmforge.cli.template_options import load_template, selection, settle
from vmforge.cli.terminal import Terminal
from vmforge.errors import Interrupted

if TYPE_CHECKING:
    from vmforge.pipeline.build import BuildResult
    from vmforge.pipeline.overrides import Override
    from vmforge.pipeline.plan import Plan
    from vmforge.pipeline.run import Run
    from vmforge.sdk.network import Network
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
    network: Network = field(default_factory=network_of)


@dataclass(frozen=True)
class Planned:
    """A template that was loaded and planned for one run. `reads` are the files that its functions read,
    `data_keys` what the answers of its data sources are kept under, `data_digests` what they are."""

    template: Template
    plan: Plan
    network: Network = field(default_factory=network_of)
    reads: set[Path] = field(default_factory=set)
    data_keys: Sequence[str] = ()
    data_digests: Mapping[str, str] = field(default_factory=dict)
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


def plan_builds(
    shown: Terminal,
    request: TemplateRequest,
    overrides: Sequence[Override] = (),
    *,
    keep_answers: bool = False,
) -> Planned:
    """Load the template, read its data sources and plan the builds; `overrides` come after the user's own.

    Shows all findings. Raises `DiagnosticError` when one of them is an error, and `HostError` with all that
    is missing offline. With `keep_answers` those of data sources are kept for builds that are offline.
    """
    from vmforge.cache import Store, default_root
    from vmforge.pipeline.answers import Answers
    from vmforge.pipeline.data_sources import read_data_sources
    from vmforge.pipeline.offline import check_offline
    from vmforge.pipeline.plan import Planner
    from vmforge.sdk.registry import Registry

    started, run_uuid = datetime.now(UTC), str(uuid.uuid4())
    network, reads = request.network, set[Path]()
    store = Store(default_root(os.environ)) if network.offline or keep_answers else None
    answers = Answers(store, keeping=keep_answers)

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
            network=network,
            reads=reads,
        )

    loaded = read_data_sources(load, Registry(), started, network, answers)
    shown.redactor.add(loaded.secrets)
    chosen = selection(request.only, request.except_)
    planner = Planner(loaded, Registry(), started, chosen, [*_overrides(request.set_), *overrides])
    plan = planner.plan()
    shown.redactor.add(planner.secrets)
    if network.missing:  # what is not known for want of it is no mistake of the template
        planner = replace(planner, strict=False, diagnostics=[])
        plan = planner.plan()
    settle(shown, [*loaded.warnings, *planner.diagnostics])
    if network.offline and store is not None:
        settle(shown, check_offline(plan, network, store))
    return Planned(loaded, plan, network, reads, answers.keys, answers.digests, run_uuid)


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
    with scratch as folder, _without_secret_variables(planned.template, shown.redactor):
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
            network=planned.network,
            **wishes,
        )


@contextmanager
def _without_secret_variables(template: Template, hide: Callable[[str], str]) -> Iterator[None]:
    """Within it, this process's environment, which children inherit, has no `PKR_VAR_name` with a secret."""
    secret = {f"PKR_VAR_{variable.name}" for variable in template.variables.values() if variable.sensitive}
    given = {name: value for name, value in os.environ.items() if name.startswith("PKR_VAR_")}
    taken = {name: value for name, value in given.items() if name in secret or hide(value) != value}
    for name in taken:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(taken)


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
