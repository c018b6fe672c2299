"""The compressions that Python brings along, block by block, for parallel.py.

Blocks are compressed independently of each other; what each file needs around them follows gzip's
RFC 1952, BGZF's section of the SAM specification, and the rule of bzip2 and xz that files may be
concatenated.
"""

from __future__ import annotations

import bz2
import functools
import lzma
import struct
from typing import Protocol

# zlib's interface, and its format, in less than half of its time
from zlib_ng import zlib_ng as zlib

from vmforge.images.blocks import BLOCK_SIZE, ZEROS


class Codec(Protocol):
    """One compression of one file. `observe` is called with every block in order, from one thread;
    `compress` from any thread."""

    @property
    def block_size(self) -> int:
        """The least size of a block; only the last one may be smaller."""

    def header(self) -> bytes: ...

    def observe(self, block: bytes) -> None: ...

    def compress(self, block: bytes, before: bytes) -> bytes:
        """A compressed block; `before` is what may serve as its dictionary (the block before)."""

    def trailer(self) -> bytes: ...


class Gzip:
    """One gzip member. Every block ends at a byte's border, so that the next can simply follow; its
    dictionary is the end of the one before, so that this costs no ratio."""

    block_size = BLOCK_SIZE
    _DICTIONARY = 32 * 1024

    def __init__(self, level: int) -> None:
        self._level = level
        self._crc, self._size = 0, 0

    def header(self) -> bytes:
        # neither name nor time, so that equal contents make equal files; 255: unknown system
        return struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, 0, 0, {9: 2, 1: 4}.get(self._level, 0), 255)

    def observe(self, block: bytes) -> None:
        self._crc = _zeros_crc(self._crc) if block is ZEROS else zlib.crc32(block, self._crc)
        self._size += len(block)

    def compress(self, block: bytes, before: bytes) -> bytes:
        dictionary = before[-self._DICTIONARY :]
        if dictionary:
            deflate = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=dictionary)
        else:
            deflate = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
        return deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)

    def trailer(self) -> bytes:
        last = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH)
        return last + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF)


@functools.cache
def _zeros_matrix() -> tuple[int, tuple[int, ...]]:
    """What `BLOCK_SIZE` zeros do to a CRC: an affine map over GF(2), as its constant and columns."""
    constant = zlib.crc32(ZEROS, 0)
    return constant, tuple(zlib.crc32(ZEROS, 1 << bit) ^ constant for bit in range(32))


def _zeros_crc(crc: int) -> int:
    """`zlib.crc32(ZEROS, crc)` without looking at a million zeros."""
    result, columns = _zeros_matrix()
    for bit in range(32):
        if crc >> bit & 1:
            result ^= columns[bit]
    return result


class Bgzf:
    """Gzip members of at most 64 KiB, each of which says its length, so that readers can seek."""

    block_size = BLOCK_SIZE
    _MEMBER = 0xFF00
    _HEADER = struct.Struct("<BBBBIBBHBBHH")

    def __init__(self, level: int) -> None:
        self._level = level

    def header(self) -> bytes:
        return b""

    def observe(self, block: bytes) -> None:
        return None

    def compress(self, block: bytes, before: bytes) -> bytes:
        starts = range(0, len(block), self._MEMBER)
        return b"".join(self._member(block[start : start + self._MEMBER]) for start in starts)

    def trailer(self) -> bytes:
        return self._member(b"")

    def _member(self, data: bytes) -> bytes:
        deflate = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
        body = deflate.compress(data) + deflate.flush()
        length = self._HEADER.size + len(body) + 8
        header = self._HEADER.pack(0x1F, 0x8B, 8, 4, 0, 0, 255, 6, ord("B"), ord("C"), 2, length - 1)
        return header + body + struct.pack("<II", zlib.crc32(data), len(data))


class Bzip2:
    """Concatenated bzip2 files."""

    block_size = 4 * BLOCK_SIZE

    def __init__(self, level: int) -> None:
        self._level = level

    def header(self) -> bytes:
        return b""

    def observe(self, block: bytes) -> None:
        return None

    def compress(self, block: bytes, before: bytes) -> bytes:
        return bz2.compress(block, self._level)

    def trailer(self) -> bytes:
        return b""


class Xz:
    """Concatenated xz files, each large enough for the dictionary of the usual levels."""

    block_size = 16 * BLOCK_SIZE

    def __init__(self, level: int) -> None:
        self._level = level

    def header(self) -> bytes:
        return b""

    def observe(self, block: bytes) -> None:
        return None

    def compress(self, block: bytes, before: bytes) -> bytes:
        return lzma.compress(block, preset=self._level)

    def trailer(self) -> bytes:
        return b""
