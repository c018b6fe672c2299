"""What is kept of mirrors: answers by URL, their bodies in the shared store.

Two URLs with the same content share one object. A file that is being written is locked by who writes it, so
that the next run can tell what a killed one left.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO, Final

from vmforge.cache import Store, StoredObject, space_checked
from vmforge.cache.lock import is_current
from vmforge.package_cache.urls import Refused

# The extension of such objects in the store, which tells them from ISOs.
KIND: Final = "package"
_PREFIX: Final = "package:"
_ABSENT: Final = "no package:"
_USED_BY: Final = "packages of:"
# Unlike the partial files of ISOs, which another run goes on with.
_PART: Final = ".part-package"


@dataclass(frozen=True, slots=True)
class Kept:
    """A mirror's answer that is kept. `headers` are those to send with it, `fetched` is when its mirror last
    gave or confirmed it, in seconds since the epoch."""

    url: str
    digest: str
    size: int
    headers: Mapping[str, str]
    fetched: float

    @property
    def can_be_confirmed(self) -> bool:
        """Whether a mirror can say that it is unchanged, without sending it again."""
        return "ETag" in self.headers or "Last-Modified" in self.headers


@dataclass(frozen=True, slots=True)
class Ready:
    """A kept answer with its body open; whoever gets it closes `body`."""

    kept: Kept
    body: BinaryIO


def open_file(path: Path, url: str) -> Ready:
    """A file of a mirror on this machine, which is not kept a second time. Raises Refused."""
    try:
        body = path.open("rb", buffering=0)
        status = os.fstat(body.fileno())
    except (IsADirectoryError, NotADirectoryError, FileNotFoundError):
        raise Refused(404, f"the mirror has no file `{path}`") from None
    except OSError as error:
        raise Refused(502, f"`{path}` cannot be read: {error.strerror}") from None
    headers = {"Last-Modified": formatdate(status.st_mtime, usegmt=True)}
    return Ready(Kept(url, "", status.st_size, headers, status.st_mtime), body)


class Staged:
    """A file that a body is written to. `discard` deletes it, unless it has been kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with space_checked(path.parent):
            self.file: BinaryIO = path.open("xb+", buffering=0)
            fcntl.flock(self.file, fcntl.LOCK_EX)
            while not is_current(self.file.fileno(), path):
                # taken for a killed run's before it was locked
                self.file.close()
                self.file = path.open("xb+", buffering=0)
                fcntl.flock(self.file, fcntl.LOCK_EX)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)


class PackageShelf:
    """The kept answers of one store. Safe to use from several threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def root(self) -> Path:
        return self._store.root

    def find(self, url: str) -> Kept | None:
        """What is kept for a URL (in the form of `Target.url`)."""
        record = self._store.bound(_PREFIX + url)
        return _decoded(url, record) if record is not None else None

    def open(self, kept: Kept) -> BinaryIO | None:
        """The body, verified; None when it is gone or damaged, in which case what is kept is forgotten."""
        path = self._store.lookup(kept.digest, KIND)
        try:
            if path is not None:
                return path.open("rb", buffering=0)
        except FileNotFoundError:
            pass  # deleted just now
        self._store.unbind(_PREFIX + kept.url, _encoded(kept))
        return None

    def stage(self) -> Staged:
        """A new file to write a body to. Raises HostError when the disk is full."""
        return Staged(self._store.staged(f"{_PREFIX}{uuid.uuid4()}").with_suffix(_PART))

    def keep(self, url: str, staged: Staged, digest: str, headers: Mapping[str, str]) -> Kept:
        """Keep a whole body, whose SHA-256 the caller has computed. Raises HostError for a full disk."""
        size = staged.path.stat().st_size
        self._store.commit(staged.path, digest, KIND, origin=url)
        if self.was_absent(url):
            self._store.unbind(_ABSENT + url, {})
        return self._bind(Kept(url, digest, size, headers, time.time()))

    def confirm(self, kept: Kept, headers: Mapping[str, str]) -> Kept:
        """The mirror says that what is kept has not changed."""
        merged = {**kept.headers, **headers}
        return self._bind(Kept(kept.url, kept.digest, kept.size, merged, time.time()))

    def add(self, url: str, source: BinaryIO, headers: Mapping[str, str], fetched: float = 0.0) -> Kept:
        """Keep what comes from elsewhere than a mirror: a bundle, say."""
        staged, hasher = self.stage(), hashlib.sha256()
        try:
            with staged.file, space_checked(staged.path.parent):
                while chunk := source.read(1024 * 1024):
                    hasher.update(chunk)
                    staged.file.write(chunk)
                kept = self.keep(url, staged, hasher.hexdigest(), headers)
        finally:
            staged.discard()
        return self._bind(Kept(url, kept.digest, kept.size, headers, fetched))

    def entries(self) -> Iterator[Kept]:
        """Everything that is kept, in no order. The body of an entry may be gone."""
        for key, record in self._store.bindings(_PREFIX):
            kept = _decoded(key.removeprefix(_PREFIX), record)
            if kept is not None:
                yield kept

    def note_absent(self, url: str) -> None:
        """A mirror said that there is no such file."""
        if not self.was_absent(url):
            self._store.bind(_ABSENT + url, {})

    def was_absent(self, url: str) -> bool:
        """Whether a mirror said so when it was last asked. Of use where it cannot be asked: package managers
        look for files that archives may lack, and take any other answer for a failure."""
        return self._store.bound(_ABSENT + url) is not None

    def absent(self) -> Iterator[str]:
        """The URLs that lead nowhere, in no order."""
        return (key.removeprefix(_ABSENT) for key, _ in self._store.bindings(_ABSENT))

    def records(self, url: str) -> dict[str, Mapping[str, str]]:
        """What the store's index holds about a URL, by key: for taking it elsewhere."""
        found = {key: self._store.bound(key) for key in (_PREFIX + url, _ABSENT + url)}
        return {key: record for key, record in found.items() if record is not None}

    def note_used(self, used_by: str, urls: Iterable[str], *, beside: bool = False) -> None:
        """Remember which URLs a build was given: in place of those of its last run, or beside them."""
        known = self.used_by(used_by) if beside else ()
        self._store.bind(_USED_BY + used_by, {"urls": json.dumps(sorted({*known, *urls}))})

    def used_by(self, used_by: str) -> tuple[str, ...]:
        """The URLs that a build was given when it last ran from its beginning, and those that mirrors did not
        have."""
        record = self._store.bound(_USED_BY + used_by) or {}
        return tuple(json.loads(record.get("urls", "[]")))

    def objects(self) -> list[StoredObject]:
        """The bodies, the longest unused first."""
        return [item for item in self._store.objects() if item.extension == KIND]

    def prune(self, limit: int, *, unused_since: float = 0.0, rehearse: bool = False) -> list[StoredObject]:
        """Delete the longest unused bodies until they have `limit` bytes at most, and all that are unused
        since `unused_since` (in seconds since the epoch; 0: never mind). A client that is being sent one
        gets it to its end. `rehearse` deletes nothing. Returns what was, or would be, deleted."""
        objects = self.objects()
        total = sum(item.size for item in objects)
        deleted = []
        for item in objects:
            if total <= limit and item.last_used >= unused_since:
                break
            deleted.append(item)
            total -= item.size
            if not rehearse:
                self._store.discard(item.path)
        if deleted and not rehearse:
            self._forget({item.digest for item in deleted})
        return deleted

    def sweep(self) -> None:
        """Delete the files that killed runs were writing."""
        for path in (self._store.root / "objects").glob(f"*{_PART}"):
            _delete_abandoned(path)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self._store.root).free

    def _bind(self, kept: Kept) -> Kept:
        self._store.bind(_PREFIX + kept.url, _encoded(kept))
        return kept

    def _forget(self, digests: set[str]) -> None:
        for key, record in self._store.bindings(_PREFIX):
            if record.get("sha256") in digests:
                self._store.unbind(key, record)


def _delete_abandoned(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except OSError:
        pass  # somebody writes it
    finally:
        os.close(descriptor)


def _encoded(kept: Kept) -> dict[str, str]:
    headers = json.dumps(dict(kept.headers))
    return {
        "sha256": kept.digest,
        "size": str(kept.size),
        "headers": headers,
        "fetched": str(kept.fetched),
    }


def _decoded(url: str, record: Mapping[str, str]) -> Kept | None:
    try:
        headers = {str(name): str(value) for name, value in json.loads(record["headers"]).items()}
        return Kept(url, record["sha256"], int(record["size"]), headers, float(record["fetched"]))
    except (KeyError, ValueError, AttributeError):
        return None
