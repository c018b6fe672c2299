"""An artifact's files, read block by block; holes are not read."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.hypervisor.contents import BLOCK_SIZE as BLOCK_SIZE
from vmforge.hypervisor.contents import ZERO_BLOCK

# the same object in files and in disks, so that it is known at a glance
ZEROS = ZERO_BLOCK


def read_blocks(path: Path, on_block: Callable[[int], None] = lambda size: None) -> Iterator[bytes]:
    """The file's contents in blocks of `BLOCK_SIZE`, the last one smaller.

    A block inside a hole is `ZEROS` itself. `on_block` is called with each block's size; what it
    raises ends the reading. Raises `VmforgeError` when the file cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size, position = os.fstat(file.fileno()).st_size, 0
            while position < size:
                count = min(BLOCK_SIZE, size - position)
                hole = count == BLOCK_SIZE and _next_data(file.fileno(), position, size) >= position + count
                block = ZEROS if hole else _read(file.fileno(), position, count, path)
                position += count
                on_block(count)
                yield block
    except OSError as error:
        raise unreadable(path, error) from error


def total_size(files: Iterable[Path]) -> int:
    """The sum of the files' sizes in bytes. Raises `VmforgeError` for a file that is not there."""
    total = 0
    for path in files:
        try:
            total += path.stat().st_size
        except OSError as error:
            raise unreadable(path, error) from error
    return total


def unreadable(path: Path, error: OSError) -> VmforgeError:
    return VmforgeError(f"the artifact's file `{path}` cannot be read: {error.strerror}")


def _next_data(descriptor: int, position: int, size: int) -> int:
    """Where the file has data next, at or after a position."""
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as error:
        # there is none up to the end; or the file system cannot tell
        return size if error.errno == errno.ENXIO else position


def _read(descriptor: int, position: int, count: int, path: Path) -> bytes:
    pieces, missing = [], count
    while missing:
        piece = os.pread(descriptor, missing, position + count - missing)
        if not piece:
            raise VmforgeError(f"the artifact's file `{path}` was cut off while it was read")
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
