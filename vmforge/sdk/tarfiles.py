"""Folders as tar streams, which every Unix packs and unpacks."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import copyfileobj, copymode
from typing import BinaryIO, cast

from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk.local_files import Advance, arriving

_BLOCK = 512
_CHUNK = 256 * 1024
_END = bytes(2 * _BLOCK)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the files are to be, by number."""

    user: int = 0
    group: int = 0


def pack(folder: Path, owner: Owner | None = None, advance: Advance = lambda amount: None) -> Iterator[bytes]:
    """A folder's contents as a tar stream, read while it is taken. They belong to `owner`, by default to the
    user who unpacks: number 0. Raises `HostError` for what cannot be read."""
    for path in sorted(folder.rglob("*")):
        member = _member(path, str(path.relative_to(folder)), owner or Owner())
        if member is None:
            continue
        yield member.tobuf(tarfile.GNU_FORMAT)
        if member.isreg():
            yield from _content(path, member.size, advance)
    yield _END


def pack_file(source: BinaryIO, member: tarfile.TarInfo, advance: Advance) -> Iterator[bytes]:
    """One file as a tar stream; `member` says its name, size, mode and owner."""
    yield member.tobuf(tarfile.GNU_FORMAT)
    yield from _padded(source, member.size, member.name, advance)
    yield _END


@contextmanager
def packed(folder: Path) -> Iterator[BinaryIO]:
    """A folder's contents as a tar file; they belong to the user who unpacks."""
    with tempfile.TemporaryFile() as file:
        file.writelines(pack(folder))
        file.seek(0)
        yield cast("BinaryIO", file)


def unpack(
    source: Path | BinaryIO, destination: Path, *, strip: int = 0, advance: Advance = lambda amount: None
) -> None:
    """Unpack what a guest packed, into a folder that is made if need be; `strip` is the number of folders to
    leave out at the beginning of each name. The guest is not trusted with paths outside of it: raises
    `CommunicatorError` for one, and for what is no tar file."""
    destination.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stream = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        try:
            archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))
            for member in archive:
                _extract(archive, member, destination, strip)
                advance(member.size)
        except tarfile.TarError as error:
            raise CommunicatorError(f"what the guest packed cannot be unpacked: {error}") from error


def _member(path: Path, name: str, owner: Owner) -> tarfile.TarInfo | None:
    """None for what is neither file, folder nor link (a socket, say)."""
    try:
        stat = path.lstat()
        member = tarfile.TarInfo(name)
        member.mode, member.mtime = stat.st_mode & 0o7777, int(stat.st_mtime)
        member.uid, member.gid = owner.user, owner.group
        if path.is_symlink():
            member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
        elif path.is_dir():
            member.type = tarfile.DIRTYPE
        elif path.is_file():
            member.size = stat.st_size
        else:
            return None
    except OSError as error:
        raise HostError(f"cannot read `{path}`: {error.strerror}") from error
    return member


def _content(path: Path, size: int, advance: Advance) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from _padded(file, size, str(path), advance)
    except OSError as error:
        raise HostError(f"cannot read `{path}`: {error.strerror}") from error


def _padded(file: BinaryIO, size: int, name: str, advance: Advance) -> Iterator[bytes]:
    left = size
    while left:
        data = file.read(min(_CHUNK, left))
        if not data:
            raise HostError(f"`{name}` became shorter while it was read")
        left -= len(data)
        advance(len(data))
        yield data
    yield bytes(-size % _BLOCK)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, strip: int) -> None:
    target = _within(member.name, root, strip)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        target.unlink(missing_ok=True)
        target.symlink_to(member.linkname)
    elif member.islnk():
        _write(target, _copier(_within(member.linkname, root, strip)))
    elif member.isfile() and (content := archive.extractfile(member)) is not None:
        _write(target, lambda file: copyfileobj(content, file, _CHUNK))
        target.chmod(member.mode & 0o777)


def _write(target: Path, fill: Callable[[BinaryIO], None]) -> None:
    with arriving(target) as file:
        fill(file)


def _copier(first: Path) -> Callable[[BinaryIO], None]:
    """Another name of a file that came before."""

    def fill(file: BinaryIO) -> None:
        if first.is_symlink() or not first.is_file():
            raise CommunicatorError(f"the guest sent a link to `{first.name}`, which it did not send")
        with first.open("rb") as content:
            copyfileobj(content, file)
        copymode(first, file.name)

    return fill


def _within(name: str, root: Path, strip: int) -> Path:
    """Where a name belongs: below `root`, be there `..` in it, or a link that came before."""
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    target = root.joinpath(*parts[strip:])
    inside = not name.startswith("/") and ".." not in parts
    if not inside or (parts[strip:] and not target.parent.resolve().is_relative_to(root.resolve())):
        raise CommunicatorError(f"the guest sent a path that leads out of the folder: `{name}`")
    return target
