"""Writes compressed qcow2 images in one pass, on all processors.

The format is that of QEMU's docs/interop/qcow2.txt, version 3: the header; the table of tables (L1);
compressed clusters one after the other, with the table (L2) of every 512 MiB behind them; the counts of
references, and the table of those. Numbers are big-endian, positions in bytes.
"""

from __future__ import annotations

import functools
import struct
from array import array
from collections.abc import Iterable
from typing import BinaryIO

# zlib's interface, and its format, in less than half of its time
from zlib_ng import zlib_ng as zlib

from vmforge.images.clusters import CLUSTER, CLUSTERS_PER_BLOCK, compress_clusters

_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_MAGIC, _VERSION, _CLUSTER_BITS = b"QFI\xfb", 3, 16
_COUNT_ORDER, _COUNTS_PER_CLUSTER = 4, CLUSTER // 2  # counts of 16 bits
_L2_ENTRIES = CLUSTER // 8
_BLOCKS_PER_L2 = _L2_ENTRIES // CLUSTERS_PER_BLOCK
_SECTOR = 512

_COPIED, _COMPRESSED = 1 << 63, 1 << 62
# where a compressed cluster's entry has the number of its further sectors
_SECTORS_SHIFT = 62 - (_CLUSTER_BITS - 8)
# readers have a window of 4 KiB
_WINDOW_BITS = -12


def write_compressed_qcow2(
    file: BinaryIO, blocks: Iterable[bytes], size: int, *, level: int = 6, threads: int | None = None
) -> None:
    """Write a disk of `size` bytes (a multiple of 512) whose contents come in blocks of `BLOCK_SIZE`, the
    last one smaller.

    `file` is empty, and sought in at the end. Equal contents make equal files. Raises OSError when it
    cannot be written, ValueError when the blocks do not add up to `size`.
    """
    writer = _Writer(file, size)
    total = 0
    compress = functools.partial(_compress, level=level)
    for number, (length, clusters) in enumerate(compress_clusters(blocks, compress, threads)):
        total += length
        writer.put_block(number, clusters)
        if number % _BLOCKS_PER_L2 == _BLOCKS_PER_L2 - 1:
            writer.put_table()
    if total != size:
        raise ValueError(f"the disk has {size} bytes, but {total} came")
    if total % (_L2_ENTRIES * CLUSTER):
        writer.put_table()
    writer.finish()


def _compress(cluster: bytes, level: int) -> bytes:
    """The cluster as a stream of deflate; itself when that is not smaller."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, _WINDOW_BITS, 9)
    compressed: bytes = deflate.compress(cluster) + deflate.flush()
    return compressed if len(compressed) < CLUSTER else cluster


class _Writer:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._counts = array("H")
        self._l1 = array("Q")
        self._l1_size = -(-size // (_L2_ENTRIES * CLUSTER))
        self._l2 = array("Q", bytes(CLUSTER))
        self._position = 0
        # header and L1 table, of which only the size is known
        self._put(bytes(CLUSTER + -(-self._l1_size * 8 // CLUSTER) * CLUSTER))

    def put_block(self, number: int, clusters: list[bytes]) -> None:
        for index, cluster in enumerate(clusters, number * CLUSTERS_PER_BLOCK % _L2_ENTRIES):
            if len(cluster) == CLUSTER:
                self._align()
                self._l2[index] = self._position | _COPIED
                self._put(cluster)
            elif cluster:
                further = (self._position + len(cluster) - 1) // _SECTOR - self._position // _SECTOR
                self._l2[index] = self._position | further << _SECTORS_SHIFT | _COMPRESSED
                self._put(cluster)

    def put_table(self) -> None:
        """The L2 table of the blocks since the last one; none when they are all zeros."""
        if not any(self._l2):
            self._l1.append(0)
            return
        self._align()
        self._l1.append(self._position | _COPIED)
        self._put(_big_endian(self._l2))
        self._l2 = array("Q", bytes(CLUSTER))

    def finish(self) -> None:
        """The counts, which count themselves and their table too; then the header."""
        self._align()
        used = len(self._counts)
        blocks = tables = 0
        while blocks * _COUNTS_PER_CLUSTER < used + blocks + tables:
            blocks = -(-(used + blocks + tables) // _COUNTS_PER_CLUSTER)
            tables = -(-blocks * 8 // CLUSTER)
        first = self._position
        counts = self._counts + array("H", [1] * (blocks + tables))
        self._file.write(_big_endian(counts).ljust(blocks * CLUSTER, b"\0"))
        table = array("Q", range(first, first + blocks * CLUSTER, CLUSTER))
        self._file.write(_big_endian(table).ljust(tables * CLUSTER, b"\0"))
        self._file.seek(0)
        self._file.write(self._header(first + blocks * CLUSTER, tables).ljust(CLUSTER, b"\0"))
        self._file.write(_big_endian(self._l1))

    def _align(self) -> None:
        missing = -self._position % CLUSTER
        self._file.write(bytes(missing))
        self._position += missing

    def _put(self, data: bytes) -> None:
        """Write, and count a reference to every cluster that it touches, whole sectors of it."""
        end = self._position + len(data)
        last = (end - 1) // CLUSTER
        self._counts.extend([0] * (last + 1 - len(self._counts)))
        for cluster in range(self._position // CLUSTER, last + 1):
            self._counts[cluster] += 1
        self._file.write(data)
        self._position = end

    def _header(self, counts_table: int, counts_table_clusters: int) -> bytes:
        return _HEADER.pack(
            _MAGIC,
            _VERSION,
            *(0, 0),  # no backing file
            _CLUSTER_BITS,
            self._size,
            0,  # not encrypted
            self._l1_size,
            CLUSTER,
            counts_table,
            counts_table_clusters,
            *(0, 0),  # no snapshots
            *(0, 0, 0),  # no features beyond the format's first version
            _COUNT_ORDER,
            _HEADER.size,
        )


def _big_endian(numbers: array[int]) -> bytes:
    swapped = array(numbers.typecode, numbers)
    if struct.pack("=H", 1) != struct.pack(">H", 1):
        swapped.byteswap()
    return swapped.tobytes()
