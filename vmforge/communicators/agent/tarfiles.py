"""Folders as tar files, which every Unix packs and unpacks."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import BinaryIO, cast

from vmforge.communicators.local_files import arriving
from vmforge.errors import CommunicatorError


@contextmanager
def packed(folder: Path) -> Iterator[BinaryIO]:
    """A folder's contents; they belong to the user who unpacks."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for item in sorted(folder.iterdir()):
                archive.add(item, item.name, filter=_of_root)
        file.seek(0)
        yield cast("BinaryIO", file)


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def unpack(path: Path, destination: Path) -> None:
    """Unpack what the guest packed, into a folder that is made if need be. The guest is not trusted with
    paths outside of it: raises `CommunicatorError` for one, and for what is no tar file."""
    destination.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                _extract(archive, member, destination)
    except tarfile.TarError as error:
        raise CommunicatorError(f"what the guest packed cannot be unpacked: {error}") from error


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    target = _within(member.name, root)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        target.unlink(missing_ok=True)
        target.symlink_to(member.linkname)
    elif (member.isfile() or member.islnk()) and (content := archive.extractfile(member)) is not None:
        with arriving(target) as file:
            copyfileobj(content, file)
        target.chmod(member.mode & 0o777)


def _within(name: str, root: Path) -> Path:
    """Where a name belongs: below `root`, be there `..` in it, or a link that came before."""
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    target = root.joinpath(*parts)
    inside = not name.startswith("/") and ".." not in parts
    if not inside or (parts and not target.parent.resolve().is_relative_to(root.resolve())):
        raise CommunicatorError(f"the guest sent a path that leads out of the folder: `{name}`")
    return target
