"""Runs a program on this machine: output line by line, and its whole process group ended on cancellation."""

from __future__ import annotations

import codecs
import logging
import os
import selectors
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from vmforge.errors import HostError
from vmforge.sdk import Cancellation, Output

_log = logging.getLogger(__name__)

# How long a process group gets between the request to end and the order.
_GRACE_SECONDS = 2.0
_CHUNK = 65536
_FULLEST_PIPE = 1024 * 1024  # /proc/sys/fs/pipe-max-size, which a program may ask for


def run_process(
    arguments: Sequence[str], *, environment: Mapping[str, str], output: Output, cancellation: Cancellation
) -> int:
    """Run a program to its end and return its exit status, or minus the signal that killed it.

    It gets `environment` beside ours, nothing on standard input, and a session of its own. What it
    leaves running in the background may go on. Raises `HostError` when it cannot be started, and
    `Interrupted` on cancellation, once its process group is gone.
    """
    cancellation.check()
    _log.debug("running %s", shlex.join(arguments))
    try:
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise HostError(
            f"`{arguments[0]}` cannot be started: {reason}", hint=_start_hint(arguments[0])
        ) from error
    with process, _Watch(process, output) as watch:
        try:
            with cancellation.on_cancel(watch.wake):
                watch.until_exit(lambda: cancellation.cancelled)
            cancellation.check()
        except BaseException:
            watch.end_group()
            raise
    _log.debug("`%s` ended with status %d", arguments[0], process.returncode)
    return process.returncode


def _start_hint(program: str) -> str:
    if "/" in program and not Path(program).exists():
        return f"there is no file `{program}`"
    return "check that the program is installed, and that its file is executable"


class _Watch:
    """Waits at once for a process's output, its exit and a wake-up."""

    def __init__(self, process: subprocess.Popen[bytes], output: Output) -> None:
        self._process = process
        self._selector = selectors.DefaultSelector()
        self._exit = os.pidfd_open(process.pid)
        self._woken, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._lock = threading.Lock()
        self._closed = False
        assert process.stdout is not None and process.stderr is not None
        self._streams = [
            _Lines(process.stdout, lambda line: output(line, False)),
            _Lines(process.stderr, lambda line: output(line, True)),
        ]
        for lines in self._streams:
            self._selector.register(lines.descriptor, selectors.EVENT_READ, lines)
        self._selector.register(self._exit, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._closed = True
        self._selector.close()
        for descriptor in (self._exit, self._woken, self._waker):
            os.close(descriptor)

    def wake(self) -> None:
        """End `until_exit` from another thread."""
        with self._lock:
            if not self._closed:
                os.write(self._waker, b"x")

    def until_exit(self, stop: Callable[[], bool]) -> None:
        """Pass output on until the process has ended, or `stop` says so after a wake-up.

        Output that a background process still holds open is not waited for.
        """
        ended = False
        while not ended and not stop():
            for key, _ in self._selector.select():
                if isinstance(key.data, _Lines) and key.data.read() == 0:
                    self._selector.unregister(key.fileobj)
                ended |= key.fd == self._exit
        for lines in self._streams:
            lines.drain()

    def end_group(self) -> None:
        """End the process and all that it started: SIGTERM, and SIGKILL for what is left of the group."""
        # The process is not reaped before both are sent, so its number stays the group's.
        self._signal(signal.SIGTERM)
        with selectors.DefaultSelector() as selector:
            selector.register(self._exit, selectors.EVENT_READ)
            selector.select(_GRACE_SECONDS)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass  # nobody is left


class _Lines:
    """Splits what a pipe brings into lines."""

    def __init__(self, stream: IO[bytes], emit: Callable[[str], None]) -> None:
        self.descriptor = stream.fileno()
        os.set_blocking(self.descriptor, False)
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def read(self) -> int | None:
        """Take what is there and return its size: 0 at the end, None when there is nothing now."""
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return None
        *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
        for line in lines:
            self._emit(line.removesuffix("\r"))
        return len(chunk)

    def drain(self) -> None:
        """Take what the pipe still holds, and a last line without an end."""
        for _ in range(_FULLEST_PIPE // _CHUNK):
            if not self.read():
                break
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        if rest:
            self._emit(rest)
