"""The image of a 1.44 MB floppy with the FAT12 file system and long file names.

After Microsoft's "FAT: General Overview of On-Disk Format" (version 1.03, 2000).
"""

from __future__ import annotations

import re
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.media.contents import Contents

_SECTOR = 512  # and a cluster is one sector
_SECTORS = 2880
_FAT_SECTORS = 9
_ROOT_ENTRIES = 224
_ENTRY = 32
_FIRST_FAT = 1
_ROOT = _FIRST_FAT + 2 * _FAT_SECTORS
_DATA = _ROOT + _ROOT_ENTRIES * _ENTRY // _SECTOR
_CLUSTERS = _SECTORS - _DATA
_END_OF_CHAIN = 0xFFF
_FOLDER, _VOLUME, _ARCHIVE, _LONG_NAME = 0x10, 0x08, 0x20, 0x0F
_LONG_NAME_UNITS = 13  # of a long name in one entry
_EARLIEST = time.struct_time((1980, 1, 1, 0, 0, 0, 0, 1, 0))


def floppy_image(contents: Contents, label: str) -> bytes:
    """The image, 1,474,560 bytes. Raises VmforgeError for what does not fit, OSError for unreadable files."""
    if not (label.isascii() and label.isprintable() and len(label) <= 11):
        raise VmforgeError(
            f"`{label}` cannot be the label of a floppy", hint="use at most 11 ASCII characters"
        )
    root = _tree(contents)
    volume = _Volume()
    volume.add_root(root, label)
    return volume.image(label)


@dataclass
class _File:
    name: str
    data: bytes
    modified: time.struct_time = _EARLIEST


@dataclass
class _Folder:
    name: str
    children: dict[str, _File | _Folder] = field(default_factory=dict)
    modified: time.struct_time = _EARLIEST

    def entry_count(self) -> int:
        """How many directory entries the children take, long names included."""
        short_names = _ShortNames()
        return sum(1 + len(_long_entries(name, short_names.of(name))) for name in self.children)


def _tree(contents: Contents) -> _Folder:
    """The contents as folders. Names differ by more than case, as FAT demands."""
    root = _Folder("")
    for path, source in contents.items():
        *parents, name = path.split("/")
        folder = root
        for parent in parents:
            child = folder.children.setdefault(_known_name(folder, parent), _Folder(parent))
            if not isinstance(child, _Folder):
                raise VmforgeError(f"`{child.name}` is a file and a folder on the floppy")
            folder = child
        if name:
            known = _known_name(folder, name)
            if isinstance(folder.children.get(known), _Folder):
                raise VmforgeError(f"`{path}` is a file and a folder on the floppy")
            folder.children[known] = _file(name, source)
    return root


def _known_name(folder: _Folder, name: str) -> str:
    """The name under which the folder has `name` already, in whichever case; else `name`."""
    if re.search(r'[\x00-\x1f"*/:<>?\\|]', name) or len(name) > 255 or name.endswith((" ", ".")):
        raise VmforgeError(f"a floppy cannot hold a file called `{name}`")
    return next((known for known in folder.children if known.lower() == name.lower()), name)


def _file(name: str, source: Path | bytes) -> _File:
    if isinstance(source, bytes):
        return _File(name, source)
    status = source.stat()
    if status.st_size > _CLUSTERS * _SECTOR:
        raise _too_large(status.st_size)
    return _File(name, source.read_bytes(), max(time.gmtime(status.st_mtime), _EARLIEST))


def _too_large(size: int) -> VmforgeError:
    return VmforgeError(
        f"the floppy's files need {size:,} bytes, and it holds {_CLUSTERS * _SECTOR:,}",
        hint="put large files on a CD with `cd_files`, or serve them with `http_directory`",
    )


class _Volume:
    """The clusters and the allocation table."""

    def __init__(self) -> None:
        self._chain: list[int] = [0xFF0, _END_OF_CHAIN]
        self._data = bytearray()
        self._root = b""

    def add_root(self, root: _Folder, label: str) -> None:
        entries = [_entry(label.encode().ljust(11), _VOLUME, 0, 0, _EARLIEST)] if label else []
        if len(entries) + root.entry_count() > _ROOT_ENTRIES:
            raise VmforgeError(
                f"a floppy's root holds at most {_ROOT_ENTRIES} names, fewer when they are long",
                hint="put the files into a folder with `floppy_dirs`, or on a CD with `cd_files`",
            )
        self._root = b"".join([*entries, *self._entries(root, 0)])

    def image(self, label: str) -> bytes:
        used = len(self._chain) - 2
        if used > _CLUSTERS:
            raise _too_large(used * _SECTOR)
        table = _packed(self._chain).ljust(_FAT_SECTORS * _SECTOR, b"\0")
        serial = zlib.crc32(self._data, zlib.crc32(self._root))
        root = self._root.ljust(_ROOT_ENTRIES * _ENTRY, b"\0")
        system = _boot_sector(label, serial) + table * 2 + root
        return (system + bytes(self._data)).ljust(_SECTORS * _SECTOR, b"\0")

    def _entries(self, folder: _Folder, own_cluster: int) -> Iterator[bytes]:
        """The directory entries of a folder's children, whose clusters are filled on the way."""
        short_names = _ShortNames()
        for name, child in folder.children.items():
            short = short_names.of(name)
            yield from _long_entries(name, short)
            if isinstance(child, _Folder):
                cluster = self._add_folder(child, own_cluster)
                yield _entry(short, _FOLDER, cluster, 0, child.modified)
            else:
                cluster = self._allocate(len(child.data))
                self._fill(cluster, child.data)
                yield _entry(short, _ARCHIVE, cluster, len(child.data), child.modified)

    def _add_folder(self, folder: _Folder, parent: int) -> int:
        cluster = self._allocate((folder.entry_count() + 2) * _ENTRY)
        dots = [
            _entry(name.ljust(11), _FOLDER, where, 0, folder.modified)
            for name, where in ((b".", cluster), (b"..", parent))
        ]
        self._fill(cluster, b"".join([*dots, *self._entries(folder, cluster)]))
        return cluster

    def _allocate(self, size: int) -> int:
        """The first of a chain of adjoining clusters; 0 for nothing."""
        count = -(-size // _SECTOR)
        if count == 0:
            return 0
        first = len(self._chain)
        self._chain += [*range(first + 1, first + count), _END_OF_CHAIN]
        self._data += bytes(count * _SECTOR)
        return first

    def _fill(self, cluster: int, data: bytes) -> None:
        start = (cluster - 2) * _SECTOR
        self._data[start : start + len(data)] = data


class _ShortNames:
    """The 8.3 names given out in one folder."""

    def __init__(self) -> None:
        self._taken: set[bytes] = set()

    def of(self, name: str) -> bytes:
        """A free name of eleven bytes; a numbered one (`DLONGN~1TXT`) where `name` is no 8.3 name."""
        stem, _, extension = name.lstrip(".").rpartition(".") if "." in name.lstrip(".") else (name, "", "")
        plain_stem, plain_extension = _short_part(stem), _short_part(extension)[:3]
        fits = len(plain_stem) <= 8 and f"{plain_stem}.{plain_extension}".rstrip(".") == name.upper()
        candidate = _eleven(plain_stem, plain_extension)
        number = 0
        while not fits or candidate in self._taken:
            fits, number = True, number + 1
            tail = f"~{number}"
            candidate = _eleven(plain_stem[: 8 - len(tail)] + tail, plain_extension)
        self._taken.add(candidate)
        return candidate


def _short_part(text: str) -> str:
    return re.sub(r"[^A-Z0-9!#$%&'()@^_`{}~-]", "_", re.sub(r"[ .]", "", text.upper()))


def _eleven(stem: str, extension: str) -> bytes:
    return stem[:8].ljust(8).encode() + extension.ljust(3).encode()


def _long_entries(name: str, short: bytes) -> list[bytes]:
    """The entries that stand before the short one and hold the long name, its last part first."""
    shown = short[:8].decode().rstrip() + ("." + short[8:].decode().rstrip()).rstrip(".")
    if shown == name:
        return []
    checksum = 0
    for byte in short:
        checksum = ((checksum >> 1) + ((checksum & 1) << 7) + byte) & 0xFF
    units = name.encode("utf-16-le", errors="replace")
    count = -(-len(units) // (2 * _LONG_NAME_UNITS))
    padded = (units + b"\0\0").ljust(count * 2 * _LONG_NAME_UNITS, b"\xff")
    entries = []
    for index in reversed(range(count)):
        part = padded[index * 2 * _LONG_NAME_UNITS :][: 2 * _LONG_NAME_UNITS]
        order = index + 1 | (0x40 if index == count - 1 else 0)
        fields = (order, part[:10], _LONG_NAME, 0, checksum, part[10:22], 0, part[22:26])
        entries.append(struct.pack("<B10sBBB12sH4s", *fields))
    return entries


def _entry(name: bytes, attributes: int, cluster: int, size: int, modified: time.struct_time) -> bytes:
    clock = modified.tm_hour << 11 | modified.tm_min << 5 | min(modified.tm_sec, 59) // 2
    day = (modified.tm_year - 1980) << 9 | modified.tm_mon << 5 | modified.tm_mday
    return struct.pack("<11sB2xHHHHHHHI", name, attributes, clock, day, day, 0, clock, day, cluster, size)


def _packed(chain: list[int]) -> bytes:
    """The table, two entries of twelve bits in three bytes."""
    packed = bytearray()
    for index in range(0, len(chain), 2):
        low, high = chain[index], chain[index + 1] if index + 1 < len(chain) else 0
        packed += (low | high << 12).to_bytes(3, "little")
    return bytes(packed)


def _boot_sector(label: str, serial: int) -> bytes:
    geometry = struct.pack(
        "<HBHBHHBHHHII", _SECTOR, 1, 1, 2, _ROOT_ENTRIES, _SECTORS, 0xF0, _FAT_SECTORS, 18, 2, 0, 0
    )
    identity = struct.pack(
        "<BBBI11s8s", 0, 0, 0x29, serial, (label or "NO NAME").encode().ljust(11), b"FAT12   "
    )
    # not bootable: `int 18h` makes the BIOS try the next device
    program = b"\xcd\x18\xeb\xfe"
    return (b"\xeb\x3c\x90MSDOS5.0" + geometry + identity + program).ljust(510, b"\0") + b"\x55\xaa"
