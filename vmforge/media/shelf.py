"""Where fetched media are kept: in the store, or at the path that a template names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.cache import KeyLock, Store, space_checked
from vmforge.cache.durable import move_durably
from vmforge.errors import HostError
from vmforge.media.checksum import Algorithm, Checksum
from vmforge.media.partial import Origin
from vmforge.sdk.cancellation import Cancellation


@dataclass(frozen=True, slots=True)
class Kept:
    """A medium that is there and was verified. `digest` is its SHA-256."""

    path: Path
    digest: str


class Shelf(ABC):
    """The place of one medium, known by `key`: its stated checksum, or its URLs where none is stated."""

    def __init__(self, store: Store, key: str, stated: Checksum | None) -> None:
        self._store = store
        self._key = key
        self._stated = stated

    @abstractmethod
    def lock(self, cancellation: Cancellation, on_wait: Callable[[str], None]) -> KeyLock:
        """The lock to hold while looking and fetching."""

    @abstractmethod
    def find(self, on_bytes: Callable[[int], None], on_damage: Callable[[Path], None]) -> Kept | None:
        """The medium, if it is there and what it should be; `on_damage` is told of a wrong one."""

    @abstractmethod
    def staged(self) -> Path:
        """The file to fetch to."""

    @abstractmethod
    def accept(self, staged: Path, digests: Mapping[str, str], origin: Origin) -> Kept:
        """Put the complete and verified file in its place. Raises HostError."""

    def origin(self) -> Origin:
        """What the server said about the medium when it was fetched."""
        record = self._store.bound(self._key) or {}
        size = record.get("size", "")
        return Origin(
            record.get("url", ""),
            record.get("etag", ""),
            record.get("last_modified", ""),
            int(size) if size.isdecimal() else None,
        )

    def _recorded_digest(self) -> str:
        return (self._store.bound(self._key) or {}).get("sha256", "")

    def _record(self, digest: str, origin: Origin) -> None:
        fields = {"url": origin.url, "etag": origin.etag, "last_modified": origin.last_modified}
        size = "" if origin.size is None else str(origin.size)
        self._store.bind(self._key, {"sha256": digest, "size": size, **fields})


class CacheShelf(Shelf):
    """The store. A medium is found by its content, whichever URL it came from."""

    def __init__(self, store: Store, key: str, stated: Checksum | None, extension: str) -> None:
        super().__init__(store, key, stated)
        self._extension = extension

    def lock(self, cancellation: Cancellation, on_wait: Callable[[str], None]) -> KeyLock:
        return self._store.lock(self._key, cancellation, on_wait=on_wait)

    def find(self, on_bytes: Callable[[int], None], on_damage: Callable[[Path], None]) -> Kept | None:
        is_name = self._stated is not None and self._stated.algorithm is Algorithm.SHA256
        digest = self._stated.digest if self._stated and is_name else self._recorded_digest()
        if not digest:
            return None
        path = self._store.lookup(digest, self._extension, on_bytes=on_bytes, on_damage=on_damage)
        return Kept(path, digest) if path is not None else None

    def staged(self) -> Path:
        return self._store.staged(self._key)

    def accept(self, staged: Path, digests: Mapping[str, str], origin: Origin) -> Kept:
        digest = digests[Algorithm.SHA256]
        path = self._store.commit(staged, digest, self._extension, origin=origin.url)
        self._record(digest, origin)
        return Kept(path, digest)


class TargetShelf(Shelf):
    """A path of the user's choice (`iso_target_path`), written next to itself and moved into place."""

    def __init__(self, store: Store, key: str, stated: Checksum | None, target: Path) -> None:
        super().__init__(store, f"{key} at {target}", stated)
        self._target = target

    def lock(self, cancellation: Cancellation, on_wait: Callable[[str], None]) -> KeyLock:
        return self._store.lock(f"path:{self._target}", cancellation, on_wait=on_wait)

    def find(self, on_bytes: Callable[[int], None], on_damage: Callable[[Path], None]) -> Kept | None:
        expected = self._stated or Checksum(Algorithm.SHA256, self._recorded_digest())
        wanted = {str(Algorithm.SHA256), str(expected.algorithm)}
        try:
            digests = self._store.digests.digests(self._target, wanted, on_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unwritable(error) from error
        if digests[expected.algorithm] != expected.digest:
            on_damage(self._target)
            return None
        return Kept(self._target, digests[Algorithm.SHA256])

    def staged(self) -> Path:
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return self._target.with_name(f"{self._target.name}.part")

    def accept(self, staged: Path, digests: Mapping[str, str], origin: Origin) -> Kept:
        try:
            with space_checked(self._target.parent):
                move_durably(staged, self._target)
        except OSError as error:
            raise self._unwritable(error) from error
        self._store.digests.remember(self._target, digests)
        self._record(digests[Algorithm.SHA256], origin)
        return Kept(self._target, digests[Algorithm.SHA256])

    def _unwritable(self, error: OSError) -> HostError:
        return HostError(
            f"`{self._target}` cannot be used: {(error.strerror or str(error)).lower()}",
            hint="set `iso_target_path` to a file that can be written, or leave it out to use the cache",
        )
