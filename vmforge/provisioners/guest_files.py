"""Temporary files in the guest: put there with patience, removed however their use ends."""

from __future__ import annotations

import io
import shlex
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from vmforge.errors import CommunicatorError
from vmforge.sdk import BuildContext, Communicator, Duration

_PAUSE_SECONDS = 0.5
# On a connection that works, the same refusal so many times in a row will not go away by itself.
_SAME_REFUSALS = 3


def _remove_on_unix(paths: Sequence[str]) -> str:
    return "rm -f " + " ".join(map(shlex.quote, paths))


class GuestFiles:
    """Holds temporary files for as long as the `with` block runs; `keep` leaves them there.

    `patience` is how long a guest that has gone away (it restarts, say) is waited for. `removal` makes the
    guest's command that removes files.
    """

    def __init__(
        self,
        communicator: Communicator,
        context: BuildContext,
        *,
        patience: Duration,
        keep: bool,
        removal: Callable[[Sequence[str]], str] = _remove_on_unix,
    ) -> None:
        self._communicator = communicator
        self._context = context
        self._patience = patience
        self._keep = keep
        self._removal = removal
        self._paths: list[str] = []

    def __enter__(self) -> GuestFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keep or not self._paths or isinstance(error, CommunicatorError):
            return
        try:
            self._remove(can_wait=error is None)
        except CommunicatorError as failure:
            if error is None:
                self._context.ui.warn(f"{self._named()} may remain in the guest: {failure.message}")

    def put(self, content: bytes, path: str, *, mode: int | None) -> None:
        """Write a file. A guest that does not answer is reconnected to; raises `CommunicatorError`
        when it stays away, or refuses the file."""
        self._paths.append(path)
        deadline = time.monotonic() + self._patience.seconds
        refusals: list[str] = []
        while True:
            try:
                self._communicator.upload(io.BytesIO(content), path, mode=mode)
                return
            except CommunicatorError as error:
                refusals.append(error.message)
                left = deadline - time.monotonic()
                if left <= 0 or refusals[-_SAME_REFUSALS:] == [error.message] * _SAME_REFUSALS:
                    raise
                self._context.cancellation.wait(min(_PAUSE_SECONDS, left))
                self._communicator.reconnect(left)

    def _remove(self, *, can_wait: bool) -> None:
        command = self._removal(self._paths)
        try:
            status = self._communicator.run(command)
        except CommunicatorError:
            if not can_wait:
                raise
            self._communicator.reconnect(self._patience.seconds)
            status = self._communicator.run(command)
        if status != 0 and can_wait:
            self._context.ui.warn(f"{self._named()} could not be removed and will be in the image")

    def _named(self) -> str:
        return "temporary file " + ", ".join(f"`{path}`" for path in self._paths)
