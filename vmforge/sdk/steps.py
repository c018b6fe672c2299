"""The steps of a build: named, timed, and undone in reverse order however the build ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from vmforge.errors import VmforgeError
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.live import LiveStatus
from vmforge.sdk.ui import Ui

T = TypeVar("T")

_log = logging.getLogger(__name__)

# Wraps the work of one step: gets its title and the work, and decides whether it runs, runs again,
# or is followed by a pause (`-on-error=ask`, `-debug`).
Around = Callable[[str, Callable[[], object]], object]


@dataclass(frozen=True, slots=True)
class StepTime:
    """How long a step took, in seconds."""

    title: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be done about a failed step before it is decided upon (`-on-error=ask`).

    `key` is the letter that asks for it, `label` what it does ("take a screenshot"). `act` does it and
    returns what to tell; it raises `VmforgeError` when that fails.
    """

    key: str
    label: str
    act: Callable[[], str]


class Steps:
    """Runs a build's steps and holds what they acquired.

    A title is a gerund phrase ("Waiting for SSH"); it is shown, logged, timed, asked about and named
    in the failure. Resources are objects with `__enter__` and `__exit__` (classes, not generators: a
    generator is finished when it is collected, which would release what `-on-error=abort` keeps).

    A builder may add to `offers` and set `explain`, which says more about the failure of a step while what
    it is about still exists; both are called wherever a step runs. `live` knows the step that runs.
    """

    def __init__(
        self,
        ui: Ui,
        cancellation: Cancellation,
        around: Around | None = None,
        live: LiveStatus | None = None,
    ) -> None:
        self._ui = ui
        self._cancellation = cancellation
        self._around = around or (lambda title, work: work())
        self._held: list[tuple[str, AbstractContextManager[object]]] = []
        self.times: list[StepTime] = []
        self.failed: str = ""
        self.live = live or LiveStatus()
        self.offers: list[Offer] = []
        self.explain: Callable[[VmforgeError], VmforgeError] | None = None

    def run(self, title: str, work: Callable[[], T], *, quiet: bool = False) -> T:
        """Do one piece of work as a step; `quiet` leaves out the line that announces it."""
        self._cancellation.check()
        if not quiet:
            self._ui.say(title)
        _log.debug("%s", title)
        started = time.monotonic()
        outcome: list[T] = []

        def attempt() -> object:
            outcome[:] = [self._explaining(work)]
            return None

        try:
            with self.live.during(title):
                self._around(title, attempt)
        except BaseException:
            self.failed = self.failed or title
            raise
        finally:
            seconds = time.monotonic() - started
            self.times.append(StepTime(title, seconds))
            _log.debug("%s: %.2f s", title, seconds)
        return outcome[0]

    def _explaining(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except VmforgeError as error:
            explained = self.explain(error) if self.explain is not None else error
            if explained is error:
                raise
            raise explained from error

    def enter(self, title: str, resource: AbstractContextManager[T], *, quiet: bool = False) -> T:
        """Acquire a resource as a step; it is released when the build ends."""

        def acquire() -> T:
            value = resource.__enter__()
            self._held.append((title, resource))
            return value

        return self.run(title, acquire, quiet=quiet)

    def release(self, error: BaseException | None = None) -> None:
        """Release everything, last acquired first. `error` is what ended the build, if anything did.

        A release that fails becomes a warning: it never hides the build's own error, and never keeps
        the others from being released.
        """
        while self._held:
            title, resource = self._held.pop()
            try:
                resource.__exit__(
                    type(error) if error else None, error, error.__traceback__ if error else None
                )
            except Exception as failure:
                self._ui.warn(f"could not undo `{title}`: {failure}")

    def abandon(self) -> list[str]:
        """Keep everything as it is (`-on-error=abort`); returns a line for each thing left behind.

        A resource that has a method `keep() -> str` is told, and says what it leaves and how to end
        it; one that answers `""`, or has no such method, leaves nothing worth a line.
        """
        lines = []
        for _, resource in self._held:
            keep = getattr(resource, "keep", None)
            if keep is not None and (line := keep()):
                lines.append(str(line))
        self._held.clear()
        return lines
