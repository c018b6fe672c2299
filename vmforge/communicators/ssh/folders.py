"""Moves whole folders: as one tar stream where the guest has `tar`, else file by file over SFTP."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from vmforge.communicators.ssh import streams, transfer
from vmforge.communicators.ssh.session import PACKET, Session
from vmforge.communicators.ssh.sftp import Sftp
from vmforge.communicators.ssh.streams import Pipe
from vmforge.errors import CommunicatorError
from vmforge.sdk.local_files import Advance, arriving

# Whole packets.
_BUFFER = 8 * PACKET


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a local folder. `link` is a symbolic link's target, else empty."""

    name: str  # relative to the folder, with `/`
    path: Path
    status: os.stat_result
    link: str = ""

    @property
    def mode(self) -> int:
        return stat.S_IMODE(self.status.st_mode)

    @property
    def is_folder(self) -> bool:
        return not self.link and stat.S_ISDIR(self.status.st_mode)


def walk(folder: Path) -> Iterator[Entry]:
    """What a folder holds, each folder before its contents.

    A symbolic link stays one when it is relative and leads to a place within the folder; another would mean
    something else in the guest, so what it leads to is taken in its place. Sockets, devices and
    links to nowhere are left out.
    """
    yield from _walk(folder, folder.resolve(), "", (folder.resolve(),))


def _walk(folder: Path, root: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[Entry]:
    for item in sorted(os.scandir(folder), key=lambda item: item.name):
        path, name = Path(item.path), prefix + item.name
        if item.is_symlink():
            target = str(path.readlink())
            if _stays_within(path, target, root):
                yield Entry(name, path, item.stat(follow_symlinks=False), target)
                continue
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode):
            real = path.resolve()
            if real in above:  # a link to a folder that it is in
                continue
            yield Entry(name, path, status)
            yield from _walk(path, root, f"{name}/", (*above, real))
        elif stat.S_ISREG(status.st_mode):
            yield Entry(name, path, status)


def _stays_within(path: Path, target: str, root: Path) -> bool:
    return not Path(target).is_absolute() and (path.parent.resolve() / target).resolve().is_relative_to(root)


def send_as_tar(session: Session, entries: list[Entry], destination: str, advance: Advance) -> None:
    """Unpack the entries below `destination` in the guest; they belong to the user who unpacks."""
    with streams.open_unpacker(session, destination) as pipe:
        try:
            with tarfile.open(
                fileobj=_as_file(pipe), mode="w|", format=tarfile.GNU_FORMAT, bufsize=_BUFFER
            ) as archive:
                for entry in entries:
                    _add(archive, entry, advance)
        except OSError as error:
            # `tar` ended early; its last words say why
            if error.errno is not None or not session.survived():
                raise
        status = pipe.finish()
        if status != 0:
            raise transfer.complained(
                "write", destination, session.user, pipe.complaint or f"status {status}"
            )


def _as_file(pipe: Pipe) -> IO[bytes]:
    """In stream mode `tarfile` needs only `read` and `write`."""
    return cast("IO[bytes]", pipe)


def _add(archive: tarfile.TarFile, entry: Entry, advance: Advance) -> None:
    member = tarfile.TarInfo(entry.name)
    member.mode, member.mtime = entry.mode, int(entry.status.st_mtime)
    if entry.link:
        member.type, member.linkname = tarfile.SYMTYPE, entry.link
        archive.addfile(member)
    elif entry.is_folder:
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    else:
        with entry.path.open("rb") as file:
            # the size of the open file: it may have changed since the walk
            member.size = os.fstat(file.fileno()).st_size
            archive.addfile(member, file)
        advance(member.size)


def send_by_sftp(sftp: Sftp, entries: list[Entry], destination: str, advance: Advance) -> None:
    """Like `send_as_tar`, for guests without `tar`."""
    sftp.make_folder(destination)
    for entry in entries:
        path = f"{destination.rstrip('/')}/{entry.name}"
        if entry.link:
            sftp.link(entry.link, path)
        elif entry.is_folder:
            sftp.make_folder(path)
        else:
            with entry.path.open("rb") as file:
                sftp.upload(file, path, entry.mode, advance)


def fetch_as_tar(session: Session, source: str, destination: Path, advance: Advance) -> None:
    """Unpack what the guest packs. The guest is not trusted with paths outside `destination`."""
    with streams.open_packer(session, source) as pipe:
        try:
            with tarfile.open(fileobj=_as_file(pipe), mode="r|", bufsize=_BUFFER) as archive:
                for member in archive:
                    _unpack(archive, member, destination, advance)
        except tarfile.TarError as error:
            raise _failure(session, pipe, source, str(error)) from error
        if (status := pipe.finish()) != 0:
            raise _failure(session, pipe, source, f"status {status}")


def _failure(session: Session, pipe: Pipe, source: str, reason: str) -> CommunicatorError:
    pipe.finish()
    return transfer.complained("read", source, session.user, pipe.complaint or reason)


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, advance: Advance) -> None:
    target = _safe_target(root, member.name)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif member.issym():
        _link(target, member.linkname)
    elif member.isfile() and (content := archive.extractfile(member)) is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with arriving(target) as file:
            while data := content.read(_BUFFER):
                file.write(data)
                advance(len(data))
        target.chmod(member.mode & 0o777)
    elif member.islnk():
        target.unlink(missing_ok=True)
        os.link(_safe_target(root, member.linkname), target, follow_symlinks=False)


def _safe_target(root: Path, name: str) -> Path:
    """Where a name from the guest belongs. Raises `CommunicatorError` when that is not below `root`, be it by
    `..` or through a link that came before."""
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    target = root.joinpath(*parts)
    within = not name.startswith("/") and ".." not in parts
    if not within or (parts and not target.parent.resolve().is_relative_to(root.resolve())):
        raise CommunicatorError(f"the guest sent a path that leads out of the folder: `{name}`")
    return target


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def fetch_by_sftp(sftp: Sftp, source: str, destination: Path, advance: Advance) -> None:
    """Like `fetch_as_tar`, for guests without `tar`."""
    destination.mkdir(parents=True, exist_ok=True)
    for attributes in sftp.entries(source):
        path, mode = f"{source.rstrip('/')}/{attributes.filename}", attributes.st_mode or 0
        target = _safe_target(destination, attributes.filename)
        if stat.S_ISLNK(mode):
            _link(target, sftp.target_of(path))
        elif stat.S_ISDIR(mode):
            fetch_by_sftp(sftp, path, target, advance)
        elif stat.S_ISREG(mode):
            with arriving(target) as file:
                sftp.download(path, file, advance)
            target.chmod(stat.S_IMODE(mode) & 0o777)
