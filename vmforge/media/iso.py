"""ISO 9660 images, written and read. The only module that knows pycdlib; its exceptions end here."""

from __future__ import annotations

import functools
import io
import posixpath
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

from vmforge.cache import space_checked
from vmforge.cache.durable import move_durably
from vmforge.errors import VmforgeError
from vmforge.media.contents import Contents
from vmforge.media.iso_names import FolderNames

_LONGEST_LABEL = 32
_LONGEST_JOLIET_LABEL = 16
_FILE_MODE, _PROGRAM_MODE = 0o100644, 0o100755
# what pycdlib raises for damaged images, besides its own exceptions
_DAMAGE = (PyCdlibException, ValueError, LookupError, struct.error)
# platform ids of boot catalogs: El Torito 1.0 (section 2.1) and UEFI 2.10 (section 13.3.2.1)
_PLATFORMS = {0: "BIOS", 1: "PowerPC", 2: "Mac", 0xEF: "UEFI"}


@dataclass(frozen=True, slots=True)
class BootEntry:
    """An image that firmware boots from a medium (El Torito). `platform` is `BIOS`, `UEFI`, ...; `path` is
    empty for an image that is no file."""

    platform: str
    path: str


def write_iso(target: Path, contents: Contents, volume_label: str) -> None:
    """Write an ISO image with Rock Ridge and Joliet names, as Linux and Windows read them.

    Raises VmforgeError for a label or a file that cannot be used, HostError for a full disk.
    """
    if not (volume_label.isascii() and volume_label.isprintable() and len(volume_label) <= _LONGEST_LABEL):
        raise VmforgeError(
            f"`{volume_label}` cannot be the label of a CD",
            hint=f"use at most {_LONGEST_LABEL} ASCII characters",
        )
    staged = target.with_name(f"{target.name}.part")
    image = pycdlib.PyCdlib()
    try:
        with space_checked(target.parent):
            joliet_label = volume_label[:_LONGEST_JOLIET_LABEL]
            image.new(interchange_level=3, vol_ident=joliet_label, joliet=3, rock_ridge="1.09")
            image.pvd.volume_identifier = volume_label.encode().ljust(_LONGEST_LABEL)
            _add_all(image, contents)
            image.write(str(staged))
            image.close()
            move_durably(staged, target)
    except (PyCdlibException, OSError) as error:
        raise VmforgeError(f"the ISO `{target}` cannot be written: {error}") from error
    finally:
        staged.unlink(missing_ok=True)


class _Folder:
    """A folder of an image that is being made, and where it is in either tree."""

    def __init__(self, image: Any, iso_path: str = "", joliet_path: str = "") -> None:
        self._image = image
        self._iso_path = iso_path
        self._joliet_path = joliet_path
        self._iso_names = FolderNames()
        self._joliet_names = FolderNames()

    def add_folder(self, name: str) -> _Folder:
        iso_path, joliet_path = self._paths(name, is_folder=True)
        self._image.add_directory(iso_path, rr_name=name, joliet_path=joliet_path)
        return _Folder(self._image, iso_path, joliet_path)

    def add_file(self, name: str, source: Path | bytes) -> None:
        iso_path, joliet_path = self._paths(name, is_folder=False)
        places = {"iso_path": iso_path, "rr_name": name, "joliet_path": joliet_path}
        if isinstance(source, bytes):
            self._image.add_fp(io.BytesIO(source), len(source), file_mode=_FILE_MODE, **places)
            return
        is_program = source.stat().st_mode & 0o111
        self._image.add_file(str(source), file_mode=_PROGRAM_MODE if is_program else _FILE_MODE, **places)

    def _paths(self, name: str, *, is_folder: bool) -> tuple[str, str]:
        iso_name = self._iso_names.iso(name, is_folder=is_folder)
        return f"{self._iso_path}/{iso_name}", f"{self._joliet_path}/{self._joliet_names.joliet(name)}"


def _add_all(image: Any, contents: Contents) -> None:
    folders = {"": _Folder(image)}

    def folder_at(path: str) -> _Folder:
        if path in contents:
            raise VmforgeError(f"`{path}` is a file and a folder on the CD")
        if path not in folders:
            parent, name = posixpath.split(path)
            folders[path] = folder_at(parent).add_folder(name)
        return folders[path]

    for path, source in contents.items():
        folder, name = posixpath.split(path)
        place = folder_at(folder)
        if name:
            place.add_file(name, source)


class IsoImage:
    """An ISO image that is open for reading inside the `with` block.

    Paths have slashes and no slash at the beginning. Names are Rock Ridge's, else Joliet's, else UDF's
    (Windows), else the plain ones without version; the last two in any case. Raises VmforgeError for what is
    no ISO image.

    `file` is what to read in place of the file at `path`, which is then only its name; it stays open.
    """

    def __init__(self, path: Path, file: BinaryIO | None = None) -> None:
        self.path = path
        self._file = file
        self._image: Any = None

    def __enter__(self) -> IsoImage:
        image = pycdlib.PyCdlib()
        with self._translated("is not an ISO image"):
            if self._file is None:
                image.open(str(self.path))
            else:
                image.open_fp(self._file)
        self._image = image
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._image.close()

    @property
    def volume_id(self) -> str:
        """The label of the primary volume."""
        return bytes(self._image.pvd.volume_identifier).decode("latin-1").rstrip(" \0")

    @property
    def application_id(self) -> str:
        """What made the image, or what it says of itself, in the primary volume."""
        return bytes(self._image.pvd.application_identifier.text).decode("latin-1").strip(" \0")

    @property
    def size(self) -> int:
        """The bytes of the primary volume, which the file is not shorter than if it is whole."""
        return int(self._image.pvd.space_size) * int(self._image.logical_block_size)

    def boot_entries(self) -> list[BootEntry]:
        """What firmware may boot, the default first; empty for an image that does not boot."""
        catalog = self._image.eltorito_boot_catalog
        if catalog is None:
            return []
        first = catalog.validation_entry.platform_id
        found = [(first, catalog.initial_entry)]
        found += [
            (section.platform_id, entry) for section in catalog.sections for entry in section.section_entries
        ]
        found += [(first, entry) for entry in catalog.standalone_entries]
        with self._translated("cannot be read"):
            paths = {self._extent(inner): path for path, inner in self._entries.items()}
        return [
            BootEntry(_PLATFORMS.get(platform, f"platform {platform}"), paths.get(entry.get_rba(), ""))
            for platform, entry in found
        ]

    def files(self) -> Iterator[str]:
        """The paths of all files; links are left out."""
        return iter(self._entries)

    def __contains__(self, path: str) -> bool:
        """Whether there is such a file, which can be read."""
        return self._inner(path) is not None

    def read(self, path: str) -> bytes:
        """The content of a file. Raises VmforgeError when it is not there."""
        output = io.BytesIO()
        self._copy(path, output)
        return output.getvalue()

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """A file of the image, to be read in parts. Raises VmforgeError when it is not there, or as soon as a
        part cannot be read."""
        inner = {self._tree: self._known(path)}
        with self._translated(f"`{path}` in it is damaged"), self._image.open_file_from_iso(**inner) as file:
            yield file

    def extract(self, path: str, target: Path) -> None:
        """Write a file of the image to `target`. Raises VmforgeError when it is not there."""
        staged = target.with_name(f"{target.name}.part")
        try:
            with space_checked(target.parent), staged.open("wb") as output:
                self._copy(path, output)
            move_durably(staged, target)
        except OSError as error:
            raise VmforgeError(f"`{target}` cannot be written: {error.strerror}") from error
        finally:
            staged.unlink(missing_ok=True)

    def _copy(self, path: str, output: BinaryIO) -> None:
        inner = self._known(path)
        with self._translated(f"`{path}` in it is damaged"):
            self._image.get_file_from_iso_fp(output, **{self._tree: inner})

    def _known(self, path: str) -> str:
        inner = self._inner(path)
        if inner is None:
            raise VmforgeError(f"there is no file `{path}` in `{self.path}`")
        return inner

    def _extent(self, inner: str) -> int:
        """The block that a file's data begins at."""
        inode = self._image.get_record(**{self._tree: inner}).inode
        return int(inode.extent_location()) if inode is not None else -1

    def _inner(self, path: str) -> str | None:
        return self._entries.get(path) or self._folded.get(path.upper())

    @functools.cached_property
    def _tree(self) -> str:
        if self._image.has_rock_ridge():
            return "rr_path"
        if self._image.has_joliet():
            return "joliet_path"
        return "udf_path" if self._image.has_udf() else "iso_path"

    @functools.cached_property
    def _entries(self) -> dict[str, str]:
        """From the paths that callers use to pycdlib's."""
        found = {}
        with self._translated("cannot be read"):
            for folder, _, names in self._image.walk(**{self._tree: "/"}):
                for name in names:
                    inner = posixpath.join(folder, name)
                    if not self._image.get_record(**{self._tree: inner}).is_symlink():
                        found[self._shown(inner)] = inner
        return found

    @functools.cached_property
    def _folded(self) -> dict[str, str]:
        """Plain names in any case: they are upper-case by rule, and mounted in lower case. Windows does not
        care for the case of its own."""
        if self._tree not in ("iso_path", "udf_path"):
            return {}
        return {path.upper(): inner for path, inner in self._entries.items()}

    def _shown(self, inner: str) -> str:
        path = inner.lstrip("/")
        return path.partition(";")[0].removesuffix(".") if self._tree == "iso_path" else path

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise VmforgeError(f"`{self.path}`: {what} ({error})") from error
        except OSError as error:
            raise VmforgeError(f"`{self.path}` cannot be read: {error.strerror or error}") from error
