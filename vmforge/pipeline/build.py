"""One build from start to end: its context, its builder, its provisioners, its post-processors."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from vmforge.errors import Interrupted, VmforgeError
from vmforge.pipeline.durations import Durations
from vmforge.pipeline.failure import Aborted, OnError, around_steps
from vmforge.pipeline.layers.build_layers import Enough
from vmforge.pipeline.layers.carrying import Carriage, carriage
from vmforge.pipeline.layers.explain import Verdict
from vmforge.pipeline.layers.opening import layers_of
from vmforge.pipeline.plan import PlannedBuild, PlannedPostProcessor
from vmforge.pipeline.post_processing import Outcome, PostProcessing
from vmforge.pipeline.provisioning import Provisioning
from vmforge.pipeline.run import Run
from vmforge.sdk.artifact import Artifact
from vmforge.sdk.context import BuildContext, Machine
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.live import LiveStatus
from vmforge.sdk.post_processor import PostProcessor
from vmforge.sdk.steps import Steps, StepTime

# What `build.ID` says for machines that have none, as in Packer.
_NO_ID = "ERR_ID_NOT_IMPLEMENTED_BY_BUILDER"


@dataclass
class BuildResult:
    """How one build ended. `error` is None when it succeeded; `seconds` is its whole duration."""

    name: str
    artifacts: list[Artifact] = field(default_factory=list)
    error: VmforgeError | None = None
    failed_step: str = ""
    times: list[StepTime] = field(default_factory=list)
    seconds: float = 0.0
    kept: list[str] = field(default_factory=list)


def run_build(planned: PlannedBuild, run: Run) -> BuildResult:
    """Run one build; its failure is in the result, not raised. A bug is raised as it is."""
    return _Build(planned, run).run()


def explain_build(planned: PlannedBuild, run: Run) -> list[Verdict] | str:
    """What a build would begin from, step by step; a sentence where there are no layers, or that cannot be
    told. Starts and makes nothing."""
    return _Build(planned, run).explain()


def find_leftovers(planned: PlannedBuild, run: Run) -> list[Leftover]:
    """What builds have left at the places of this one and its post-processors; see `Builder.leftovers`."""
    return _Build(planned, run).leftovers()


def carry_layers(planned: PlannedBuild, run: Run) -> Carriage | str:
    """The layers of a build for a bundle; a sentence where there are none. Raises `VmforgeError`."""
    return _Build(planned, run).carry_layers()


class _Build:
    def __init__(self, planned: PlannedBuild, run: Run) -> None:
        self._planned = planned
        self._run = run
        self._ui = run.ui_for(planned.full_name, "")
        around = around_steps(self._ui, run.cancellation, run.on_error, run.debug, lambda: self._steps.offers)
        self._durations = Durations.of(run.state_dir, run.template_dir, planned.full_name)
        live = LiveStatus(self._durations.read())
        self._steps = Steps(self._ui, run.cancellation, around, live)
        self._context = self._make_context()
        self._layers = layers_of(planned, self._context, run)
        self._context = replace(self._context, layers=self._layers)
        self._provisioning = Provisioning(planned, self._layers)
        self._result = BuildResult(planned.full_name)

    def run(self) -> BuildResult:
        started = time.monotonic()
        self._run.redactor.add(self._planned.secrets)
        try:
            built = self._find() if self._run.only_post_process else self._build()
            if built is not None and not self._run.only_post_process:
                self._test(built)
            if built is not None:
                self._post_process(built)
        except VmforgeError as error:
            self._result.error = error
            self._result.failed_step = self._steps.failed
        self._result.times = self._steps.times
        self._durations.keep([step for step in self._steps.times if step.title != self._steps.failed])
        self._result.seconds = time.monotonic() - started
        return self._result

    def _find(self) -> Artifact:
        """The artifact that an earlier run left. Raises `VmforgeError` when there is none."""
        found = self._planned.builder.find_artifact(self._context)
        if found is not None:
            return found
        hint = "build it; `keep_input_artifact = true` keeps it beside what post-processors make of it"
        raise VmforgeError("there is no artifact of an earlier build to post-process", hint=hint)

    def leftovers(self) -> list[Leftover]:
        """See `find_leftovers`."""
        self._run.redactor.add(self._planned.secrets)
        found = list(self._planned.builder.leftovers(self._context))
        for post_processor in (planned for chain in self._planned.chains for planned in chain):
            found += self._leftovers_of(post_processor)
        return found

    def _leftovers_of(self, planned: PlannedPostProcessor) -> Iterable[Leftover]:
        name = planned.block.name
        if planned.config is None:
            hint = "its options use what only a running build tells"
            self._ui.warn(f"post-processor `{name}` cannot tell what it has left: {hint}")
            return ()
        component = planned.component(planned.config)
        assert isinstance(component, PostProcessor)
        return component.leftovers(self._context_for(planned.block.type))

    def explain(self) -> list[Verdict] | str:
        """See `explain_build`."""
        inputs = self._planned.builder.layer_inputs(self._context)
        if isinstance(inputs, str) or self._layers is None:
            return inputs if isinstance(inputs, str) else "they are off"
        return self._layers.explain(inputs)

    def carry_layers(self) -> Carriage | str:
        """See `carry_layers`."""
        inputs = self._planned.builder.layer_inputs(self._context)
        if isinstance(inputs, str) or self._layers is None:
            return inputs if isinstance(inputs, str) else "they are off"
        return carriage(self._layers, inputs, self._run.cancellation)

    def _build(self) -> Artifact | None:
        try:
            if self._layers is not None:
                self._steps.enter("Looking at the layers", self._layers, quiet=True)
            artifact = self._planned.builder.build(self._context)
        except Enough as reason:
            self._steps.release(reason)
            self._ui.say(str(reason))
            return None
        except BaseException as error:
            self._unwind(error)
            raise
        self._steps.release()
        return artifact

    def _unwind(self, error: BaseException) -> None:
        """Undo what the build made, or keep it when the user asked for that."""
        kept_by_user = isinstance(error, Aborted) or self._run.on_error.keeps_everything
        keep = kept_by_user and isinstance(error, VmforgeError) and not isinstance(error, Interrupted)
        if self._run.on_error is not OnError.ABORT and not isinstance(error, (Aborted, Interrupted)):
            self._clean_up_in_guest(error)
        if keep:
            files = f"the run's files (serial log, temporary keys) in `{self._context.scratch}`"
            self._result.kept = [*self._steps.abandon(), files]
        else:
            self._steps.release(error)

    def _clean_up_in_guest(self, error: BaseException) -> None:
        try:
            self._provisioning.run_error_cleanup(self._context)
        except VmforgeError as failure:
            self._ui.error(f"the error-cleanup provisioner failed too: {failure.message}")
            error.add_note(f"cleanup failed: {failure.message}")

    def _test(self, built: Artifact) -> None:
        """Run the provisioners that work on the finished artifact, in a machine that is thrown away."""
        context = replace(self._context, ui=self._ui)
        if not self._provisioning.tests_artifact(context):
            return
        self._ui.say("Booting the artifact for its tests")
        self._steps.explain = None  # it knew the machine that was built
        self._steps.offers.clear()
        try:
            self._planned.builder.boot(
                context, built, lambda machine: self._provisioning.run_on_artifact(context, machine)
            )
        except BaseException as error:
            self._steps.release(error)
            if isinstance(error, VmforgeError):
                self._ui.message(f"the artifact stays: {built}")
            raise
        self._steps.release()

    def _post_process(self, built: Artifact) -> None:
        # the machine's resources are released; post-processors ask and pause, but never retry a build
        self._result.artifacts = [built]
        outcome: Outcome = PostProcessing(self._planned, self._context_for).run(built)
        self._result.artifacts = outcome.artifacts
        if outcome.failures:
            raise outcome.failures[0]

    def _context_for(self, post_processor: str) -> BuildContext:
        return replace(self._context, ui=self._run.ui_for(self._planned.full_name, post_processor))

    def _make_context(self) -> BuildContext:
        planned, run = self._planned, self._run
        scratch = run.scratch / planned.full_name.replace("/", "_")
        scratch.mkdir(parents=True, exist_ok=True)
        return BuildContext(
            name=planned.name,
            full_name=planned.full_name,
            builder_type=planned.type,
            run_uuid=run.uuid,
            template_dir=run.template_dir,
            scratch=scratch,
            state_dir=run.state_dir,
            ui=self._ui,
            cancellation=run.cancellation,
            steps=self._steps,
            connector=planned.connector,
            render=self._render,
            provision=self._provision,
            redact=run.redactor.add,
            hide=run.redactor,
            force=run.force,
            throwaway=run.throwaway,
            debug=run.debug,
            screenshots=run.screenshots_of(planned.full_name),
            film=run.film_of(planned.full_name),
            started=time.time(),
            template_digest=run.template_digest,
            packages=run.packages,
            network=run.network,
            locked_media=run.locked_media,
            data={"PackerRunUUID": run.uuid, "ID": _NO_ID, "PackageProxy": ""},
        )

    def _render(self, text: str, fields: Mapping[str, object]) -> str:
        engine = self._planned.interpolator.with_build_data(self._context.data).with_fields(fields)
        try:
            return engine.render(text)
        except ValueError as error:
            raise VmforgeError(str(error)) from None

    def _provision(self, machine: Machine) -> None:
        if self._run.session is not None:
            self._run.session(self._context, machine)
            raise Enough("the machine has been thrown away")
        self._provisioning.run(self._context, machine)
