"""Writes a stream of blocks in any of the compressions, on all processors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import BinaryIO

from vmforge.images.compression.codecs import Bgzf, Bzip2, Codec, Gzip, Lz4, Xz, Zstd
from vmforge.images.compression.formats import Algorithm
from vmforge.images.compression.parallel import ParallelCompressor

_CODECS: dict[Algorithm, Callable[[int], Codec]] = {
    Algorithm.GZIP: Gzip,
    Algorithm.BGZF: Bgzf,
    Algorithm.BZIP2: Bzip2,
    Algorithm.XZ: Xz,
    Algorithm.LZ4: Lz4,
    Algorithm.ZSTD: Zstd,
}


def write_compressed(blocks: Iterable[bytes], file: BinaryIO, algorithm: Algorithm, level: int) -> None:
    """Write the blocks to `file`; `level` goes from 1, the fastest, to 9, the smallest.

    Raises OSError when the file cannot be written.
    """
    if algorithm is Algorithm.NONE:
        for block in blocks:
            file.write(block)
        return
    with ParallelCompressor(file, _CODECS[algorithm](level)) as compressor:
        for block in blocks:
            compressor.write(block)
