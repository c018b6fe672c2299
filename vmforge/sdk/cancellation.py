"""How a running build is told to stop: one flag that every wait looks at."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from vmforge.errors import Interrupted

_log = logging.getLogger(__name__)


class Cancellation:
    """Set from any thread; every blocking wait of a build waits on it or is woken by it.

    Code that waits uses `wait` in place of `time.sleep`; code that blocks in a system call registers
    a callback (closing the socket, killing the child) with `on_cancel`.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Ask everything that holds this flag to stop. Later calls change nothing."""
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # the others must be told all the same
                _log.exception("telling a waiter that the build is to stop failed")

    def withdraw(self) -> None:
        """Take it back. For a flag that ends waits for a reason that the user may have dealt with before the
        step is tried again; whoever was told already is not told again."""
        self._event.clear()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Interrupted` if the build was told to stop."""
        if self._event.is_set():
            raise Interrupted()

    def wait(self, seconds: float) -> None:
        """Wait up to `seconds`; raise `Interrupted` as soon as the build is told to stop."""
        if self._event.wait(max(0.0, seconds)):
            raise Interrupted()

    def on_cancel(self, callback: Callable[[], None]) -> _Registration:
        """Call `callback` when the build is told to stop, for as long as the `with` block runs.

        It runs at once if that has happened already. It must be quick, safe from another thread and
        harmless when called while the block is being left.
        """
        return _Registration(self, callback)

    def _add(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def _remove(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


class _Registration:
    def __init__(self, cancellation: Cancellation, callback: Callable[[], None]) -> None:
        self._cancellation = cancellation
        self._callback = callback

    def __enter__(self) -> None:
        self._cancellation._add(self._callback)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancellation._remove(self._callback)
