"""Compresses a stream of blocks on all processors; the result does not depend on their number."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO

from vmforge.images.blocks import ZEROS
from vmforge.images.compression.codecs import Codec


class ParallelCompressor:
    """Writes what it is given to `file`, compressed by `codec`.

    zlib, bz2 and lzma let go of Python's lock while they work, so threads are enough. A few blocks
    per thread are in memory at a time.
    """

    def __init__(self, file: BinaryIO, codec: Codec, threads: int | None = None) -> None:
        self._file = file
        self._codec = codec
        self._threads = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="compress")
        self._waiting: deque[Future[bytes]] = deque()
        self._pieces: list[bytes] = []
        self._size = 0
        self._before = b""
        self._zeros: dict[int, Future[bytes]] = {}

    def __enter__(self) -> ParallelCompressor:
        self._file.write(self._codec.header())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def write(self, piece: bytes) -> None:
        """Take the next piece, of whatever size. Raises OSError when the file cannot be written."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= self._codec.block_size:
            self._submit()

    def _submit(self) -> None:
        block = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._size = [], 0
        self._codec.observe(block)
        self._waiting.append(self._start(block))
        self._before = block
        while len(self._waiting) > 2 * self._threads:
            self._file.write(self._waiting.popleft().result())

    def _start(self, block: bytes) -> Future[bytes]:
        """Blocks of nothing but zeros, of which images are full, are compressed once."""
        if not _is_zeros(block):
            return self._pool.submit(self._codec.compress, block, self._before)
        if len(block) not in self._zeros:
            self._zeros[len(block)] = self._pool.submit(self._codec.compress, block, b"")
        return self._zeros[len(block)]

    def _finish(self) -> None:
        if self._size:
            self._submit()
        while self._waiting:
            self._file.write(self._waiting.popleft().result())
        self._file.write(self._codec.trailer())


def _is_zeros(block: bytes) -> bool:
    return block is ZEROS or (block[0] == 0 and block == bytes(len(block)))
