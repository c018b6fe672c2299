"""Files that appear under their name only when they are complete."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from vmforge.errors import HostError, VmforgeError

_FULL = (errno.ENOSPC, errno.EDQUOT)


class StagedFile:
    """Gives a file to write beside `path`, which takes its place when the `with` block ends well.

    Missing folders are made. A failure leaves the old file, or none. `writer` is the post-processor
    that a full disk's error names; empty outside of builds. An OSError inside the block is taken for one
    of writing.
    """

    def __init__(self, path: Path, writer: str) -> None:
        self._path = path
        self._writer = writer
        self._file: BinaryIO | None = None
        self._staged = Path()

    def __enter__(self) -> BinaryIO:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(
                prefix=f".{self._path.name[:100]}.", suffix=".partial", dir=self._path.parent
            )
        except OSError as error:
            raise write_failed(self._path, self._writer, error) from error
        self._staged = Path(name)
        os.fchmod(descriptor, 0o666 & ~_umask())
        self._file = os.fdopen(descriptor, "wb")
        return self._file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        try:
            if error is None:
                self._finish(self._file)
        except OSError as failure:
            error = failure
        finally:
            self._discard(self._file)
        if isinstance(error, OSError):
            raise write_failed(self._path, self._writer, error) from error

    def _finish(self, file: BinaryIO) -> None:
        file.flush()
        os.fsync(file.fileno())
        self._staged.replace(self._path)
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _discard(self, file: BinaryIO) -> None:
        self._staged.unlink(missing_ok=True)
        try:
            file.close()
        except OSError:
            pass  # what it could not write any more is not wanted


def write_failed(path: Path, writer: str, error: OSError) -> VmforgeError:
    """The error for a file that could not be written."""
    if error.errno in _FULL:
        folder = next(folder for folder in path.absolute().parents if folder.is_dir())
        message = f"no space left in `{folder}`: {shutil.disk_usage(folder).free:,} bytes are free"
        again = f"run the post-processor `{writer}` again" if writer else "try again"
        return HostError(message, hint=f"free some space there and {again}")
    return HostError(f"`{path}` cannot be written: {error.strerror}")


def _umask() -> int:
    """The process's mask, read where that changes nothing."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022
