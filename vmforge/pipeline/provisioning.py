"""Runs a build's provisioners on its machine: pauses, time limits, retries, the cleanup provisioner."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from types import TracebackType

from vmforge.diagnostics import DiagnosticError
from vmforge.errors import Interrupted, VmforgeError
from vmforge.pipeline.layers.build_layers import BuildLayers
from vmforge.pipeline.plan import PlannedBuild, PlannedProvisioner
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.context import BuildContext, Machine
from vmforge.sdk.provisioner import Provisioner
from vmforge.template import ProvisionerBlock


@dataclass
class Provisioning:
    """The provisioners of one build. `machine` is what they ran on, once they have started."""

    planned: PlannedBuild
    layers: BuildLayers | None = None
    machine: Machine | None = None

    def run(self, context: BuildContext, machine: Machine) -> None:
        """Run them all, in order, each as a step, but those that a layer stands for."""
        self.machine = machine
        for position, provisioner in enumerate(self.planned.provisioners, start=1):
            if self.layers is not None and self.layers.stands_for(position):
                continue
            waits = self._waits_for_artifact(provisioner, context)
            succeeded = waits or self._run_one(context, machine, provisioner)
            if self.layers is not None:
                self.layers.after(position, machine, whole=succeeded)

    def tests_artifact(self, context: BuildContext) -> bool:
        """Whether a provisioner works on the finished artifact."""
        return any(self._waits_for_artifact(planned, context) for planned in self.planned.provisioners)

    def run_on_artifact(self, context: BuildContext, machine: Machine) -> None:
        """Run those that work on the finished artifact, which this machine was booted from."""
        for provisioner in self.planned.provisioners:
            if self._waits_for_artifact(provisioner, context):
                self._run_one(context, machine, provisioner)

    def _waits_for_artifact(self, planned: PlannedProvisioner, context: BuildContext) -> bool:
        try:
            return self._made(planned, context).for_artifact
        except DiagnosticError:
            return False  # it is said where the provisioner runs

    def _made(self, planned: PlannedProvisioner, context: BuildContext) -> Provisioner:  # type: ignore[type-arg]
        component = self.planned.make(planned, context)
        assert isinstance(component, Provisioner)
        return component

    def run_error_cleanup(self, context: BuildContext) -> None:
        """Run the error-cleanup provisioner, if there is one and the machine was ever reached."""
        if self.planned.error_cleanup is not None and self.machine is not None:
            context.ui.say("Running the error-cleanup provisioner")
            self._run_one(context, self.machine, self.planned.error_cleanup)

    def _run_one(self, context: BuildContext, machine: Machine, provisioner: PlannedProvisioner) -> bool:
        """False when it failed and the build goes on all the same."""
        block = provisioner.block
        title = f"Provisioning with {block.type}" + (
            f" `{block.name}`" if block.name not in ("", block.type) else ""
        )
        if context.debug:
            context.ui.ask(f"About to run provisioner `{block.type}`. Press Enter to go on.")
        try:
            context.steps.run(title, lambda: self._attempt(context, machine, provisioner))
        except Interrupted:
            raise
        except VmforgeError as error:
            if not block.continue_on_error:
                raise
            context.ui.warn(f"{title}: {error.message}; going on, because `continue_on_error` is set")
            return False
        return True

    def _attempt(self, context: BuildContext, machine: Machine, provisioner: PlannedProvisioner) -> None:
        """One run and its retries; when all failed, the first failure is the one to report."""
        first: VmforgeError | None = None
        for tries_left in range(provisioner.block.max_retries, -1, -1):
            try:
                self._pause_and_run(context, machine, provisioner)
                return
            except Interrupted:
                raise
            except VmforgeError as error:
                first = first or error
                if tries_left:
                    context.ui.warn(f"{error.message}; trying again ({tries_left} left)")
        assert first is not None
        raise first

    def _pause_and_run(
        self, context: BuildContext, machine: Machine, provisioner: PlannedProvisioner
    ) -> None:
        block = provisioner.block
        if block.pause_before is not None and block.pause_before.seconds > 0:
            context.ui.message(f"pausing {block.pause_before} before the provisioner")
            context.cancellation.wait(block.pause_before.seconds)
        component = self._made(provisioner, context)
        limit = None if context.debug else block.timeout
        if limit is None:
            component.provision(context, machine)
            return
        with _TimeLimit(context.cancellation, machine, block, limit.seconds) as cancellation:
            component.provision(replace(context, cancellation=cancellation), machine)


class _TimeLimit:
    """Ends a provisioner that runs too long: cancels its waits and cuts its connection."""

    def __init__(
        self, parent: Cancellation, machine: Machine, block: ProvisionerBlock, seconds: float
    ) -> None:
        self._parent, self._machine, self._block, self._seconds = parent, machine, block, seconds
        self._own = Cancellation()
        self._expired = threading.Event()
        self._link = parent.on_cancel(self._own.cancel)
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def _expire(self) -> None:
        self._expired.set()
        self._own.cancel()
        self._machine.communicator.close()

    def __enter__(self) -> Cancellation:
        self._link.__enter__()
        self._timer.start()
        return self._own

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._link.__exit__(kind, error, trace)
        if not self._expired.is_set() or self._parent.cancelled:
            return
        self._machine.communicator.reconnect(60.0)
        message = f"provisioner `{self._block.type}` took longer than its `timeout` of {self._block.timeout}"
        raise VmforgeError(
            message, hint="raise `timeout`, or look at what it waits for with `-debug`"
        ) from error
