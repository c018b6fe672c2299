"""A lock beside a file that several processes change."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from vmforge.images.staging import write_failed
from vmforge.sdk import Cancellation

_RETRY_SECONDS = 0.05


class FileLock:
    """Holds `PATH.lock` while the `with` block runs, and removes it in the end.

    `writer` is the post-processor that a full disk's error names. Entering waits, and raises
    `Interrupted` when the build is cancelled.
    """

    def __init__(self, path: Path, writer: str, cancellation: Cancellation) -> None:
        self._file = path
        self._path = path.with_name(f"{path.name}.lock")
        self._writer = writer
        self._cancellation = cancellation
        self._descriptor = -1

    def __enter__(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            while not self._try_once():
                self._cancellation.wait(_RETRY_SECONDS)
        except OSError as error:
            raise write_failed(self._file, self._writer, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _try_once(self) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # whoever held it before may have removed the file that was opened here
            if os.path.samestat(os.fstat(descriptor), self._path.stat()):
                self._descriptor = descriptor
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return False
