"""Commands in the guest's shell, run by its agent: output as it comes, where the guest lets us read along."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from contextlib import ExitStack

from vmforge.communicators.agent.guest import Guest, Progress
from vmforge.communicators.readiness import Deadline
from vmforge.errors import CommunicatorError
from vmforge.sdk import Cancellation, Output
from vmforge.sdk.lines import LineSplitter
from vmforge.sdk.values import format_seconds

# The agent keeps a program's output to itself until the end, and no more than 16 MiB. So on Unix it goes to
# two files, which are read meanwhile. They are appended to: they exist already, and stay the same ones. The
# command comes on standard input, as everybody in the guest may read a command line.
_UNIX = 'exec >>"$0.out" 2>>"$0.err"; c=$(cat) && exec </dev/null && eval "$c"'
_UNIX_BASE, _WINDOWS_BASE = "/tmp/.vmforge-agent-", "C:\\Windows\\Temp\\vmforge-agent-"

_PAUSE_FIRST, _PAUSE_MOST, _GROWTH = 0.02, 0.5, 1.4


class Execution:
    """One command."""

    def __init__(
        self, guest: Guest, cancellation: Cancellation, output: Output, timeout: float | None
    ) -> None:
        self._guest, self._cancellation = guest, cancellation
        self._timeout, self._deadline = timeout, Deadline(timeout)
        self._streams = (
            LineSplitter(lambda line: output(line, False)),
            LineSplitter(lambda line: output(line, True)),
        )

    def run(self, command: str) -> int:
        """Its exit status. Raises `CommunicatorError` when the agent goes away, or time is up."""
        status = self._run_on_windows(command) if self._guest.windows else self._run_on_unix(command)
        for stream in self._streams:
            stream.finish()
        return status

    def _run_on_unix(self, command: str) -> int:
        base = f"{_UNIX_BASE}{secrets.token_hex(8)}"
        with ExitStack() as stack:
            # registered first, done last: not before the files are closed
            stack.callback(self._remove, "/bin/rm", ["-f", f"{base}.out", f"{base}.err"])
            handles = [stack.enter_context(self._guest.opened(f"{base}.{x}", "w+")) for x in ("out", "err")]

            def read_along() -> bool:
                read = [self._read(handle, i) for i, handle in enumerate(handles)]
                return any(read)

            process = self._guest.start("/bin/sh", ["-c", _UNIX, base], capture=False, said=command.encode())
            progress = self._follow(process, read_along)
            while read_along():
                pass
        return progress.status or 0

    def _read(self, handle: int, stream: int) -> bool:
        data, _ = self._guest.read(handle)
        self._streams[stream].feed(data)
        return bool(data)

    def _run_on_windows(self, command: str) -> int:
        """Through a batch file: the agent's own quoting is not that of `cmd`."""
        path = f"{_WINDOWS_BASE}{secrets.token_hex(8)}.cmd"
        with ExitStack() as stack:
            stack.callback(self._remove, "cmd.exe", ["/c", "del", path])
            self._guest.send(io.BytesIO(f"@echo off\r\n{command}\r\n".encode()), path, lambda amount: None)
            process = self._guest.start("cmd.exe", ["/c", path], capture=True)
            progress = self._follow(process, lambda: False)
        for stream, data in zip(self._streams, (progress.stdout, progress.stderr), strict=True):
            stream.feed(data)
        if progress.truncated:
            self._streams[1].feed(b"\n(the agent kept 16 MiB of the output)\n")
        return progress.status or 0

    def _follow(self, process: int, read_along: Callable[[], bool]) -> Progress:
        """Wait until it has ended."""
        pause = _PAUSE_FIRST
        while (progress := self._guest.look(process)).status is None:
            pause = _PAUSE_FIRST if read_along() else min(_PAUSE_MOST, pause * _GROWTH)
            if self._deadline.passed:
                self._kill(process)
                limit = format_seconds(self._timeout or 0)
                raise CommunicatorError(f"the command did not end within {limit}")
            self._cancellation.wait(self._deadline.cap(pause))
        return progress

    def _kill(self, process: int) -> None:
        if self._guest.windows:
            self._remove("taskkill.exe", ["/f", "/t", "/pid", str(process)])
        else:
            self._remove("/bin/kill", ["-KILL", str(process)])

    def _remove(self, program: str, arguments: list[str]) -> None:
        """Tidy up, if the guest is still there."""
        if self._cancellation.cancelled:
            return
        try:
            process = self._guest.start(program, arguments, capture=False)
            pause = _PAUSE_FIRST
            while self._guest.look(process).status is None:
                self._cancellation.wait(pause)
        except CommunicatorError:
            return
