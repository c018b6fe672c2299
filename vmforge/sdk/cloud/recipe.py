"""The build of a machine in a cloud, start to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import TracebackType

from vmforge.errors import CommunicatorError, VmforgeError
from vmforge.sdk.artifact import Artifact
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.cloud.builder import Cloud
from vmforge.sdk.cloud.records import Record, dead_builds, is_alive
from vmforge.sdk.cloud.resource import make
from vmforge.sdk.communicator import Communicator
from vmforge.sdk.connection import Connection
from vmforge.sdk.context import BuildContext
from vmforge.sdk.leftovers import Leftover
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
        steps.enter("Noting the build", Record(self.context, cloud.mark, cloud.place), quiet=True)
        # first, for an unfinished image may have the name that is examined
        delete_what_dead_builds_left(self.context, cloud.place, cloud.leftovers)
        steps.run(f"Examining {cloud.place}", cloud.examine)
        self.context.data.update(self.context.connector.prepare(self.context))
        steps.enter("Keeping an eye on what is made", _Sweep(cloud, self.context), quiet=True)
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


def delete_what_dead_builds_left(
    context: BuildContext, place: str, leftovers: Callable[[], Iterable[Leftover]]
) -> None:
    """Delete what killed builds of this machine left at a place. What the user kept stays theirs (`vmforge
    cleanup --cloud` deletes it)."""
    recorded = dead_builds(context.state_dir)
    dead = [build for build in recorded if build.place == place and not build.kept]
    runs = {build.run for build in dead}
    for leftover in leftovers() if dead else ():
        if leftover.mark.run in runs and not is_alive(context.state_dir, leftover.mark.run):
            context.ui.message(f"deleting what a killed build left: {leftover}")
            leftover.delete()
    for build in dead:
        build.forget()


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


@dataclass(frozen=True)
class _Sweep:
    """Looks, when a build has failed, for what it made without ever being told so: the answer to a request
    was lost, say. Released after everything that was made is deleted."""

    cloud: Cloud
    context: BuildContext

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for leftover in self._of_this_build():
                self.context.ui.message(f"deleting {leftover}")
                leftover.delete()

    def _of_this_build(self) -> list[Leftover]:
        return [leftover for leftover in self.cloud.leftovers() if leftover.mark.is_same(self.cloud.mark)]
