"""Writes the two archive formats of a Linux boot, the same bytes for the same tree: cpio (newc) and tar."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

EPOCH = 1_700_000_000
"""The time of every file (seconds since 1970): equal inputs give equal bytes."""


@dataclass(frozen=True)
class Entry:
    """One file: its type and permissions, and its contents (of a link: the target)."""

    mode: int
    data: bytes = b""


@dataclass
class Tree:
    """The files of an archive by their path without a leading slash; folders come by themselves."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def add_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Put a file at `path`, in place of what was there."""
        self._add_parents(path)
        self.entries[path] = Entry(stat.S_IFREG | mode, data)

    def add_link(self, path: str, target: str) -> None:
        """Put a symbolic link at `path`."""
        self._add_parents(path)
        self.entries[path] = Entry(stat.S_IFLNK | 0o777, target.encode())

    def add_folder(self, path: str) -> None:
        """Put a folder at `path`."""
        self._add_parents(f"{path}/")

    def set_mode(self, path: str, mode: int) -> None:
        """Change the permissions of what is at `path`; nothing there becomes an empty folder."""
        self.add_folder(str(Path(path).parent))
        entry = self.entries.get(path, Entry(stat.S_IFDIR))
        self.entries[path] = Entry(stat.S_IFMT(entry.mode) | mode, entry.data)

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        return iter(sorted(self.entries.items()))

    def _add_parents(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            folder = "/".join(parts[:count])
            entry = self.entries.setdefault(folder, Entry(stat.S_IFDIR | 0o755))
            if not stat.S_ISDIR(entry.mode):
                raise ValueError(f"{path}: `{folder}` is a link or a file")


def cpio(tree: Tree) -> bytes:
    """The archive that Linux unpacks as its first file system.

    Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    out = io.BytesIO()
    for inode, (path, entry) in enumerate([*tree, ("TRAILER!!!", Entry(0))], start=1):
        name = path.encode() + b"\0"
        numbers = (inode, entry.mode, 0, 0, 1, EPOCH, len(entry.data), 0, 0, 0, 0, len(name), 0)
        out.write(b"070701" + b"".join(b"%08X" % number for number in numbers) + name)
        out.write(b"\0" * (-out.tell() % 4))
        out.write(entry.data)
        out.write(b"\0" * (-out.tell() % 4))
    return out.getvalue()


def tar(tree: Tree) -> bytes:
    """The archive that the installer unpacks onto the disk."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, entry in tree:
            member = tarfile.TarInfo(path)
            member.mtime = EPOCH
            member.mode = stat.S_IMODE(entry.mode)
            if stat.S_ISLNK(entry.mode):
                member.type, member.linkname = tarfile.SYMTYPE, entry.data.decode()
            elif stat.S_ISDIR(entry.mode):
                member.type = tarfile.DIRTYPE
            else:
                member.size = len(entry.data)
            archive.addfile(member, io.BytesIO(entry.data))
    return out.getvalue()
