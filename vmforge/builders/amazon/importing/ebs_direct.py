"""Writes a disk of this machine straight into a snapshot: only the blocks that hold something are sent.

The API is that of https://docs.aws.amazon.com/ebs/latest/userguide/writesnapshots.html.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.tagging import as_api
from vmforge.hypervisor.contents import BLOCK_SIZE, ZERO_BLOCK, DiskContents, open_contents

_GIBIBYTE = 1024**3
# A snapshot that nothing is written to any more for so many minutes is dropped by AWS.
_IDLE_MINUTES = 60
_ALGORITHM = "SHA256"


@dataclass
class SnapshotWriter:
    """Writes one disk into one snapshot. `on_bytes` counts the disk's bytes as they are dealt with."""

    account: Account
    disk: Path
    tags: Mapping[str, str]
    description: str
    encrypt: bool = False
    key: str = ""
    parallel: int = 16
    on_bytes: Callable[[int], None] = lambda count: None
    sent: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def start(self) -> dict[str, Any]:
        """Begin the snapshot; its id is `SnapshotId`."""
        with self._open() as contents:
            size = -(-contents.size // _GIBIBYTE)
        request: dict[str, Any] = {
            "VolumeSize": size,
            "Description": self.description,
            "Tags": as_api(self.tags),
            "Timeout": _IDLE_MINUTES,
            "ClientToken": str(uuid.uuid4()),
        }
        if self.encrypt:
            request |= {"Encrypted": True} | ({"KmsKeyArn": self.key} if self.key else {})
        return self.account.api("ebs")("start_snapshot", **request)

    def fill(self, begun: Mapping[str, Any]) -> None:
        """Send the disk, and close the snapshot. Raises `VmforgeError`."""
        snapshot, size = str(begun["SnapshotId"]), int(begun["BlockSize"])
        with self._open() as contents, ThreadPoolExecutor(self.parallel, "ebs") as pool:
            pending: set[Future[None]] = set()
            try:
                for index, data in pieces(contents.blocks(self.on_bytes), size):
                    pending.add(pool.submit(self._put, snapshot, index, data))
                    if len(pending) >= 2 * self.parallel:
                        done, pending = wait(pending, return_when=FIRST_COMPLETED)
                        _raise_first(done)
                _raise_first(wait(pending).done)
            except BaseException:
                for future in pending:
                    future.cancel()
                raise
        self.account.api("ebs")("complete_snapshot", SnapshotId=snapshot, ChangedBlocksCount=self.sent)

    def _open(self) -> DiskContents:
        return open_contents(self.disk, self.account.cancellation)

    def _put(self, snapshot: str, index: int, data: bytes) -> None:
        self.account.api("ebs")(
            "put_snapshot_block",
            SnapshotId=snapshot,
            BlockIndex=index,
            BlockData=data,
            DataLength=len(data),
            Checksum=base64.b64encode(hashlib.sha256(data).digest()).decode(),
            ChecksumAlgorithm=_ALGORITHM,
        )
        with self._lock:
            self.sent += 1


def pieces(blocks: Iterable[bytes], size: int) -> Iterator[tuple[int, bytes]]:
    """The pieces of `size` bytes that hold something, with their numbers; the last one is filled up."""
    zeros, index, rest = bytes(size), 0, b""
    for block in blocks:
        if block is ZERO_BLOCK and not rest and BLOCK_SIZE % size == 0:
            index += BLOCK_SIZE // size
            continue
        rest += block
        for at in range(0, len(rest) - size + 1, size):
            piece = rest[at : at + size]
            if piece != zeros:
                yield index, piece
            index += 1
        rest = rest[len(rest) - len(rest) % size :]
    if rest.strip(b"\0"):
        yield index, rest.ljust(size, b"\0")


def _raise_first(done: Iterable[Future[None]]) -> None:
    for future in done:
        future.result()
