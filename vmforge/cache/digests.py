"""Digests of files, and the memory of them that saves hashing gigabytes again."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from vmforge.cache.durable import note_record, read_record

_CHUNK = 1024 * 1024
# A file changed within its time stamps' resolution after it was hashed would look unchanged, so a
# file is remembered only if it had been at rest for this long (coarse file systems count in 2 s).
_AT_REST_SECONDS = 2.0


def hash_file(
    path: Path, algorithms: Iterable[str], on_bytes: Callable[[int], None] = lambda count: None
) -> dict[str, str]:
    """The hexadecimal digests of a file, by algorithm (names as in hashlib), read in one pass.

    `on_bytes` is called with the count of every chunk; what it raises ends the hashing. OSError
    comes through.
    """
    hashers = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            for hasher in hashers.values():
                hasher.update(buffer[:count])
            on_bytes(count)
    return {name: hasher.hexdigest() for name, hasher in hashers.items()}


class DigestMemory:
    """Remembers the digests of files that have not changed since, in a folder of small records.

    "Not changed" means the same size, inode and times of modification and change; the last cannot
    be set back by any program.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def digests(
        self, path: Path, algorithms: Iterable[str], on_bytes: Callable[[int], None] = lambda count: None
    ) -> dict[str, str]:
        """The digests of `path`, from memory where that is safe. OSError comes through."""
        wanted = sorted(set(algorithms))
        before = _fingerprint(path)
        known = self._recall(path, before)
        if all(name in known for name in wanted):
            return {name: known[name] for name in wanted}
        at_rest = time.time() - path.stat().st_ctime
        computed = hash_file(path, wanted, on_bytes)
        if at_rest > _AT_REST_SECONDS and _fingerprint(path) == before:
            self._write(path, before, known | computed)
        return computed

    def remember(self, path: Path, digests: Mapping[str, str]) -> None:
        """Note the digests of a file that the caller just wrote, and nobody else writes."""
        fingerprint = _fingerprint(path)
        self._write(path, fingerprint, self._recall(path, fingerprint) | dict(digests))

    def forget(self, path: Path) -> None:
        self._record(path).unlink(missing_ok=True)

    def _recall(self, path: Path, fingerprint: list[int]) -> dict[str, str]:
        record = read_record(self._record(path)) or {}
        digests = record.get("digests")
        if record.get("fingerprint") != fingerprint or not isinstance(digests, dict):
            return {}
        return {str(name): str(digest) for name, digest in digests.items()}

    def _write(self, path: Path, fingerprint: list[int], digests: Mapping[str, str]) -> None:
        record = {"path": str(path.absolute()), "fingerprint": fingerprint, "digests": dict(digests)}
        note_record(self._record(path), record)

    def _record(self, path: Path) -> Path:
        name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
        return self._folder / f"{name}.json"


def _fingerprint(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
