"""Writes VMware's stream-optimized disks: compressed, in one pass, on all processors.

The format is that of VMware's Virtual Disk Format 5.0: a header and a descriptor; grains of 64 KiB, each
compressed by itself behind a marker; a table after every 512 grains; the directory of the tables, a footer
and the marker of the end. Grains of zeros are left out. Numbers are little-endian, positions in sectors.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

# zlib's interface, and its format, in less than half of its time
from zlib_ng import zlib_ng as zlib

from vmforge.images.blocks import BLOCK_SIZE
from vmforge.images.clusters import CLUSTER, CLUSTERS_PER_BLOCK, compress_clusters

SECTOR: Final = 512
GRAIN: Final = CLUSTER
_TABLE_ENTRIES = 512
_TABLE_SIZE = 4 * _TABLE_ENTRIES
_BLOCKS_PER_TABLE = _TABLE_ENTRIES * GRAIN // BLOCK_SIZE

_HEADER = struct.Struct("<IIIQQQQIQQQBccccH")
_MAGIC, _VERSION = 0x564D444B, 3
# lines end as they should; grains are compressed; markers stand before what is not a grain
_FLAGS = 1 << 0 | 1 << 16 | 1 << 17
_DIRECTORY_AT_END = 2**64 - 1
_DEFLATE = 1
_DESCRIPTOR_OFFSET, _OVERHEAD = 1, 128
_DESCRIPTOR_SIZE = 20

_END_OF_STREAM, _TABLE_MARKER, _DIRECTORY_MARKER, _FOOTER_MARKER = 0, 1, 2, 3

# `open-vm-tools` that the guest looks after itself
_TOOLS_VERSION = 2147483647


@dataclass(frozen=True, kw_only=True)
class VmdkOptions:
    """What the descriptor says. `adapter` is `lsilogic`, `buslogic` or `ide`; every other controller
    (SATA, NVMe, paravirtual SCSI) goes by `lsilogic`. `hardware_version` is that of the virtual machine."""

    adapter: str = "lsilogic"
    hardware_version: int = 13


DEFAULT_OPTIONS: Final = VmdkOptions()


def write_stream_optimized(
    file: BinaryIO,
    blocks: Iterable[bytes],
    size: int,
    *,
    level: int = 6,
    threads: int | None = None,
    options: VmdkOptions = DEFAULT_OPTIONS,
) -> None:
    """Write a disk of `size` bytes (a multiple of 512) whose contents come in blocks of `BLOCK_SIZE`,
    the last one smaller.

    `file` is only written to, never sought in, so it may be a pipe or part of an archive. Equal contents
    make equal files: what identifies the disk is drawn from its first block. Raises OSError when the
    file cannot be written, ValueError when the blocks do not add up to `size`.
    """
    stream = iter(blocks)
    first = next(stream, b"")
    _Writer(file, size, level, threads).write(
        itertools.chain((first,), stream), _descriptor(size, first, options)
    )


class _Writer:
    def __init__(self, file: BinaryIO, size: int, level: int, threads: int | None) -> None:
        self._file = file
        self._size = size
        self._level = level
        self._threads = threads
        self._sector = 0  # where the next byte goes
        self._table = array("I", bytes(_TABLE_SIZE))
        self._directory = array("I")

    def write(self, blocks: Iterable[bytes], descriptor: bytes) -> None:
        self._put(self._header(_DIRECTORY_AT_END) + descriptor.ljust(_DESCRIPTOR_SIZE * SECTOR, b"\0"))
        self._put(bytes((_OVERHEAD - self._sector) * SECTOR))
        total = 0
        compress = functools.partial(_compress_grain, level=self._level)
        for number, (length, grains) in enumerate(compress_clusters(blocks, compress, self._threads)):
            total += length
            self._put_grains(number, grains)
            if number % _BLOCKS_PER_TABLE == _BLOCKS_PER_TABLE - 1:
                self._put_table()
        if total != self._size:
            raise ValueError(f"the disk has {self._size} bytes, but {total} came")
        if total % (_BLOCKS_PER_TABLE * BLOCK_SIZE):
            self._put_table()
        self._put_end()

    def _put_grains(self, block: int, grains: list[bytes]) -> None:
        first = block * CLUSTERS_PER_BLOCK
        for number, grain in enumerate(grains, first):
            if grain:
                self._table[number % _TABLE_ENTRIES] = self._sector
                marker = struct.pack("<QI", number * GRAIN // SECTOR, len(grain))
                self._put(marker + grain)

    def _put_table(self) -> None:
        """The table of the grains since the last one; none when there were none."""
        if not any(self._table):
            self._directory.append(0)
            return
        self._put_marker(_TABLE_MARKER, _TABLE_SIZE // SECTOR)
        self._directory.append(self._sector)
        self._put(_little_endian(self._table))
        self._table = array("I", bytes(_TABLE_SIZE))

    def _put_end(self) -> None:
        directory = _little_endian(self._directory)
        self._put_marker(_DIRECTORY_MARKER, -(-len(directory) // SECTOR))
        position = self._sector
        self._put(directory)
        self._put_marker(_FOOTER_MARKER, 1)
        self._put(self._header(position))
        self._put_marker(_END_OF_STREAM, 0)

    def _put_marker(self, kind: int, sectors: int) -> None:
        self._put(struct.pack("<QII", sectors, 0, kind))

    def _put(self, data: bytes) -> None:
        """Write, filled up to whole sectors."""
        padding = -len(data) % SECTOR
        self._file.write(data + bytes(padding) if padding else data)
        self._sector += (len(data) + padding) // SECTOR

    def _header(self, directory: int) -> bytes:
        header = _HEADER.pack(
            _MAGIC,
            _VERSION,
            _FLAGS,
            self._size // SECTOR,
            GRAIN // SECTOR,
            _DESCRIPTOR_OFFSET,
            _DESCRIPTOR_SIZE,
            _TABLE_ENTRIES,
            0,  # no second directory
            directory,
            _OVERHEAD,
            0,  # shut down cleanly
            *(b"\n", b" ", b"\r", b"\n"),  # damaged when the file went through a transfer of text
            _DEFLATE,
        )
        return header.ljust(SECTOR, b"\0")


def _compress_grain(grain: bytes, level: int) -> bytes:
    compressed: bytes = zlib.compress(grain, level)
    # the fast levels may make noise much larger, beyond what readers have room for
    return compressed if len(compressed) <= GRAIN else zlib.compress(grain, 0)


def _little_endian(numbers: array[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _descriptor(size: int, first_block: bytes, options: VmdkOptions) -> bytes:
    """The text that describes the disk (section "The Descriptor File")."""
    digest = hashlib.sha256(struct.pack("<Q", size) + first_block).digest()
    heads, sectors = (16, 63) if options.adapter == "ide" else (255, 63)
    cylinders = min(size // SECTOR // (heads * sectors), 16383 if options.adapter == "ide" else 2**32 - 1)
    # a name of SCSI's kind: type 6, then VMware's number 000c29
    uuid = bytes.fromhex(f"6000c29{digest[4:18].hex()[:25]}")
    return f"""# Disk DescriptorFile
version=1
CID={_content_id(digest)}
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW {size // SECTOR} SPARSE "disk.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "{options.adapter}"
ddb.encoding = "UTF-8"
ddb.geometry.cylinders = "{max(cylinders, 1)}"
ddb.geometry.heads = "{heads}"
ddb.geometry.sectors = "{sectors}"
ddb.longContentID = "{digest[16:28].hex()}{_content_id(digest)}"
ddb.toolsVersion = "{_TOOLS_VERSION}"
ddb.uuid = "{uuid[:8].hex(" ")}-{uuid[8:].hex(" ")}"
ddb.virtualHWVersion = "{options.hardware_version}"
""".encode("ascii")


def _content_id(digest: bytes) -> str:
    """Eight digits; all of `f` means "no parent", and `f...e` is left out as well."""
    return f"{int.from_bytes(digest[:4]) % (2**32 - 2):08x}"
