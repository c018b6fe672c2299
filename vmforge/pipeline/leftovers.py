"""What builds have left in clouds, and whose it is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from vmforge.pipeline.build import find_leftovers
from vmforge.pipeline.plan import PlannedBuild, PlannedPostProcessor
from vmforge.pipeline.run import Run
from vmforge.sdk.cloud.records import dead_builds, is_alive
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.mark import host_id


class Owner(StrEnum):
    """What is known of the build that made something; the values are what users read."""

    RUNNING = "is running"
    KILLED = "was killed"
    KEPT = "was kept by -on-error=abort"
    ELSEWHERE = "is another machine's"


@dataclass(frozen=True, slots=True)
class OwnedLeftover:
    """A leftover, with what is known of its build."""

    leftover: Leftover
    owner: Owner

    def is_abandoned(self, oldest_elsewhere: float | None) -> bool:
        """Whether it may be deleted. Nobody here can tell whether another machine's build is at work: those
        that began more than `oldest_elsewhere` seconds ago count as dead, none without it."""
        if self.owner is not Owner.ELSEWHERE:
            return self.owner is not Owner.RUNNING
        return oldest_elsewhere is not None and time.time() - self.leftover.mark.started > oldest_elsewhere


def gather(builds: Iterable[PlannedBuild], run: Run) -> list[OwnedLeftover]:
    """Everything that is left at the places of these builds, each thing once, in the order in which it can be
    deleted. Raises `VmforgeError`."""
    found: dict[tuple[str, str, str], Leftover] = {}
    asked: list[PlannedPostProcessor] = []
    for build in builds:
        # the sources of one `build` block often have the same ones
        others = tuple(planned for chain in build.chains for planned in chain if planned not in asked)
        asked += others
        for left in find_leftovers(replace(build, chains=(others,)), run):
            found[left.kind, left.id, left.place] = left
    return [OwnedLeftover(leftover, _owner(leftover, run.state_dir)) for leftover in found.values()]


def _owner(leftover: Leftover, state_dir: Path) -> Owner:
    mark = leftover.mark
    if mark.host != host_id(state_dir):
        return Owner.ELSEWHERE
    if is_alive(state_dir, mark.run):
        return Owner.RUNNING
    kept = any(build.run == mark.run and build.kept for build in dead_builds(state_dir))
    return Owner.KEPT if kept else Owner.KILLED
