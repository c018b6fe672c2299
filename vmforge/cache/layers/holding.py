"""Who makes a layer, and who uses it: locks that keep it from being deleted.

Makers and users hold a layer's lock shared, and only who gets it alone may delete. The kernel releases a
lock with its process, however that ends. Locks are never turned into others: flock gives the old one up
before it takes the new one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Final

from vmforge.cache.durable import read_record, write_record
from vmforge.cache.layers.layer import RECORD, Layer
from vmforge.cache.lock import is_current

_KEPT: Final = "kept.json"


class LayerFolder:
    """The folder of a layer that is being made; gone when it is closed before it was committed. What a dead
    process left is deleted by the next `sweep`. Layers of elsewhere keep their `id`, by which the disks of
    those that lie on them find theirs."""

    def __init__(self, root: Path, locks: Path, id: str = "") -> None:
        self.id = id or secrets.token_hex(8)
        self.path = root / self.id
        self._lock_file = locks / f"layer-{self.id}"
        # before there is a folder, so that no folder of a living process is ever without its lock
        self._lock = try_lock(self._lock_file, fcntl.LOCK_SH)
        try:
            self.path.mkdir(mode=0o700)
        except OSError:
            self.close()
            raise

    def keep(self, parent: Layer | None) -> None:
        """Leave the folder to the user, whose machine goes on with disks in it, over those of `parent`."""
        if not (self.path / RECORD).exists():
            write_record(self.path / _KEPT, {"parent": parent.id if parent else ""})

    def close(self) -> None:
        """Nothing of ours uses the folder any more. Harmless when called again."""
        if self._lock is None:
            return
        if not any((self.path / name).exists() for name in (RECORD, _KEPT)):
            shutil.rmtree(self.path, ignore_errors=True)
            self._lock_file.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None


class Hold:
    """Keeps layers from being deleted while they are in use. Holds open descriptors of locks."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []

    def add(self, lock_file: Path) -> bool:
        """Hold a layer too; False when it is being deleted."""
        lock = try_lock(lock_file, fcntl.LOCK_SH)
        if lock is not None:
            self._descriptors.append(lock)
        return lock is not None

    def close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def kept_over(folder: Path) -> str | None:
    """The id of the layer that a kept machine's disks in this folder lie on, empty when there is none; None
    when no machine was kept here."""
    if not (folder / _KEPT).exists():
        return None
    return str((read_record(folder / _KEPT) or {}).get("parent", ""))


def try_lock(path: Path, kind: int) -> int | None:
    """The descriptor of the locked file, which is made when it is not there; None when another's lock is
    in the way. OSError comes through."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            if is_current(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # deleted in between by who had it
