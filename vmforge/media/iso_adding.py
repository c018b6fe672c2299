"""A file of this machine put into the shared store, so that builds find it there in place of fetching it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vmforge.cache import Store, hash_file, require_space
from vmforge.errors import DownloadError
from vmforge.media.checksum import Algorithm, Checksum
from vmforge.media.iso_source import url_key
from vmforge.media.partial import PartialFile
from vmforge.sdk.cancellation import Cancellation

_CHUNK: Final = 1024 * 1024
# `FICLONE` of linux/fs.h: the copy shares the original's blocks (btrfs, XFS, ...)
_FICLONE: Final = 0x40049409
_EXTENSION: Final = "iso"


def add_file(
    store: Store,
    source: Path,
    stated: Checksum | None,
    *,
    url: str,
    cancellation: Cancellation,
    on_bytes: Callable[[int], None] = lambda count: None,
    accept: Callable[[Path], None] = lambda path: None,
) -> str:
    """Put a file into the store, and return its SHA-256. It is found by that, by `stated`, and by `url`.

    It shares the original's blocks, or is another name of it, where the file system can do that; else it is
    copied. It is read once, which `on_bytes` counts. `accept` is given the new file before it counts as kept,
    and raises what it has against it. Raises DownloadError for what cannot be read or is not as `stated`,
    HostError for a full disk, Interrupted.
    """
    original = source.resolve()
    key = f"added:{original}"
    with store.lock(key, cancellation):
        staged = store.staged(key)
        staged.unlink(missing_ok=True)
        try:
            digests = _take(original, staged, stated, cancellation, on_bytes)
            _verify(source, digests, stated)
            accept(staged)
            digest = digests[Algorithm.SHA256]
            if store.lookup(digest, _EXTENSION) is None:
                store.commit(staged, digest, _EXTENSION, origin=url)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DownloadError(f"`{source}` cannot be read: {reason}") from error
        finally:
            staged.unlink(missing_ok=True)
    note_places(store, digest, stated, url)
    return digest


def note_places(store: Store, digest: str, stated: Checksum | None, url: str) -> None:
    """Let builds find an object by its checksum and its URL, whose server is not asked for a newer one."""
    record = {"sha256": digest, "size": str(store.path_of(digest, _EXTENSION).stat().st_size), "url": ""}
    for key in (str(stated) if stated else "", url_key([url]) if url else ""):
        if key:
            store.bind(key, record)


def _take(
    original: Path,
    staged: Path,
    stated: Checksum | None,
    cancellation: Cancellation,
    on_bytes: Callable[[int], None],
) -> dict[str, str]:
    algorithms = {str(Algorithm.SHA256), *([str(stated.algorithm)] if stated else [])}

    def counted(count: int) -> None:
        cancellation.check()
        on_bytes(count)

    if _clone(original, staged) or _link(original, staged):
        return hash_file(staged, algorithms, counted)
    require_space(staged.parent, original.stat().st_size)
    with original.open("rb", buffering=0) as file, PartialFile(staged, algorithms) as partial:
        while chunk := file.read(_CHUNK):
            partial.write(chunk)
            counted(len(chunk))
        return partial.digests()


def _clone(original: Path, staged: Path) -> bool:
    with original.open("rb") as source, staged.open("wb") as target:
        try:
            fcntl.ioctl(target, _FICLONE, source.fileno())
            return True
        except OSError:
            pass  # another file system, or one that cannot
    staged.unlink()
    return False


def _link(original: Path, staged: Path) -> bool:
    status = original.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        return False  # somebody else could write to it
    try:
        staged.hardlink_to(original)
        return True
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES):
            raise
        return False


def _verify(source: Path, digests: dict[str, str], stated: Checksum | None) -> None:
    if stated is not None and digests[stated.algorithm] != stated.digest:
        raise DownloadError(
            f"`{source}` is not the file that the checksum states: its {stated.algorithm} is "
            f"{digests[stated.algorithm]}, expected {stated.digest}",
            hint="fetch it again, or check which file the checksum is about",
        )
