"""Restarts a Windows guest and knows when it is up again: its clock of ticks began anew.

A guest that is about to restart answers for a while longer, and may do so over WinRM until the very end; and
a guest that installs updates shuts down for half an hour. So neither an answer nor a broken
connection says that it has restarted. The ticks count from the start, whatever happens to the date.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from vmforge.errors import CommunicatorError
from vmforge.provisioners.windows.statuses import check_status
from vmforge.sdk import BuildContext, Communicator, Duration
from vmforge.sdk.values import format_seconds

# Prints how many seconds Windows has been up. It has no `$` and no inner quotes: `cmd` and PowerShell pass it
# alike.
UPTIME_COMMAND = (
    "powershell -NoProfile -NonInteractive -Command "
    '"[int]([Diagnostics.Stopwatch]::GetTimestamp()/[Diagnostics.Stopwatch]::Frequency)"'
)

# What `shutdown` answers when a restart has begun already, or is planned.
_UNDER_WAY = (1115, 1190)
_SLACK = 3.0
_PAUSE_FIRST, _PAUSE_MOST, _GROWTH = 1.0, 5.0, 1.3
_LONGEST_ANSWER = 120.0


@dataclass
class Rebooting:
    """One restart of a guest, to be done within `limit`."""

    context: BuildContext
    communicator: Communicator
    limit: Duration
    _began: float = field(default_factory=time.monotonic, init=False)

    def restart(self, command: str) -> None:
        """Run the command that restarts the guest, and wait until it is up again. Raises `CommandFailed` when
        the command refuses, `CommunicatorError` when the guest stays away or does not restart."""
        before, asked = self._uptime(), time.monotonic()
        try:
            status = self.communicator.run(command, self._show, timeout=self._left)
        except CommunicatorError:
            status = 0  # the restart was quicker than its command's end
        check_status(f"the restart command `{command}`", status, (0, *_UNDER_WAY))
        self.context.ui.message("waiting for the guest to restart")
        pause = _PAUSE_FIRST
        while True:
            self._wait(pause)
            pause = min(_PAUSE_MOST, pause * _GROWTH)
            now = self._uptime_or_none()
            # the guest's time may lag behind ours (emulation), but it does not run backwards
            if now is not None and now < max(1, before + (time.monotonic() - asked) * 0.5 - _SLACK):
                return

    def until_passes(self, what: str, command: str) -> None:
        """Run a command until it ends with 0. Raises `CommunicatorError` when it never does."""
        pause = _PAUSE_FIRST
        while True:
            try:
                if self.communicator.run(command, self._show, timeout=self._left) == 0:
                    return
            except CommunicatorError:
                self.communicator.reconnect(self._left)
            self.context.ui.message(f"waiting until {what}")
            self._wait(pause)
            pause = min(_PAUSE_MOST, pause * _GROWTH)

    def _uptime(self) -> float:
        seconds = self._uptime_or_none()
        if seconds is None:
            raise CommunicatorError(
                "the guest does not say how long it has been up",
                hint=f"see what it answers to `{UPTIME_COMMAND}`: is it Windows, with PowerShell?",
            )
        return seconds

    def _uptime_or_none(self) -> float | None:
        """None while the guest shuts down or starts up."""
        lines: list[str] = []
        timeout = min(_LONGEST_ANSWER, self._left)
        try:
            status = self.communicator.run(
                UPTIME_COMMAND, lambda line, error: lines.append(line) if not error else None, timeout=timeout
            )
        except CommunicatorError:
            self.communicator.reconnect(self._left)
            return None
        numbers = [line.strip() for line in lines if line.strip().isdigit()]
        return float(numbers[-1]) if status == 0 and numbers else None

    @property
    def _left(self) -> float:
        """Seconds until the limit; 1 at least, for it is checked between tries."""
        return max(1.0, self._began + self.limit.seconds - time.monotonic())

    def _wait(self, pause: float) -> None:
        waited = time.monotonic() - self._began
        if waited >= self.limit.seconds:
            raise CommunicatorError(
                f"the guest has not restarted within {format_seconds(round(waited))}",
                hint="look at its console; if it only needs longer, raise `restart_timeout`",
            )
        self.context.cancellation.wait(min(pause, self.limit.seconds - waited))

    def _show(self, line: str, error: bool) -> None:
        self.context.ui.output(line, error=error)
