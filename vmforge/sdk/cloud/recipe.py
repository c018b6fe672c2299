"""The build of a machine in a cloud, start to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

from vmforge.errors import CommunicatorError, VmforgeError
from vmforge.sdk.artifact import Artifact
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.cloud.builder import Cloud
from vmforge.sdk.cloud.noting import delete_what_dead_builds_left as delete_what_dead_builds_left
from vmforge.sdk.cloud.noting import note_build, sweep_after
from vmforge.sdk.cloud.resource import make
from vmforge.sdk.communicator import Communicator
from vmforge.sdk.connection import Connection
from vmforge.sdk.context import BuildContext
from vmforge.sdk.mark import RunMark

_CONSOLE_LINES = 20


def build(open_cloud: Callable[[BuildContext, RunMark], Cloud], context: BuildContext) -> Artifact | None:
    """Run the whole build; see `Builder.build`."""
    # The cloud's own flag: the build's stays set once it is interrupted, and there is still much to delete
    cancellation = Cancellation()
    try:
        with context.cancellation.on_cancel(cancellation.cancel):
            working = replace(context, cancellation=cancellation)
            return _Recipe(open_cloud(working, RunMark.of(context)), working).run()
    finally:
        cancellation.withdraw()


@dataclass
class _Recipe:
    cloud: Cloud
    context: BuildContext

    def run(self) -> Artifact | None:
        """The recipe."""
        steps, cloud = self.context.steps, self.cloud
        steps.enter("Opening the cloud", _Opened(cloud), quiet=True)
        # first, for an unfinished image may have the name that is examined
        note_build(self.context, cloud.mark, cloud.place, cloud.leftovers)
        steps.run(f"Examining {cloud.place}", cloud.examine)
        self.context.data.update(self.context.connector.prepare(self.context))
        sweep_after(self.context, cloud.mark, cloud.leftovers)
        for resource in cloud.prepare():
            make(steps, resource)
        self.context.data["ID"] = make(steps, cloud.launch())
        if self.context.connector.reaches_guest:
            self._provision()
        steps.run("Stopping the instance", cloud.stop)
        for resource in cloud.capture():
            make(steps, resource)
        return steps.run("Finishing", cloud.finish, quiet=True)

    def _provision(self) -> None:
        for resource in self.cloud.reach():
            make(self.context.steps, resource)
        communicator = self._connect()
        where = self.cloud.endpoint()
        self.context.data.update(Host=where.host, Port=str(where.port))
        self.context.provision(_Instance(communicator))
        self.context.connector.finish(self.context, communicator)

    def _connect(self) -> Communicator:
        kind = self.context.data.get("ConnType", "the guest").upper()
        try:
            return self.context.steps.enter(
                f"Waiting for {kind}", Connection(self.context, self.cloud.endpoint)
            )
        except CommunicatorError as error:
            error.detail = error.detail or self._console()
            raise

    def _console(self) -> str:
        """The end of the guest's console: what is often the reason."""
        try:
            lines = self.cloud.console().rstrip().splitlines()
        except VmforgeError:
            return ""  # the failure to connect is what is to be told
        if not lines:
            return ""
        return "\n".join(["the end of the guest's console:", *lines[-_CONSOLE_LINES:]])


@dataclass(frozen=True)
class _Instance:
    communicator: Communicator


@dataclass(frozen=True)
class _Opened:
    cloud: Cloud

    def __enter__(self) -> Cloud:
        return self.cloud

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cloud.close()
