"""A file on its way: what has arrived of it, hashed as it arrives, and what is known of its source."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from vmforge.cache import space_checked
from vmforge.cache.durable import note_record, read_record
from vmforge.errors import HostError

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """What a server said about a file: the validators of RFC 9110 (section 8.8) and its size in bytes."""

    url: str = ""
    etag: str = ""
    last_modified: str = ""
    size: int | None = None

    @property
    def validator(self) -> str:
        """What `If-Range` may hold: a strong entity tag, else the date."""
        return self.etag if self.etag.startswith('"') else self.last_modified

    def is_same_file(self, other: Origin) -> bool:
        """Whether two answers were about one version of the file, as far as they tell."""
        if self.etag or other.etag:
            return self.etag == other.etag
        if self.last_modified or other.last_modified:
            return (self.last_modified, self.size) == (other.last_modified, other.size)
        return self.size is not None and self.size == other.size


class PartialFile:
    """The staged file `path`, open for more inside the `with` block. It outlives the block.

    What an earlier run left of it is hashed when the block is entered (`on_bytes` counts that, and
    may raise), and goes on from there. `origin` is where its bytes are from; None when unknown.
    """

    def __init__(
        self, path: Path, algorithms: Iterable[str], on_bytes: Callable[[int], None] = lambda count: None
    ) -> None:
        self.path = path
        self.size = 0
        self.origin: Origin | None = None
        self.resumed = False  # whether its bytes come from more than one answer
        self._algorithms = sorted(set(algorithms))
        self._on_bytes = on_bytes
        self._file: BinaryIO

    def __enter__(self) -> PartialFile:
        with self._disk_errors():
            self._file = self.path.open("ab+", buffering=0)
        try:
            with self._disk_errors():
                self._hash_what_is_there()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Append. Raises HostError when the disk is full or broken; what was written stays."""
        rest = memoryview(data)
        with self._disk_errors():
            while rest:
                written = self._file.write(rest)
                self._count(rest[:written])
                rest = rest[written:]

    def restart(self) -> None:
        """Drop everything that has arrived."""
        with self._disk_errors():
            self._file.truncate(0)
        self._begin()
        self.set_origin(None)

    def set_origin(self, origin: Origin | None) -> None:
        """Note where the bytes come from, for a later run."""
        self.origin = origin
        if origin is None:
            self._record.unlink(missing_ok=True)
        else:
            note_record(self._record, asdict(origin))

    def digests(self) -> dict[str, str]:
        """The digests of what has arrived, by algorithm."""
        return {name: hasher.hexdigest() for name, hasher in self._hashers.items()}

    def discard(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)
        self.forget_origin()

    def forget_origin(self) -> None:
        """Delete the note about the source, once the file is complete."""
        self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def _begin(self) -> None:
        self.size = 0
        self.resumed = False
        self._hashers = {name: hashlib.new(name, usedforsecurity=False) for name in self._algorithms}

    def _count(self, data: memoryview | bytes) -> None:
        for hasher in self._hashers.values():
            hasher.update(data)
        self.size += len(data)

    def _hash_what_is_there(self) -> None:
        self._begin()
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            self._count(chunk)
            self._on_bytes(len(chunk))
        self.resumed = self.size > 0
        self.origin = _read_origin(self._record) if self.resumed else None

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        needed = None
        if self.origin is not None and self.origin.size is not None:
            needed = max(0, self.origin.size - self.size)
        try:
            with space_checked(self.path.parent, needed):
                yield
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise HostError(f"`{self.path}` cannot be written: {reason}") from error


def _read_origin(path: Path) -> Origin | None:
    record = read_record(path)
    if record is None:
        return None
    size = record.get("size")
    url, etag, last_modified = (str(record.get(name, "")) for name in ("url", "etag", "last_modified"))
    return Origin(url, etag, last_modified, size if isinstance(size, int) else None)
