"""The store: objects named by their SHA-256, an index that leads to them, a lock per key.

objects/DIGEST.EXTENSION        the content; `HASH-OF-KEY.part` is one being written
uses/DIGEST.EXTENSION.json      when it was last used, and where it came from
index/HASH-OF-KEY.json          a key ("sha512:..." or a URL) and the object that it means
digests/HASH-OF-PATH.json       what is remembered about files that were hashed
locks/HASH-OF-KEY               held while the key's object is being made
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmforge.cache.digests import DigestMemory
from vmforge.cache.durable import (
    move_durably,
    note_record,
    read_record,
    space_checked,
    write_record,
)
from vmforge.cache.lock import Cancellable, KeyLock
from vmforge.errors import HostError
from vmforge.sdk.cancellation import Cancellation

_FOLDERS: Final = ("objects", "uses", "index", "digests", "locks")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the store. `size` in bytes, `last_used` in seconds since the epoch."""

    digest: str
    extension: str
    path: Path
    size: int
    last_used: float
    origin: str


def default_root(environment: Mapping[str, str]) -> Path:
    """Where the store is: `VMFORGE_CACHE_DIR`, else the user's cache folder (XDG Base Directory)."""
    if own := environment.get("VMFORGE_CACHE_DIR"):
        return Path(own).absolute()
    # the specification says to ignore a relative path
    shared = environment.get("XDG_CACHE_HOME", "")
    if shared.startswith("/"):
        return Path(shared) / "vmforge"
    home = environment.get("HOME")
    return (Path(home) if home else Path.home()) / ".cache" / "vmforge"


class Store:
    """The store below one folder, made when it is not there. Raises HostError where it cannot be.

    Safe to use from several processes and threads at once. Digests are SHA-256 in lower-case hex,
    extensions have no dot.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            # layers hold the memory of machines, which is nobody else's business
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in _FOLDERS:
                (root / folder).mkdir(exist_ok=True)
        except OSError as error:
            raise HostError(
                f"the cache `{root}` cannot be made: {error.strerror}",
                hint="set `VMFORGE_CACHE_DIR` to a folder that you may write to",
            ) from error
        self.digests = DigestMemory(root / "digests")

    def lock(
        self, key: str, cancellation: Cancellable, *, on_wait: Callable[[str], None] = lambda holder: None
    ) -> KeyLock:
        """The lock of a key, to be entered: see `KeyLock`."""
        return KeyLock(self.root / "locks" / _hash(key), cancellation, on_wait)

    def path_of(self, digest: str, extension: str) -> Path:
        """Where the object is, or would be."""
        return self.root / "objects" / (f"{digest}.{extension}" if extension else digest)

    def staged(self, key: str) -> Path:
        """The file to write a key's object to, under the key's lock.

        What is there already was left by a run that broke off: go on with it or write it anew.
        """
        return self.root / "objects" / f"{_hash(key)}.part"

    def commit(self, staged: Path, digest: str, extension: str, *, origin: str = "") -> Path:
        """Make a staged file the object `digest`; the caller has computed that while writing it."""
        final = self.path_of(digest, extension)
        with space_checked(self.root):
            move_durably(staged, final)
        self.digests.remember(final, {"sha256": digest})
        self._note_use(final, origin)
        return final

    def lookup(
        self,
        digest: str,
        extension: str,
        *,
        on_bytes: Callable[[int], None] = lambda count: None,
        on_damage: Callable[[Path], None] = lambda path: None,
    ) -> Path | None:
        """The object, verified, and noted as used; None when the store does not have it.

        It is hashed again unless it is unchanged since it was (`DigestMemory`). An object that is
        not what its name says is deleted after `on_damage` was told.
        """
        path = self.path_of(digest, extension)
        try:
            actual = self.digests.digests(path, ["sha256"], on_bytes)["sha256"]
        except FileNotFoundError:
            return None
        if actual != digest:
            on_damage(path)
            self.discard(path)
            return None
        self._note_use(path)
        return path

    def bind(self, key: str, record: Mapping[str, str]) -> None:
        """Note in the index what a key leads to, in place of what it led to before."""
        write_record(self._index(key), {"key": key, **record})

    def bound(self, key: str) -> dict[str, str] | None:
        """What `bind` noted for a key; None when there is nothing."""
        record = read_record(self._index(key))
        if record is None or record.get("key") != key:
            return None
        return {name: str(value) for name, value in record.items() if name != "key"}

    def bindings(self, prefix: str) -> Iterator[tuple[str, dict[str, str]]]:
        """The keys that begin with `prefix`, and what `bind` noted for each; in no order."""
        for path in (self.root / "index").glob("*.json"):
            record = read_record(path) or {}
            key = str(record.pop("key", ""))
            if key.startswith(prefix) and path == self._index(key):
                yield key, {name: str(value) for name, value in record.items()}

    def unbind(self, key: str, record: Mapping[str, str]) -> None:
        """Forget what a key leads to, if that is `record` and nobody is about to note something new."""
        lock = self.lock(key, Cancellation())
        if self.bound(key) == record and lock.acquire_now():
            if self.bound(key) == record:
                self._index(key).unlink(missing_ok=True)
            lock.delete()

    def discard(self, path: Path) -> None:
        """Delete an object and what is known about it. Who has it open keeps it."""
        path.unlink(missing_ok=True)
        self._use_record(path).unlink(missing_ok=True)
        self.digests.forget(path)

    def is_whole(self, item: StoredObject) -> bool:
        """Whether an object is what its name says, read again in full. OSError comes through."""
        self.digests.forget(item.path)
        return self.digests.digests(item.path, ["sha256"])["sha256"] == item.digest

    def objects(self) -> list[StoredObject]:
        """Every object, the longest unused first. Files that are still being written do not count."""
        found = (self._describe(path) for path in (self.root / "objects").iterdir())
        return sorted((item for item in found if item is not None), key=lambda item: item.last_used)

    def _describe(self, path: Path) -> StoredObject | None:
        digest, _, extension = path.name.partition(".")
        if extension.startswith("part"):
            return None
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        record = read_record(self._use_record(path)) or {}
        used = record.get("last_used")
        last_used = float(used) if isinstance(used, (int, float)) else status.st_mtime
        return StoredObject(digest, extension, path, status.st_size, last_used, str(record.get("origin", "")))

    def _note_use(self, path: Path, origin: str = "") -> None:
        record = read_record(self._use_record(path)) or {}
        record["last_used"] = time.time()
        if origin:
            record["origin"] = origin
        note_record(self._use_record(path), record)

    def _use_record(self, path: Path) -> Path:
        return self.root / "uses" / f"{path.name}.json"

    def _index(self, key: str) -> Path:
        return self.root / "index" / f"{_hash(key)}.json"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
