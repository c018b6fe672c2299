"""What keeps things from being left in a cloud: a note of who is at work there, a look at what killed builds
left, and another when work has failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType

from vmforge.sdk.cloud.records import Record, dead_builds, is_alive
from vmforge.sdk.context import BuildContext
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.mark import RunMark

Leftovers = Callable[[], Iterable[Leftover]]


def note_build(context: BuildContext, mark: RunMark, place: str, leftovers: Leftovers) -> None:
    """Write down, as a step, that a build makes things at a place, and delete what killed builds of this
    machine left there. What the user kept stays theirs (`vmforge cleanup --cloud` deletes it)."""
    context.steps.enter("Noting the build", Record(context, mark, place), quiet=True)
    delete_what_dead_builds_left(context, place, leftovers)


def delete_what_dead_builds_left(context: BuildContext, place: str, leftovers: Leftovers) -> None:
    """The second half of `note_build`."""
    recorded = dead_builds(context.state_dir)
    dead = [build for build in recorded if build.place == place and not build.kept]
    runs = {build.run for build in dead}
    for leftover in leftovers() if dead else ():
        if leftover.mark.run in runs and not is_alive(context.state_dir, leftover.mark.run):
            context.ui.message(f"deleting what a killed build left: {leftover}")
            leftover.delete()
    for build in dead:
        build.forget()


def sweep_after(context: BuildContext, mark: RunMark, leftovers: Leftovers) -> None:
    """Have a build that fails look, once everything that it made is deleted, for what it made without ever
    being told so: the answer to a request was lost, say. To be called before anything is made."""
    sweep = _Sweep(context, mark, leftovers)
    context.steps.enter("Keeping an eye on what is made", sweep, quiet=True)


@dataclass(frozen=True)
class _Sweep:
    context: BuildContext
    mark: RunMark
    leftovers: Leftovers

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            return
        for leftover in [left for left in self.leftovers() if left.mark.is_same(self.mark)]:
            self.context.ui.message(f"deleting {leftover}")
            leftover.delete()
