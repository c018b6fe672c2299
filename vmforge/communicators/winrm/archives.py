"""Folders as ZIP files, which Windows unpacks and packs without further programs."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from vmforge.errors import CommunicatorError
from vmforge.sdk.local_files import arriving


@contextmanager
def zipped(folder: Path) -> Iterator[BinaryIO]:
    """A folder's contents as a ZIP file; links are followed, what is neither file nor folder is left out."""
    with tempfile.TemporaryFile() as packed:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for place, folders, names in os.walk(folder, followlinks=True):
                folders.sort()
                for path in (Path(place, name) for name in sorted([*folders, *names])):
                    if path.is_file() or path.is_dir():
                        archive.write(path, path.relative_to(folder))
        packed.seek(0)
        yield packed


@contextmanager
def unzipping(folder: Path) -> Iterator[Path]:
    """Where to put a ZIP file; it is unpacked into `folder` when the block ends well. The guest is not
    trusted with paths outside of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch, "folder.zip")
        yield packed
        with zipfile.ZipFile(packed) as archive:
            for entry in archive.infolist():
                _extract(archive, entry, folder)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    # before .NET 4.6.1 Windows wrote its own separators
    name = entry.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or ":" in name:
        raise CommunicatorError(f"the guest sent a path that leads out of the folder: `{name}`")
    target = folder.joinpath(*parts)
    if name.endswith("/"):
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with arriving(target) as file, archive.open(entry) as content:
        while data := content.read(256 * 1024):
            file.write(data)
