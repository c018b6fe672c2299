"""Tar archives whose first members are known last: room is left for them and filled at the end."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

# POSIX.1's USTAR has eleven octal digits for a size. Above that GNU tar's way to write it is used, which
# all readers of large archives know.
_USTAR_LIMIT = 8**11
_MODE = 0o644


@dataclass(frozen=True)
class Room:
    """A place in an archive, left for a member of exactly `size` bytes."""

    position: int
    size: int


class UstarWriter:
    """Writes an archive in one pass into a file that can be sought in.

    Members have neither owner nor time, so that equal contents make equal archives.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = file.tell()

    def leave_room(self, size: int) -> Room:
        """Leave room for a member that `fill` will write."""
        room = Room(self._end, size)
        self._end += tarfile.BLOCKSIZE + size + -size % tarfile.BLOCKSIZE
        return room

    def fill(self, room: Room, name: str, data: bytes) -> None:
        """Write the member that room was left for; `data` has the size that was announced."""
        assert len(data) == room.size
        self._file.seek(room.position)
        self._file.write(_header(name, room.size) + data + bytes(-room.size % tarfile.BLOCKSIZE))

    @contextmanager
    def member(self, name: str) -> Iterator[BinaryIO]:
        """A member of unknown size: what is written to the file inside the block."""
        start = self._end
        self._file.seek(start)
        self._file.write(bytes(tarfile.BLOCKSIZE))
        yield self._file
        end = self._file.tell()
        size = end - start - tarfile.BLOCKSIZE
        self._file.write(bytes(-size % tarfile.BLOCKSIZE))
        self._end = self._file.tell()
        self._file.seek(start)
        self._file.write(_header(name, size))

    def close(self) -> None:
        """Write the archive's end; the file itself stays open."""
        self._file.seek(self._end)
        length = self._end + 2 * tarfile.BLOCKSIZE
        self._file.write(bytes(2 * tarfile.BLOCKSIZE + -length % tarfile.RECORDSIZE))


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, _MODE
    return info.tobuf(tarfile.USTAR_FORMAT if size < _USTAR_LIMIT else tarfile.GNU_FORMAT)
