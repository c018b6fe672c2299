"""Writes a stream of blocks in any of the compressions, by our own threads or by a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from vmforge.images.compression.codecs import Bgzf, Bzip2, Codec, Gzip, Lz4, Xz
from vmforge.images.compression.formats import Algorithm
from vmforge.images.compression.parallel import ParallelCompressor
from vmforge.images.compression.program import ProgramCompressor

_CODECS: dict[Algorithm, Callable[[int], Codec]] = {
    Algorithm.GZIP: Gzip,
    Algorithm.BGZF: Bgzf,
    Algorithm.BZIP2: Bzip2,
    Algorithm.XZ: Xz,
    Algorithm.LZ4: Lz4,
}


class _Sink(Protocol):
    def write(self, piece: bytes, /) -> object: ...


def write_compressed(blocks: Iterable[bytes], file: BinaryIO, algorithm: Algorithm, level: int) -> None:
    """Write the blocks to `file`; `level` goes from 1, the fastest, to 9, the smallest.

    Raises OSError when the file cannot be written, `HostError` when the algorithm needs a program that
    is not installed.
    """
    if algorithm is Algorithm.NONE:
        for block in blocks:
            file.write(block)
        return
    compressor: AbstractContextManager[_Sink] = (
        ParallelCompressor(file, _CODECS[algorithm](level))
        if algorithm in _CODECS
        else ProgramCompressor(file, algorithm, level)
    )
    with compressor as sink:
        for block in blocks:
            sink.write(block)
