"""The archive: an uncompressed tar (GNU's format) that is read in one pass and believes nothing.

Its first member is the manifest, its second the signature, and then come exactly the members that the
manifest lists, in its order. Each header is a function of its member, so that every byte of the archive is
told by the manifest: what differs is an error. An object's place can be computed, and be passed over.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, cast

from vmforge.bundles.manifest import BundleError, Manifest, Member
from vmforge.bundles.signing import SIGNATURE_SIZE
from vmforge.errors import HostError

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
CHUNK: Final = 1024 * 1024
END: Final = bytes(2 * tarfile.BLOCKSIZE)
_LONGEST_MANIFEST: Final = 64 * 1024 * 1024


def header(name: str, size: int) -> bytes:
    """The header of a member: nobody's, of no time."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def padding(size: int) -> bytes:
    """What fills the last block of a member."""
    return bytes(-size % tarfile.BLOCKSIZE)


class Bundle:
    """A bundle that is being read, open inside the `with` block; `members` may be gone through once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO
        self.manifest: Manifest
        self.text = b""
        self.signature = b""

    def __enter__(self) -> Bundle:
        """Read the manifest and the signature. Raises `BundleError`, and `HostError` for a file that cannot
        be read."""
        try:
            self._file = self.path.open("rb", buffering=CHUNK)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise HostError(f"the bundle `{self.path}` cannot be read: {reason}") from None
        try:
            self.text = self._small(MANIFEST, _LONGEST_MANIFEST)
            self.manifest = Manifest.decode(self.text)
            self.signature = self._small(SIGNATURE, SIGNATURE_SIZE)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def members(self) -> Iterator[Content]:
        """The members in their order, each to be read, or skipped, before the next. After the last, the
        archive's end has been checked. Raises `BundleError`."""
        for member in self.manifest.members:
            expected = header(member.name, member.stored_size)
            if self._exactly(len(expected), member.name) != expected:
                raise self._damaged(f"the header of `{member.name}` is not what the manifest says")
            content = Content(self, member)
            yield content
            content.skip()
        if self._exactly(len(END), "") != END or self._read(1):
            raise self._damaged("something is behind its last member")

    def _small(self, name: str, longest: int) -> bytes:
        """The content of a member whose size nobody has told yet."""
        begin = self._exactly(tarfile.BLOCKSIZE, name)
        try:
            size = tarfile.TarInfo.frombuf(begin, "utf-8", "strict").size
        except (tarfile.HeaderError, UnicodeError):
            raise BundleError(f"`{self.path}` is no bundle: it is no tar archive") from None
        if not 0 <= size <= longest or begin != header(name, size):
            raise BundleError(f"`{self.path}` is no bundle: `{name}` is not where it belongs")
        content = self._exactly(size, name)
        self._pad(size, name)
        return content

    def _pad(self, size: int, name: str) -> None:
        if any(self._exactly(len(padding(size)), name)):
            raise self._damaged(f"something is behind `{name}`")

    def _exactly(self, size: int, name: str) -> bytes:
        data = self._read(size)
        if len(data) != size:
            raise self._damaged(f"it ends within `{name}`" if name else "it ends too early")
        return data

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise HostError(f"the bundle `{self.path}` cannot be read: {reason}") from None

    def _pass_over(self, size: int) -> bool:
        """Go on behind so many bytes without reading them, where that can be done."""
        if not self._file.seekable():
            return False
        self._file.seek(size, io.SEEK_CUR)
        return True

    def _damaged(self, reason: str) -> BundleError:
        return BundleError(
            f"the bundle `{self.path}` is damaged: {reason}",
            hint="fetch it again; `vmforge bundle verify` reads all of it",
        )


class Content:
    """What one member holds, checked while it is read: the last chunk comes only when all of it is right."""

    def __init__(self, bundle: Bundle, member: Member) -> None:
        self.member = member
        self._bundle = bundle
        self._touched = False

    def chunks(self) -> Iterator[bytes]:
        """The content, unpacked. Raises `BundleError` when it is not what the manifest says."""
        self._touched = True
        hasher, size = hashlib.sha256(), 0
        last = b""
        for chunk in self._unpacked() if self.member.packed else self._stored():
            hasher.update(chunk)
            size += len(chunk)
            if size > self.member.size:
                break
            if last:
                yield last
            last = chunk
        if size != self.member.size or hasher.hexdigest() != self.member.sha256:
            raise self._wrong()
        if last:
            yield last

    def skip(self) -> None:
        """Go on behind the member; what was not read is not checked."""
        if not self._touched:
            self._touched = True
            stored = self.member.stored_size
            if not self._bundle._pass_over(stored + len(padding(stored))):
                for _ in self._stored():
                    pass

    def _stored(self) -> Iterator[bytes]:
        """The bytes as they lie in the archive."""
        hasher, left = hashlib.sha256(), self.member.stored_size
        while left:
            chunk = self._bundle._exactly(min(CHUNK, left), self.member.name)
            hasher.update(chunk)
            left -= len(chunk)
            yield chunk
        self._bundle._pad(self.member.stored_size, self.member.name)
        if hasher.hexdigest() != self.member.stored_sha256:
            raise self._wrong()

    def _unpacked(self) -> Iterator[bytes]:
        """Piece by piece, however much a few bytes may stand for."""
        import zstandard

        stored = self._stored()
        pieces = cast("BinaryIO", _Pieces(stored))
        try:
            with zstandard.ZstdDecompressor().stream_reader(pieces, read_size=CHUNK) as reader:
                while chunk := reader.read(CHUNK):
                    yield chunk
        except (zstandard.ZstdError, MemoryError):
            raise self._wrong() from None
        for _ in stored:  # what it did not need; its digest is looked at behind it
            raise self._wrong()

    def _wrong(self) -> BundleError:
        return self._bundle._damaged(f"`{self.member.name}` is not what the manifest says")


class _Pieces:
    """Pieces of bytes as a file, as far as Zstandard reads one."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int = CHUNK) -> bytes:
        """The next piece, whatever its size; empty at the end."""
        return next(self._pieces, b"")
