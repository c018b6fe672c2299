"""Sees what code does to the world outside: files, connections, processes, threads, output."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from types import TracebackType
from typing import Any, Final

_NETWORK: Final = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")
_PROCESS: Final = ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork")
_CHANGE: Final = (
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "tempfile.mkdtemp",
    "tempfile.mkstemp",
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# importing a module, which any code may do, reads these and writes those
_OF_IMPORTS: Final = (".py", ".pyc", ".so", ".pth")

_active = threading.local()
_installing = threading.Lock()
_installed = False


class Watch:
    """Notes what this thread does while the `with` block runs, by Python's audit events
    (https://docs.python.org/3/library/audit_events.html). What it prints is kept from the terminal.

    `touched` are sentences about what only a running build may do; `read` the files that were opened.
    """

    def __init__(self) -> None:
        self.touched: list[str] = []
        self.read: list[str] = []
        self._outer: Watch | None = None
        self._printed = io.StringIO()
        self._redirects = contextlib.ExitStack()
        self._threads: set[threading.Thread] = set()

    def __enter__(self) -> Watch:
        _install()
        self._threads = set(threading.enumerate())
        self._outer, _active.watch = getattr(_active, "watch", None), self
        self._redirects.enter_context(contextlib.redirect_stdout(self._printed))
        self._redirects.enter_context(contextlib.redirect_stderr(self._printed))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redirects.close()
        if set(threading.enumerate()) - self._threads:
            self.touched.append("starts a thread")
        _active.watch = self._outer
        if printed := self._printed.getvalue().strip():
            self.touched.append(f"prints `{printed.splitlines()[0][:60]}`")

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _NETWORK:
            self.touched.append("uses the network")
        elif event in _PROCESS:
            self.touched.append("starts a process")
        elif event in _CHANGE and not _of_imports(arguments[0]):
            self.touched.append(f"changes `{_text(arguments[0])}`")
        elif event == "open" and not _of_imports(arguments[0]):
            self._note_open(*arguments)

    def _note_open(self, path: object, mode: str | None, flags: int) -> None:
        if flags & _WRITING:
            self.touched.append(f"writes `{_text(path)}`")
        else:
            self.read.append(_text(path))


def _install() -> None:
    """An audit hook stays as long as the process: one, which does nothing for threads that nobody watches."""
    global _installed
    with _installing:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    watch: Watch | None = getattr(_active, "watch", None)
    if watch is not None:
        watch.note(event, arguments)


def _of_imports(path: object) -> bool:
    text = _text(path)
    return text.endswith(_OF_IMPORTS) or "__pycache__" in text


def _text(path: object) -> str:
    return os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
