"""Disks cut into clusters of 64 KiB, each compressed by itself, on all processors."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from vmforge.images.blocks import BLOCK_SIZE, ZEROS

CLUSTER: Final = 64 * 1024
CLUSTERS_PER_BLOCK: Final = BLOCK_SIZE // CLUSTER
_ZERO_CLUSTER = bytes(CLUSTER)


def compress_clusters(
    blocks: Iterable[bytes], compress: Callable[[bytes], bytes], threads: int | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """For every block, in order, its length and what `compress` makes of its clusters; nothing (`b""`) of
    those that are zeros. `compress` runs in threads and gets whole clusters.

    Blocks have `BLOCK_SIZE` bytes, but the last one. A few of them per thread are in memory at a time.
    """
    workers = threads or len(os.sched_getaffinity(0))
    pool = ThreadPoolExecutor(workers, thread_name_prefix="clusters")
    waiting: deque[tuple[int, Future[list[bytes]] | None]] = deque()
    try:
        for block in blocks:
            clusters = None if block is ZEROS else pool.submit(_compress_block, block, compress)
            waiting.append((len(block), clusters))
            if len(waiting) > 4 * workers:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(length: int, clusters: Future[list[bytes]] | None) -> tuple[int, list[bytes]]:
    return length, clusters.result() if clusters is not None else []


def _compress_block(block: bytes, compress: Callable[[bytes], bytes]) -> list[bytes]:
    clusters = (block[start : start + CLUSTER] for start in range(0, len(block), CLUSTER))
    whole = (cluster.ljust(CLUSTER, b"\0") for cluster in clusters)
    return [b"" if cluster == _ZERO_CLUSTER else compress(cluster) for cluster in whole]
