"""Ctrl-C and `kill`: the first one unwinds the builds, later ones are ignored until that is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

from vmforge.sdk.cancellation import Cancellation

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """While the block runs, a signal that asks to end cancels the run in place of ending the process."""

    def __init__(self, cancellation: Cancellation, announce: Callable[[], None]) -> None:
        self._cancellation = cancellation
        self._announce = announce
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> None:
        for number in _ENDING:
            # a signal that was ignored from the start (nohup) stays ignored
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._received)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave us

    def _received(self, number: int, frame: FrameType | None) -> None:
        if not self._cancellation.cancelled:
            self._announce()
            # in a thread: the handler interrupts the main thread wherever it is, locks held
            threading.Thread(target=self._cancellation.cancel, name="cancel").start()
