"""Writes a bundle: packs what is worth it, then the archive in one pass, staged and moved into place."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from vmforge.bundles.archive import CHUNK, END, MANIFEST, SIGNATURE, header, padding
from vmforge.bundles.collecting import Source
from vmforge.bundles.manifest import Manifest, Member
from vmforge.bundles.signing import Signer
from vmforge.cache import space_checked
from vmforge.cache.durable import move_durably
from vmforge.errors import HostError, VmforgeError

# What is small is packed well, and what is large fast.
_SMALL, _LEVEL, _LEVEL_OF_LARGE = 64 * 1024 * 1024, 10, 3
# What is packed must be at most nine tenths of what it was.
_WORTH = 0.9
# The bootstrapping parts first: `tar -xf FILE wheels` need not read the rest.
_ORDER = ("wheels/", "project/", "objects/", "layers/")


def write_bundle(
    target: Path,
    manifest: Manifest,
    sources: Mapping[str, Source],
    signer: Signer | None,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Manifest:
    """Write the archive of a manifest, whose members are made of `sources` (by SHA-256); equal content makes
    equal bytes. Without a `signer` it is not signed. What holds layers nobody else may read. `on_bytes`
    counts what is written, and what it raises breaks off. Raises `HostError`, and `VmforgeError` for a file
    that changes meanwhile."""
    with _scratch_beside(target) as scratch:
        stored = list(_members(sources, scratch, lambda: on_bytes(0)))
        members = tuple(one.member for one in stored)
        whole = replace(manifest, members=members, signer=signer.public if signer is not None else "")
        text = whole.encode()
        whole = Manifest.decode(text)
        signature = signer.sign(text) if signer is not None else b""
        staged = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            mode = 0o600 if whole.layers else 0o666
            with space_checked(target.absolute().parent), _created(staged, mode) as file:
                _write(file, _whole(MANIFEST, text), on_bytes)
                _write(file, _whole(SIGNATURE, signature), on_bytes)
                for one in stored:
                    _write(file, one.blocks(), on_bytes)
                file.write(END)
            move_durably(staged, target)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise HostError(f"`{target}` cannot be written: {reason}") from error
        finally:
            staged.unlink(missing_ok=True)
    return whole


@dataclass(frozen=True)
class _Stored:
    """A member, and the file that has its bytes as they will lie in the archive."""

    member: Member
    path: Path

    def blocks(self) -> Iterator[bytes]:
        """Raises `VmforgeError` when the file is not what it was."""
        member, hasher, size = self.member, hashlib.sha256(), 0
        yield header(member.name, member.stored_size)
        with self.path.open("rb", buffering=0) as file:
            while (chunk := file.read(CHUNK)) and size <= member.stored_size:
                hasher.update(chunk)
                size += len(chunk)
                yield chunk
        if hasher.hexdigest() != member.stored_sha256:
            raise _changed(self.path)
        yield padding(size)


@contextmanager
def _scratch_beside(target: Path) -> Iterator[Path]:
    """A folder for what is packed, where there must be room for it anyway."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.absolute().parent)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise HostError(f"`{target}` cannot be written: {reason}") from error
    with folder as path:
        yield Path(path)


def _members(sources: Mapping[str, Source], scratch: Path, check: Callable[[], None]) -> Iterator[_Stored]:
    ordered = sorted(sources.items(), key=lambda item: (_rank(item[1].name), item[1].name))
    for digest, source in ordered:
        size = source.path.stat().st_size
        path = scratch / digest
        if source.may_pack and _pack(source.path, path, digest, check):
            stored = _hashed(path)
            yield _Stored(Member(f"{source.name}.zst", digest, size, True, path.stat().st_size, stored), path)
        else:
            path.unlink(missing_ok=True)
            yield _Stored(Member(source.name, digest, size, False, size, digest), source.path)


def _pack(source: Path, target: Path, digest: str, check: Callable[[], None]) -> bool:
    """Pack a file; returns whether that is worth it. Raises `VmforgeError` when it is not what it was."""
    import zstandard

    size, hasher = source.stat().st_size, hashlib.sha256()
    level = _LEVEL if size <= _SMALL else _LEVEL_OF_LARGE
    packer = zstandard.ZstdCompressor(level=level, write_checksum=False).chunker(size, CHUNK)
    try:
        with space_checked(target.parent), source.open("rb") as reading, target.open("wb") as writing:
            while chunk := reading.read(CHUNK):
                check()
                hasher.update(chunk)
                writing.writelines(packer.compress(chunk))
            writing.writelines(packer.finish())  # type: ignore[no-untyped-call]
    except zstandard.ZstdError:  # it has another size by now
        raise _changed(source) from None
    if hasher.hexdigest() != digest:
        raise _changed(source)
    return target.stat().st_size <= size * _WORTH


def _changed(path: Path) -> VmforgeError:
    return VmforgeError(f"`{path}` was changed while it was read", hint="make the bundle again")


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _created(path: Path, mode: int) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb")


def _rank(name: str) -> int:
    return next(rank for rank, prefix in enumerate(_ORDER) if name.startswith(prefix))


def _whole(name: str, content: bytes) -> Iterable[bytes]:
    return (header(name, len(content)), content, padding(len(content)))


def _write(file: BinaryIO, blocks: Iterable[bytes], on_bytes: Callable[[int], None]) -> None:
    for block in blocks:
        file.write(block)
        on_bytes(len(block))
