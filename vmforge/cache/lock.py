"""A lock per key between processes, and between the threads of one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

from vmforge.cache.durable import space_checked

# flock tells nobody that it became free, and a blocked flock could not be cancelled.
_RETRY_SECONDS = 0.1


class Cancellable(Protocol):
    """Something that waits, and raises out of the wait when the build is told to stop."""

    def wait(self, seconds: float) -> None: ...


class KeyLock:
    """Holds the lock file `path` for as long as the `with` block runs.

    The kernel releases it when the process ends, however it ends. `on_wait` is called once, with the
    process id of the holder ("" if it cannot be told), when the lock is not free at once.
    """

    def __init__(
        self, path: Path, cancellation: Cancellable, on_wait: Callable[[str], None] = lambda holder: None
    ) -> None:
        self._path = path
        self._cancellation = cancellation
        self._on_wait = on_wait
        self._descriptor = -1

    def acquire_now(self) -> bool:
        """Take the lock if it is free; it is then released as after `with`, or by `release`."""
        return self._try_once()

    def release(self) -> None:
        """Let go of the lock; harmless when it is not held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def delete(self) -> None:
        """Let go of a lock that is held, and of its file too: it is not expected to be needed again."""
        self._path.unlink(missing_ok=True)
        self.release()

    def __enter__(self) -> KeyLock:
        told = False
        while not self._try_once():
            if not told:
                self._on_wait(self._holder())
                told = True
            self._cancellation.wait(_RETRY_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _try_once(self) -> bool:
        with space_checked(self._path.parent):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not is_current(descriptor, self._path):
                raise BlockingIOError
            _sign(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def _holder(self) -> str:
        try:
            return self._path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return ""


def is_current(descriptor: int, path: Path) -> bool:
    """Whether the locked file is still the one at the path: its last holder, or somebody who cleaned up, may
    have deleted it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Write who holds the lock into its file, for those who wait."""
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError:
        pass  # on a full disk the lock holds all the same
