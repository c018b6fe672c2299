"""The state of a machine: who waits for it, who is told when it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum, auto

from vmforge.errors import MachineError
from vmforge.sdk.cancellation import Cancellation

# How long a start may take before those who wait for it give up, in seconds.
_START_LIMIT = 60.0

Callback = Callable[[], None]


class State(Enum):
    """STARTING also while a machine is started again after its guest's reboot; OFF is the guest's doing."""

    STARTING = auto()
    RUNNING = auto()
    OFF = auto()
    FAILED = auto()
    DESTROYED = auto()

    @property
    def ended(self) -> bool:
        return self in (State.OFF, State.FAILED, State.DESTROYED)


class Lifecycle:
    """Guards a machine's state. `changed` is its lock, and is notified of every change."""

    def __init__(self, name: str, cancellation: Cancellation) -> None:
        self.name = name
        self.changed = threading.Condition(threading.RLock())
        self.state = State.STARTING
        self.failure: MachineError | None = None
        self.restarts = 0
        self.destroying = False
        self._cancellation = cancellation
        self._restart_callbacks: list[Callback] = []
        self._end_callbacks: list[Callback] = []

    def check(self) -> None:
        """Raise `MachineError` if the machine does not run any more, saying why."""
        if self.failure is not None:
            raise self.failure
        if self.state is State.OFF:
            raise MachineError(
                f"the machine `{self.name}` turned itself off",
                hint="look at its screen and its serial log; an installer must reboot, not power off",
            )
        if self.state is State.DESTROYED:
            raise MachineError(f"the machine `{self.name}` has been destroyed")

    def wait_ended(self, timeout: float, cancellation: Cancellation) -> bool:
        """Wait until the machine is off; False when that takes longer. Raises its failure."""
        with cancellation.on_cancel(self.wake), self.changed:
            self.changed.wait_for(lambda: self.state.ended or cancellation.cancelled, timeout)
            cancellation.check()
            if self.failure is not None:
                raise self.failure
            return self.state.ended

    def wait_started(self) -> None:
        """Wait while the machine is being started. Raises `Interrupted`, or why it does not run."""
        with self._cancellation.on_cancel(self.wake), self.changed:
            self.changed.wait_for(
                lambda: self.state is not State.STARTING or self._cancellation.cancelled, _START_LIMIT
            )
        self._cancellation.check()
        self.check()

    def wait_news(self, is_news: Callable[[], bool], timeout: float) -> None:
        """Wait until something is true that changes of the state, or `wake`, bring about."""
        with self.changed:
            self.changed.wait_for(is_news, timeout)

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def become(self, state: State) -> None:
        with self.changed:
            self.state = state
            self.changed.notify_all()
        if state.ended:
            for callback in tuple(self._end_callbacks):
                callback()

    def fail(self, failure: MachineError) -> None:
        """The machine has failed; the first reason counts, and none once it is meant to end."""
        with self.changed:
            if self.destroying or self.state.ended:
                return
            self.failure = failure
        self.become(State.FAILED)

    def on_restart(self, callback: Callback) -> Callback:
        return _register(self._restart_callbacks, callback)

    def on_end(self, callback: Callback) -> Callback:
        remove = _register(self._end_callbacks, callback)
        if self.state.ended:
            callback()
        return remove

    def tell_restarted(self) -> None:
        for callback in tuple(self._restart_callbacks):
            callback()


def _register(callbacks: list[Callback], callback: Callback) -> Callback:
    callbacks.append(callback)
    return lambda: callbacks.remove(callback) if callback in callbacks else None
