"""Files that survive a crash: staged, synced and renamed into place; and what a full disk means."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from vmforge.errors import HostError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def move_durably(staged: Path, final: Path) -> None:
    """Make `staged` the file `final` of the same folder: after a crash there is all of it or the old one."""
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    staged.replace(final)
    sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk, which makes a rename in it durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_record(path: Path, record: Mapping[str, object]) -> None:
    """Replace a small JSON file, which only its owner may read, in one step. A record may be lost when the
    machine crashes, never half written."""
    staged = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    with space_checked(path.parent):
        try:
            descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(record, file, sort_keys=True)
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)


def note_record(path: Path, record: Mapping[str, object]) -> None:
    """`write_record` for what is only good to know: on a full or read-only disk it is left out."""
    try:
        write_record(path, record)
    except (OSError, HostError):
        pass


def read_record(path: Path) -> dict[str, object] | None:
    """The record at `path`; None when there is none or it is damaged (records can be made again)."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, object]", record) if isinstance(record, dict) else None


def require_space(folder: Path, needed: int) -> None:
    """Raise HostError if the file system of `folder` has fewer than `needed` bytes free."""
    if shutil.disk_usage(folder).free < needed:
        raise out_of_space(folder, needed)


@contextmanager
def space_checked(folder: Path, needed: int | None = None) -> Iterator[None]:
    """Turn "no space left" inside the block into a HostError that names free and needed bytes."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise out_of_space(folder, needed) from error
        raise


def out_of_space(folder: Path, needed: int | None) -> HostError:
    """The error for a full disk; `needed` is what was still to be written, None when not known."""
    free = f"{shutil.disk_usage(folder).free:,} bytes are free"
    wanted = f"{needed:,} bytes are needed and " if needed is not None else ""
    return HostError(
        f"no space left in `{folder}`: {wanted}{free}",
        hint="free some space there, or set `VMFORGE_CACHE_DIR` to a folder on a larger disk",
    )
