"""Commands in a container: output as it comes, and the exit status."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from vmforge.builders.docker.container import Container
from vmforge.builders.docker.errors import EngineError
from vmforge.errors import CommunicatorError
from vmforge.sdk import Cancellation, Output
from vmforge.sdk.lines import LineSplitter
from vmforge.sdk.values import format_seconds

# The API starts processes and does not end them: one that takes too long is found again by this variable,
# which its children have too.
_MARK = "VMFORGE_COMMAND"
_KILL = """for p in /proc/[0-9]*; do
  grep -q "$0" "$p/environ" 2>/dev/null && kill -9 "${p#/proc/}"
done"""
_PAUSE, _PATIENCE = 0.05, 10.0


@dataclass(frozen=True)
class Execution:
    """How to run commands in one container: by which shell, as whom, with a terminal or without."""

    container: Container
    cancellation: Cancellation
    shell: Sequence[str] = ("/bin/sh", "-c")
    user: str = ""
    terminal: bool = False

    def run(self, command: str, output: Output, timeout: float | None) -> int:
        """The exit status. Raises `EngineError`, `CommunicatorError` when time is up, and `Interrupted`."""
        engine, mark = self.container.engine, token_hex(8)
        made = self._make([*self.shell, command], mark)
        streams = (
            LineSplitter(lambda line: output(line, False)),
            LineSplitter(lambda line: output(line, True)),
        )
        pieces = engine.stream(
            "run a command",
            lambda api: api.exec_start(made, tty=self.terminal, stream=True, demux=True),
            timeout=timeout,
        )
        try:
            for piece in pieces:
                for stream, data in zip(streams, piece, strict=True):
                    stream.feed(data or b"")
        except TimeoutError:
            self._kill(mark)
            limit = format_seconds(timeout or 0)
            raise CommunicatorError(f"the command did not end within {limit}") from None
        for stream in streams:
            stream.finish()
        return self._status(made)

    def _make(self, arguments: list[str], mark: str, user: str | None = None) -> str:
        made = self.container.engine.call(
            "run a command",
            lambda api: api.exec_create(
                self.container.id,
                arguments,
                user=self.user if user is None else user,
                tty=self.terminal,
                environment=[f"{_MARK}={mark}"] if mark else None,
            ),
        )
        return str(made["Id"])

    def _status(self, execution: str) -> int:
        deadline = time.monotonic() + _PATIENCE
        while True:
            found: Any = self.container.engine.call(
                "ask for the exit status", lambda api: api.exec_inspect(execution)
            )
            status = found.get("ExitCode")
            if status is not None and not found.get("Running"):
                return int(status)
            if time.monotonic() > deadline:
                raise EngineError("the engine does not tell how the command ended")
            self.cancellation.wait(_PAUSE)  # its output ends a little before it does

    def ask(self, arguments: list[str], user: str) -> tuple[int, str]:
        """Run a program as somebody, and return its exit status and what it printed."""
        engine = self.container.engine
        made = self._make(arguments, "", user)
        printed = engine.call("run a command", lambda api: api.exec_start(made))
        return self._status(made), bytes(printed or b"").decode("utf-8", "replace").strip()

    def _kill(self, mark: str) -> None:
        """End what was started under a mark, as far as the container has the programs for it."""
        try:
            self.ask(["/bin/sh", "-c", _KILL, mark], "0")
        except EngineError:
            return
