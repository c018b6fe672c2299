"""What developers are told (logging) and what nobody foresaw in a thread, on their way past the redactor.

The whole log is written where `VMFORGE_LOG`, else `PACKER_LOG`, is set to anything but 0: to standard error,
or to the file that `VMFORGE_LOG_PATH`, else `PACKER_LOG_PATH`, names, which turns it on by itself.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)s [%(threadName)s] %(name)s: %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S"


@contextmanager
def developer_log(shown: Terminal, environment: Mapping[str, str]) -> Iterator[None]:
    """Within it, the log goes where the environment asks, and warnings of this program and its libraries, and
    exceptions that end a thread, go to standard error by way of `shown`: Python would write them there as
    they are. Raises `UsageError` when the log's file cannot be written."""
    before = logging.lastResort, threading.excepthook
    logging.lastResort = _ToTerminal(shown)
    threading.excepthook = lambda event: _show(shown, event.exc_value)
    stream = _stream(environment)
    handler = _ToStream(shown, stream) if stream is not None else None
    root, level = logging.getLogger(), logging.getLogger().level
    if handler is not None:
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logging.lastResort, threading.excepthook = before
        if handler is not None:
            root.removeHandler(handler)
            root.setLevel(level)
            handler.close()


def _stream(environment: Mapping[str, str]) -> TextIO | None:
    """Where the log is to be written; None if nobody asks for it."""
    path = environment.get("VMFORGE_LOG_PATH") or environment.get("PACKER_LOG_PATH")
    if path:
        try:
            # for its owner alone: what a log holds is not foreseen
            return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w")
        except OSError as error:
            hint = "name a file that can be written in `VMFORGE_LOG_PATH` or `PACKER_LOG_PATH`"
            raise UsageError(f"the log `{path}` cannot be written: {error.strerror}", hint=hint) from error
    wanted = environment.get("VMFORGE_LOG") or environment.get("PACKER_LOG") or "0"
    return sys.stderr if wanted != "0" else None


def _show(shown: Terminal, error: BaseException | None) -> None:
    if error is not None and not isinstance(error, SystemExit):
        shown.bug(error)


class _ToTerminal(logging.Handler):
    """Shows a record, with its traceback if it has one."""

    def __init__(self, shown: Terminal) -> None:
        super().__init__(logging.WARNING)
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        self._shown.note(self.format(record))


class _ToStream(logging.StreamHandler[TextIO]):
    """Writes each record to a stream, redacted; closes it unless it is standard error."""

    def __init__(self, shown: Terminal, stream: TextIO) -> None:
        super().__init__(stream)
        self._shown = shown
        self.setFormatter(logging.Formatter(_FORMAT, _TIME))

    def format(self, record: logging.LogRecord) -> str:
        return self._shown.redactor(super().format(record))

    def close(self) -> None:
        super().close()
        if self.stream is not sys.stderr:
            self.stream.close()
