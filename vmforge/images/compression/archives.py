"""Tar archives of files, without times and owners, so that equal files make equal archives."""

from __future__ import annotations

import os
import stat
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vmforge.images.blocks import read_blocks, unreadable

OnBlock = Callable[[int], None]


def tar_blocks(files: Sequence[Path], on_block: OnBlock) -> Iterator[bytes]:
    """A tar archive in GNU format, piece by piece. Members have the files' names without folders;
    files of the same name keep their folders."""
    length = 0
    times = Counter(path.name for path in files)
    for path in files:
        info = tarfile.TarInfo(path.name if times[path.name] == 1 else member_path(path))
        status = status_of(path)
        info.size, info.mode = status.st_size, stat.S_IMODE(status.st_mode)
        info.uname = info.gname = "root"
        header = info.tobuf(tarfile.GNU_FORMAT)
        yield header
        yield from read_blocks(path, on_block)
        padding = bytes(-info.size % tarfile.BLOCKSIZE)
        yield padding
        length += len(header) + info.size + len(padding)
    end = length + 2 * tarfile.BLOCKSIZE
    yield bytes(end - length + -end % tarfile.RECORDSIZE)


def member_path(path: Path) -> str:
    """A path for use inside an archive: relative, and never upwards."""
    return "/".join(part for part in path.parts if part not in (path.anchor, ".."))


def status_of(path: Path) -> os.stat_result:
    """The file's status. Raises `VmforgeError` when it is not there."""
    try:
        return path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
