"""The compressions that work block by block, for parallel.py.

Blocks are compressed independently of each other; what each file needs around them follows gzip's
RFC 1952, BGZF's section of the SAM specification, and the rule of bzip2, xz, lz4 and zstd that files
may be concatenated.
"""

from __future__ import annotations

import bz2
import functools
import lzma
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

# zlib's interface, and its format: ISA-L is the fastest where speed counts, zlib-ng takes less than half of
# zlib's time where size counts
import lz4.frame
import zstandard
from isal import isal_zlib
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


class _Level(NamedTuple):
    """Which library compresses, and its own level."""

    library: Any
    number: int


_FAST = tuple(_Level(isal_zlib, number) for number in (1, 2, 3))


class Deflate:
    """One stream of DEFLATE (RFC 1951). Every block ends at a byte's border, so that the next can simply
    follow; its dictionary is the end of the one before, so that this costs no ratio. Counts `size` and
    `crc` of what was compressed."""

    block_size = BLOCK_SIZE
    _DICTIONARY = 32 * 1024
    _LEVELS: Sequence[_Level] = (*_FAST, *(_Level(zlib, number) for number in range(4, 10)))

    def __init__(self, level: int) -> None:
        self._level = self._LEVELS[level - 1]
        self.crc, self.size = 0, 0

    def header(self) -> bytes:
        return b""

    def observe(self, block: bytes) -> None:
        self.crc = _zeros_crc(self.crc) if block is ZEROS else zlib.crc32(block, self.crc)
        self.size += len(block)

    def compress(self, block: bytes, before: bytes) -> bytes:
        if not is_worthwhile(block):
            return _stored(block)
        library, level = self._level
        dictionary = before[-self._DICTIONARY :]
        options = {"zdict": dictionary} if dictionary else {}
        deflate = library.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, **options)
        return bytes(deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH))

    def trailer(self) -> bytes:
        return zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH)


class Gzip(Deflate):
    """One gzip member around one stream."""

    # The fastest that make files no larger than Packer (pgzip) does at the same level, measured on disks of
    # programs.
    _LEVELS = (*_FAST, *(_Level(zlib, number) for number in (3, 4, 4, 6, 7, 9)))

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._asked = level

    def header(self) -> bytes:
        # neither name nor time, so that equal contents make equal files; 255: unknown system
        return struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, 0, 0, {9: 2, 1: 4}.get(self._asked, 0), 255)

    def trailer(self) -> bytes:
        return super().trailer() + struct.pack("<II", self.crc, self.size & 0xFFFFFFFF)


_SAMPLE, _SAMPLES, _HOPELESS = 4096, 4, 0.99
_LONGEST_STORED = 0xFFFF


def _stored(block: bytes) -> bytes:
    """A block as DEFLATE stores it (RFC 1951, 3.2.4): in pieces, each after its length."""
    view = memoryview(block)
    pieces: list[bytes | memoryview] = []
    for start in range(0, len(block), _LONGEST_STORED):
        piece = view[start : start + _LONGEST_STORED]
        pieces += [struct.pack("<BHH", 0, len(piece), len(piece) ^ 0xFFFF), piece]
    return b"".join(pieces)


def is_worthwhile(block: bytes) -> bool:
    """False where samples say that a block cannot be made smaller: then it is stored.

    zlib spends as much time on noise (compressed or encrypted data in a disk) as on anything else.
    """
    if len(block) < _SAMPLE * _SAMPLES:
        return True
    step = (len(block) - _SAMPLE) // (_SAMPLES - 1)
    sample = b"".join(block[start : start + _SAMPLE] for start in range(0, step * _SAMPLES, step))
    return len(isal_zlib.compress(sample, 1)) < _HOPELESS * len(sample)


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


class _Concatenated(ABC):
    """Blocks that are files of their own: nothing stands around them."""

    def __init__(self, level: int) -> None:
        self._level = level

    def header(self) -> bytes:
        return b""

    def observe(self, block: bytes) -> None:
        return None

    @abstractmethod
    def compress(self, block: bytes, before: bytes) -> bytes: ...

    def trailer(self) -> bytes:
        return b""


class Bgzf(_Concatenated):
    """Gzip members of at most 64 KiB, each of which says its length, so that readers can seek."""

    block_size = BLOCK_SIZE
    _MEMBER = 0xFF00
    _HEADER = struct.Struct("<BBBBIBBHBBHH")

    def compress(self, block: bytes, before: bytes) -> bytes:
        level, starts = self._level if is_worthwhile(block) else 0, range(0, len(block), self._MEMBER)
        return b"".join(self._member(block[start : start + self._MEMBER], level) for start in starts)

    def trailer(self) -> bytes:
        return self._member(b"", self._level)

    def _member(self, data: bytes, level: int) -> bytes:
        deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
        body = deflate.compress(data) + deflate.flush()
        length = self._HEADER.size + len(body) + 8
        header = self._HEADER.pack(0x1F, 0x8B, 8, 4, 0, 0, 255, 6, ord("B"), ord("C"), 2, length - 1)
        return header + body + struct.pack("<II", zlib.crc32(data), len(data))


class Bzip2(_Concatenated):
    """Concatenated bzip2 files."""

    block_size = 4 * BLOCK_SIZE

    def compress(self, block: bytes, before: bytes) -> bytes:
        return bz2.compress(block, self._level)


class Lz4(_Concatenated):
    """Concatenated LZ4 frames. Level 1 is LZ4's fast mode, levels from 3 its high compression."""

    block_size = 16 * BLOCK_SIZE

    def compress(self, block: bytes, before: bytes) -> bytes:
        made: bytes = lz4.frame.compress(block, compression_level=self._level)
        return made


class Zstd(_Concatenated):
    """Concatenated zstd frames, each with its content's size and sum."""

    block_size = 16 * BLOCK_SIZE

    def compress(self, block: bytes, before: bytes) -> bytes:
        # its objects must not be shared by threads
        return zstandard.ZstdCompressor(self._level, write_checksum=True).compress(block)


class Xz(_Concatenated):
    """Concatenated xz files, each large enough for the dictionary of the usual levels."""

    block_size = 16 * BLOCK_SIZE

    def compress(self, block: bytes, before: bytes) -> bytes:
        return lzma.compress(block, preset=self._level)
