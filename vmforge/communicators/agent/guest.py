"""What QEMU's guest agent can do, in our terms: processes and files
(https://qemu.readthedocs.io/en/latest/interop/qemu-ga-ref.html)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from vmforge.sdk import Cancellation, GuestAgent, patience

Advance = Callable[[int], None]

# As Base64, 64 KiB. The agent reads its port in pieces and has lost some of a longer message: with 192 KiB of
# a file in it, QEMU 7.2's answered that this was no JSON, and with 1 MiB nothing at all.
_WRITTEN = 48 * 1024
# Its answers arrive whole; larger ones were no faster.
_READ = 256 * 1024
# A guest under emulation, its disk busy, may take long to write a chunk.
_PATIENCE = 60.0


@dataclass(frozen=True)
class Progress:
    """How a process is doing: its status once it has ended (None before), and its captured output then."""

    status: int | None
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False


class Guest:
    """A guest whose agent answers. Every method raises `CommunicatorError` when it does not any more or
    refuses, and `Interrupted`."""

    def __init__(self, agent: GuestAgent, cancellation: Cancellation, *, windows: bool) -> None:
        self._agent, self._cancellation, self.windows = agent, cancellation, windows

    def start(self, path: str, arguments: Sequence[str], *, capture: bool, said: bytes = b"") -> int:
        """Start a program, with `said` on its standard input; returns the number to ask for it by."""
        options: dict[str, object] = {"path": path, "arg": list(arguments), "capture-output": capture}
        if said:
            options["input-data"] = base64.b64encode(said).decode("ascii")
        return int(self._ask("guest-exec", options)["pid"])

    def look(self, process: int) -> Progress:
        """How it is doing. Once it has ended, the agent forgets it."""
        answer = self._ask("guest-exec-status", {"pid": process})
        if not answer["exited"]:
            return Progress(None)
        signal = answer.get("signal")
        return Progress(
            status=128 + int(signal) if signal is not None else int(answer.get("exitcode", 0)),
            stdout=base64.b64decode(answer.get("out-data", "")),
            stderr=base64.b64decode(answer.get("err-data", "")),
            truncated=bool(answer.get("out-truncated") or answer.get("err-truncated")),
        )

    @contextmanager
    def opened(self, path: str, mode: str) -> Iterator[int]:
        """A file of the guest, by the number that `read` and `write` take; `mode` is C's."""
        handle = int(self._ask("guest-file-open", {"path": path, "mode": mode}))
        try:
            yield handle
        except BaseException:
            # the first failure is the one to tell; a guest that is gone has no open files
            self._close_quietly(handle)
            raise
        self._ask("guest-file-close", {"handle": handle})

    def _close_quietly(self, handle: int) -> None:
        try:
            self._ask("guest-file-close", {"handle": handle})
        except Exception:
            return

    def read(self, handle: int) -> tuple[bytes, bool]:
        """What comes next, and whether the file ends there now."""
        answer = self._ask("guest-file-read", {"handle": handle, "count": _READ})
        return base64.b64decode(answer["buf-b64"]), bool(answer["eof"])

    def write(self, handle: int, data: bytes) -> None:
        """Write all of `data`."""
        view = memoryview(data)
        while view:
            text = base64.b64encode(view).decode("ascii")
            written = int(self._ask("guest-file-write", {"handle": handle, "buf-b64": text})["count"])
            view = view[written:]

    def send(self, source: BinaryIO, path: str, advance: Advance) -> None:
        """Write everything that `source` gives into a file."""
        with self.opened(path, "wb") as handle:
            while data := source.read(_WRITTEN):
                self.write(handle, data)
                advance(len(data))

    def fetch(self, path: str, target: BinaryIO, advance: Advance) -> None:
        """Write a file's contents into `target`."""
        with self.opened(path, "rb") as handle:
            ended = False
            while not ended:
                data, ended = self.read(handle)
                target.write(data)
                advance(len(data))

    def _ask(self, command: str, arguments: dict[str, object]) -> Any:
        return patience.call(
            lambda: self._agent.ask(command, arguments, timeout=_PATIENCE),
            self._cancellation,
            "vmforge-agent",
        )
