"""Uploads that outlive their connection: they go on where the guest proves that it has what came before."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from vmforge.communicators.ssh import streams
from vmforge.communicators.ssh.session import Session
from vmforge.communicators.ssh.transfer import BLOCK, Transfer
from vmforge.sdk.local_files import Advance

# A connection that breaks so often in a row, with less than this moved in between, is no good.
_FRUITLESS, _WORTHWHILE = 3, 1024 * 1024

_CHUNK = 1024 * 1024


class Upload:
    """One file on its way into the guest. `source` is read from where it stands."""

    def __init__(self, source: BinaryIO, destination: str, mode: int | None, advance: Advance) -> None:
        self._source, self.destination, self._mode = source, destination, mode
        self._advance = advance
        self._start = _position(source)
        self._moved, self._shown = 0, 0
        self._moved_at_break, self._fruitless = 0, 0

    def send(self, files: Transfer, session: Session, *, again: bool) -> int:
        """Move everything; `again` after a connection that broke. Returns how much was there already."""
        offset = self._arrived(session) if again else 0
        if self._start is not None and again:
            self._source.seek(self._start + offset)
        self._moved = offset
        self._show()
        files.upload(self._source, self.destination, self._mode, self._count, offset)
        return offset

    def may_go_on(self) -> bool:
        """Whether another connection is worth it, after one that broke."""
        if self._start is None:
            return False
        gained = self._moved - self._moved_at_break
        self._moved_at_break = self._moved
        self._fruitless = 0 if gained >= _WORTHWHILE else self._fruitless + 1
        return self._fruitless < _FRUITLESS

    def _arrived(self, session: Session) -> int:
        """How many bytes the guest has right, in whole blocks: after a crash a file may hold anything.

        Whatever the broken connection still writes there is the same, at the same place.
        """
        found = streams.size_and_digest(session, self.destination)
        if found is None or self._start is None:
            return 0
        size, digest = found
        return size // BLOCK * BLOCK if digest == _digest(self._source, self._start, size) else 0

    def _count(self, amount: int) -> None:
        self._moved += amount
        self._show()

    def _show(self) -> None:
        """Progress never goes back: what is sent a second time is not counted."""
        if self._moved > self._shown:
            self._advance(self._moved - self._shown)
            self._shown = self._moved


def _position(source: BinaryIO) -> int | None:
    """Where a source stands, if it can be read from there again."""
    try:
        return source.tell() if source.seekable() else None
    except (OSError, AttributeError):
        return None


def _digest(source: BinaryIO, start: int, size: int) -> str:
    """The SHA-256 of a stretch of the source; empty where it is shorter."""
    source.seek(start)
    digest, left = hashlib.sha256(), size
    while left and (data := source.read(min(left, _CHUNK))):
        digest.update(data)
        left -= len(data)
    return "" if left else digest.hexdigest()
