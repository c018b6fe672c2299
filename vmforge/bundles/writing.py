"""Writes a bundle: packs what is worth it, then the archive in one pass, staged and moved into place."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from vmforge.bundles.archive import CHUNK, END, MANIFEST, SIGNATURE, header, padding
from vmforge.bundles.collecting import Source
from vmforge.bundles.manifest import LARGEST_PACKED, Manifest, Member
from vmforge.bundles.signing import Signer
from vmforge.cache import space_checked
from vmforge.cache.durable import move_durably
from vmforge.errors import HostError, VmforgeError

_LEVEL = 10
# What is packed must be at most nine tenths of what it was.
_WORTH = 0.9
# The bootstrapping parts first: `tar -xf FILE wheels` need not read the rest.
_ORDER = ("wheels/", "project/", "objects/")


def write_bundle(
    target: Path,
    manifest: Manifest,
    sources: Mapping[str, Source],
    signer: Signer | None,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Manifest:
    """Write the archive of a manifest, whose members are made of `sources` (by SHA-256); equal content makes
    equal bytes. Without a `signer` it is not signed. `on_bytes` counts what is written, and what it raises
    breaks off. Raises `HostError`, and `VmforgeError` for a file that changes meanwhile."""
    with tempfile.TemporaryDirectory(prefix="vmforge-bundle-") as scratch:
        stored = list(_members(sources, Path(scratch)))
        members = tuple(one.member for one in stored)
        whole = replace(manifest, members=members, signer=signer.public if signer is not None else "")
        text = whole.encode()
        whole = Manifest.decode(text)
        signature = signer.sign(text) if signer is not None else b""
        staged = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with space_checked(target.absolute().parent), staged.open("xb") as file:
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
            raise VmforgeError(f"`{self.path}` was changed while it was read", hint="make the bundle again")
        yield padding(size)


def _members(sources: Mapping[str, Source], scratch: Path) -> Iterator[_Stored]:
    ordered = sorted(sources.items(), key=lambda item: (_rank(item[1].name), item[1].name))
    for digest, source in ordered:
        size = source.path.stat().st_size
        packed = _packed(source.path) if source.may_pack and size <= LARGEST_PACKED else None
        if packed is None:
            yield _Stored(Member(source.name, digest, size, False, size, digest), source.path)
            continue
        path = scratch / digest
        path.write_bytes(packed)
        stored = hashlib.sha256(packed).hexdigest()
        yield _Stored(Member(f"{source.name}.zst", digest, size, True, len(packed), stored), path)


def _packed(path: Path) -> bytes | None:
    """The file's content packed; None where that is not worth it."""
    import zstandard

    content = path.read_bytes()
    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False).compress(content)
    return packed if len(packed) <= len(content) * _WORTH else None


def _rank(name: str) -> int:
    return next(rank for rank, prefix in enumerate(_ORDER) if name.startswith(prefix))


def _whole(name: str, content: bytes) -> Iterable[bytes]:
    return (header(name, len(content)), content, padding(len(content)))


def _write(file: BinaryIO, blocks: Iterable[bytes], on_bytes: Callable[[int], None]) -> None:
    for block in blocks:
        file.write(block)
        on_bytes(len(block))
