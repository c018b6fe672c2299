"""Zip archives, compressed on all processors, without times, so that equal files make equal archives.

The format is that of PKWARE's APPNOTE 6.3, sections 4.3 to 4.5; names are UTF-8.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vmforge.images.blocks import read_blocks
from vmforge.images.compression.archives import member_path, status_of
from vmforge.images.compression.codecs import Deflate
from vmforge.images.compression.parallel import ParallelCompressor

# 1 January 1980, the first day that the format knows
_DATE = 0x21
_DEFLATED, _UTF8, _UNIX = 8, 0x0800, 3
_VERSION, _VERSION_64 = 20, 45
_LARGEST = 0xFFFFFFFF
_MOST_MEMBERS = 0xFFFF
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s4B4H3L5H2L")
_LOCAL_64, _CENTRAL_64 = struct.Struct("<2H2Q"), struct.Struct("<2H3Q")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")


@dataclass(frozen=True, slots=True)
class _Member:
    """A file in the archive. `large` says that its sizes are written with 64 bits."""

    name: bytes
    mode: int
    offset: int
    large: bool
    crc: int = 0
    size: int = 0
    packed: int = 0

    def local(self) -> bytes:
        sizes = (_LARGEST, _LARGEST) if self.large else (self.packed, self.size)
        extra = _LOCAL_64.pack(1, 16, self.size, self.packed) if self.large else b""
        version = _VERSION_64 if self.large else _VERSION
        fields = (version, _UTF8, _DEFLATED, 0, _DATE, self.crc, *sizes, len(self.name), len(extra))
        return _LOCAL.pack(b"PK\3\4", *fields) + self.name + extra

    def central(self) -> bytes:
        large = self.large or self.offset > _LARGEST
        numbers = (_LARGEST, _LARGEST) if large else (self.packed, self.size)
        extra = _CENTRAL_64.pack(1, 24, self.size, self.packed, self.offset) if large else b""
        version = _VERSION_64 if large else _VERSION
        made = (version, _UNIX, version, 0, _UTF8, _DEFLATED, 0, _DATE)
        lengths = (len(self.name), len(extra), 0, 0, 0)
        place = (self.mode << 16, _LARGEST if large else self.offset)
        return _CENTRAL.pack(b"PK\1\2", *made, self.crc, *numbers, *lengths, *place) + self.name + extra


def write_zip(file: BinaryIO, files: Sequence[Path], level: int, on_block: Callable[[int], None]) -> None:
    """Write an archive to a file that can be sought in. Members keep their paths, without what would
    lead out of a folder. Raises OSError when it cannot be written."""
    members = [_write_member(file, path, level, on_block) for path in files]
    start = file.tell()
    for member in members:
        file.write(member.central())
    file.write(_end(len(members), start, file.tell() - start))


def _write_member(file: BinaryIO, path: Path, level: int, on_block: Callable[[int], None]) -> _Member:
    status, offset = status_of(path), file.tell()
    # what cannot be compressed grows a little
    large = status.st_size * 1.05 > _LARGEST
    member = _Member(member_path(path).encode(), status.st_mode & 0xFFFF, offset, large)
    file.write(member.local())
    start, deflate = file.tell(), Deflate(level)
    with ParallelCompressor(file, deflate) as compressor:
        for block in read_blocks(path, on_block):
            compressor.write(block)
    end = file.tell()
    member = _Member(member.name, member.mode, offset, large, deflate.crc, deflate.size, end - start)
    file.seek(offset)
    file.write(member.local())
    file.seek(end)
    return member


def _end(count: int, start: int, size: int) -> bytes:
    """The end of the archive, whose central directory lies at `start`."""
    large = b""
    if count > _MOST_MEMBERS or start > _LARGEST or size > _LARGEST:
        versions = (_VERSION_64 | _UNIX << 8, _VERSION_64)
        large = _END_64.pack(b"PK\6\6", _END_64.size - 12, *versions, 0, 0, count, count, size, start)
        large += _LOCATOR_64.pack(b"PK\6\7", 0, start + size, 1)
    counts = (min(count, _MOST_MEMBERS),) * 2
    numbers = (min(size, _LARGEST), min(start, _LARGEST))
    return large + _END.pack(b"PK\5\6", 0, 0, *counts, *numbers, 0)
