"""The archive that a box is: a compressed tar with `metadata.json` first.

Vagrant unpacks it with bsdtar, which knows gzip, xz and zstd; see
https://developer.hashicorp.com/vagrant/docs/boxes/format.
"""

from __future__ import annotations

import json
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vmforge.images.blocks import read_blocks, unreadable
from vmforge.images.compression.formats import Algorithm
from vmforge.images.compression.stream import write_compressed

OnBlock = Callable[[int], None]

METADATA = "metadata.json"
VAGRANTFILE = "Vagrantfile"
_MODE = 0o644


@dataclass(frozen=True, slots=True)
class BoxFile:
    """A file of a box: what it is called there, and where its contents are now."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class BoxContents:
    """All that a box holds. `metadata` is what Vagrant itself reads of it, `vagrantfile` the defaults of
    every machine that is made of it."""

    metadata: Mapping[str, object]
    vagrantfile: str
    files: tuple[BoxFile, ...]


def write_box(
    file: BinaryIO, contents: BoxContents, algorithm: Algorithm, level: int, on_block: OnBlock
) -> None:
    """Write the archive; `level` goes from 1 to 9. `on_block` is called with the sizes read of the files.

    Equal contents make equal archives: no times, no owners. Raises OSError when the file cannot be
    written, `VmforgeError` when one of the box's cannot be read.
    """
    write_compressed(_blocks(contents, on_block), file, algorithm, level)


def first_clash(files: Sequence[BoxFile]) -> BoxFile | None:
    """The first file whose name in the box is taken already."""
    taken = {METADATA, VAGRANTFILE}
    for file in files:
        if file.name in taken:
            return file
        taken.add(file.name)
    return None


def _blocks(contents: BoxContents, on_block: OnBlock) -> Iterator[bytes]:
    texts = {METADATA: json.dumps(contents.metadata), VAGRANTFILE: contents.vagrantfile}
    length = 0
    for name, text in texts.items():
        data = text.encode()
        member = _header(name, len(data), _MODE) + data + bytes(-len(data) % tarfile.BLOCKSIZE)
        length += len(member)
        yield member
    for file in contents.files:
        try:
            status = file.path.stat()
        except OSError as error:
            raise unreadable(file.path, error) from error
        header = _header(file.name, status.st_size, stat.S_IMODE(status.st_mode) | stat.S_IRUSR)
        padding = bytes(-status.st_size % tarfile.BLOCKSIZE)
        yield header
        yield from read_blocks(file.path, on_block)
        yield padding
        length += len(header) + status.st_size + len(padding)
    end = length + 2 * tarfile.BLOCKSIZE
    yield bytes(end - length + -end % tarfile.RECORDSIZE)


def _header(name: str, size: int, mode: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    info.uname = info.gname = "root"
    return info.tobuf(tarfile.GNU_FORMAT)
