"""Whole appliances: an OVF descriptor with its disks and sums, as one archive (OVA) or as a folder.

Disks are compressed straight into the package. The descriptor and the manifest, which stand in front and
tell sizes and sums, are written last, into room that was left for them (DSP0243 1.1, section 5.3: OVA).
"""

from __future__ import annotations

import hashlib
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from vmforge.errors import VmforgeError
from vmforge.hypervisor.contents import ZERO_BLOCK, DiskContents, open_contents
from vmforge.images.blocks import read_blocks, total_size
from vmforge.images.hardware import DiskController, disk_controller
from vmforge.images.ovf import OvfDisk, OvfFile, OvfOptions, ovf_descriptor
from vmforge.images.signature import Digest, Signer, SigningFiles
from vmforge.images.staging import StagedFile
from vmforge.images.ustar import Room, UstarWriter
from vmforge.images.vmdk import VmdkOptions, write_stream_optimized
from vmforge.sdk.appliance import Appliance
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.ui import Ui

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@dataclass(frozen=True, kw_only=True)
class PackageOptions:
    """How a package is made.

    `level` is the disks' compression, from 1 to 9. `nvram` puts the UEFI variables into the package as
    QEMU keeps them; importers leave that file alone, for each has a format of its own. `files` are more
    files to put in. `writer` is the post-processor that the error of a full disk names.
    """

    ovf: OvfOptions = field(default_factory=OvfOptions)
    digest: Digest = Digest.SHA256
    signing: SigningFiles | None = None
    level: int = 6
    threads: int | None = None
    nvram: bool = True
    files: tuple[Path, ...] = ()
    writer: str = "export"


def write_ova(
    target: Path, appliance: Appliance, options: PackageOptions, ui: Ui, cancellation: Cancellation
) -> None:
    """Write the appliance as one archive, whose members have its name.

    A failure leaves the file that was there, or none. Raises `VmforgeError` when something cannot be read
    or written or is not fit for a package, `Interrupted`.
    """
    build = _Build(target, _fit(target.stem), appliance, options, ui, cancellation)
    with StagedFile(target, options.writer) as file:
        build.write(_Archive(file))


def write_ovf_folder(
    target: Path, appliance: Appliance, options: PackageOptions, ui: Ui, cancellation: Cancellation
) -> tuple[Path, ...]:
    """Write the descriptor `target` and the package's other files beside it; give the paths of all.

    They appear together, when all are complete. Raises as `write_ova`.
    """
    build = _Build(target, target.stem, appliance, options, ui, cancellation)
    with ExitStack() as staged:
        folder = _Folder(target.parent, options.writer, staged)
        build.write(folder)
    return tuple(folder.paths)


class _Package(ABC):
    """Where the files of a package go."""

    @abstractmethod
    def leave_room(self, size: int) -> Room:
        """Announce a file of that size in this place."""

    @abstractmethod
    def fill(self, room: Room, name: str, data: bytes) -> None:
        """Write a file that was announced."""

    @abstractmethod
    def member(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Write a file of unknown size."""

    @abstractmethod
    def close(self) -> None:
        """All files are written."""


class _Archive(_Package):
    def __init__(self, file: BinaryIO) -> None:
        self._tar = UstarWriter(file)

    def leave_room(self, size: int) -> Room:
        return self._tar.leave_room(size)

    def fill(self, room: Room, name: str, data: bytes) -> None:
        self._tar.fill(room, name, data)

    def member(self, name: str) -> AbstractContextManager[BinaryIO]:
        return self._tar.member(name)

    def close(self) -> None:
        self._tar.close()


class _Folder(_Package):
    """Loose files; what is staged appears when `staged` is left."""

    def __init__(self, path: Path, writer: str, staged: ExitStack) -> None:
        self._path = path
        self._writer = writer
        self._staged = staged
        self.paths: list[Path] = []

    def leave_room(self, size: int) -> Room:
        return Room(0, size)

    def fill(self, room: Room, name: str, data: bytes) -> None:
        with self.member(name) as file:
            file.write(data)

    @contextmanager
    def member(self, name: str) -> Iterator[BinaryIO]:
        self.paths.append(self._path / name)
        yield self._staged.enter_context(StagedFile(self._path / name, self._writer))

    def close(self) -> None:
        pass


class _Measured(io.RawIOBase):
    """Passes on what is written, counts it and sums it."""

    def __init__(self, file: BinaryIO, digest: Digest) -> None:
        self._file = file
        self._sum = hashlib.new(digest)
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        length = self._file.write(data)
        self._sum.update(data)
        self.size += length
        return length

    def tell(self) -> int:
        return self.size

    @property
    def sum(self) -> str:
        return self._sum.hexdigest()


# Longer than any size in bytes that a file can have: what numbers not known yet take up in a descriptor.
_WIDEST = 10**19
_PADDING = " "
_NAME_LIMIT, _SUFFIX_LIMIT = 60, 20
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_VMDK_ADAPTERS = {DiskController.IDE: "ide", DiskController.BUSLOGIC: "buslogic"}


class _Build:
    """One run: what goes in, under which names."""

    def __init__(
        self,
        target: Path,
        name: str,
        appliance: Appliance,
        options: PackageOptions,
        ui: Ui,
        cancellation: Cancellation,
    ) -> None:
        self._target = target
        self._name = name
        self._appliance = appliance
        self._options = options
        self._ui = ui
        self._cancellation = cancellation
        self._signer = Signer(options.signing, options.digest) if options.signing else None
        self._files = self._additional_files()
        self._sums: dict[str, str] = {}

    def write(self, package: _Package) -> None:
        total = total_size(self._files.values())
        with ExitStack() as stack:
            contents = [
                stack.enter_context(open_contents(disk, self._cancellation)) for disk in self._appliance.disks
            ]
            total += sum(disk.size for disk in contents)
            progress = stack.enter_context(self._ui.progress(f"Writing {self._target}", total))
            rooms = [package.leave_room(size) for size in self._front_sizes(contents)]
            disks = [
                self._write_disk(package, number, disk, progress.advance)
                for number, disk in enumerate(contents, 1)
            ]
            files = [self._copy(package, name, path, progress.advance) for name, path in self._files.items()]
        descriptor = self._descriptor(disks, files).encode()
        front = self._front(descriptor.ljust(rooms[0].size, _PADDING.encode()))
        for room, (name, data) in zip(rooms, front, strict=True):
            package.fill(room, name, data)
        package.close()

    def _front_sizes(self, contents: Sequence[DiskContents]) -> list[int]:
        """How long the files in front will be: those that tell of disks not written yet."""
        disks = [
            OvfDisk(name=self._disk_name(number), size=_WIDEST, capacity=disk.size, populated=_WIDEST)
            for number, disk in enumerate(contents, 1)
        ]
        files = [OvfFile(name=name, size=_WIDEST) for name in self._files]
        no_sum = hashlib.new(self._options.digest).hexdigest()
        self._sums = {file.name: no_sum for file in (*disks, *files)}
        return [len(data) for _, data in self._front(self._descriptor(disks, files).encode())]

    def _front(self, descriptor: bytes) -> list[tuple[str, bytes]]:
        """Descriptor, manifest and certificate."""
        sums = {self._member("ovf"): hashlib.new(self._options.digest, descriptor).hexdigest(), **self._sums}
        algorithm = self._options.digest.upper()
        manifest = "".join(f"{algorithm}({name})= {sum}\n" for name, sum in sums.items()).encode()
        front = [(self._member("ovf"), descriptor), (self._member("mf"), manifest)]
        if self._signer is not None:
            certificate = self._signer.certificate_file(self._member("mf"), manifest)
            front.append((self._member("cert"), certificate))
        return front

    def _descriptor(self, disks: Sequence[OvfDisk], files: Sequence[OvfFile]) -> str:
        return ovf_descriptor(self._appliance, disks, self._options.ovf, files)

    def _member(self, extension: str) -> str:
        return f"{self._name}.{extension}"

    def _disk_name(self, number: int) -> str:
        return f"{_fit(self._name)}-disk{number}.vmdk"

    def _additional_files(self) -> dict[str, Path]:
        """The files of the package that are no disks, by their names there."""
        appliance, options = self._appliance, self._options
        taken = {self._member(extension) for extension in ("ovf", "mf", "cert")}
        taken |= {self._disk_name(number) for number, _ in enumerate(appliance.disks, 1)}
        files: dict[str, Path] = {}
        if options.nvram and appliance.nvram is not None:
            files[f"{_fit(self._name)}-efivars.fd"] = appliance.nvram
        for path in options.files:
            name = _fit(path.stem) + _fit(path.suffix)[:_SUFFIX_LIMIT]
            if name in taken or name in files:
                message = f"two files of the package would have the name `{name}`"
                raise VmforgeError(message, hint=f"rename `{path}`")
            files[name] = path
        return files

    def _write_disk(
        self, package: _Package, number: int, contents: DiskContents, on_block: Callable[[int], None]
    ) -> OvfDisk:
        name = self._disk_name(number)
        counter = _Populated()
        with self._measured(package, name) as file:
            write_stream_optimized(
                cast(BinaryIO, file),
                counter.count(contents.blocks(on_block)),
                contents.size,
                level=self._options.level,
                threads=self._options.threads,
                options=self._vmdk_options(),
            )
        return OvfDisk(name=name, size=file.size, capacity=contents.size, populated=counter.size)

    def _vmdk_options(self) -> VmdkOptions:
        ovf = self._options.ovf
        controller = disk_controller(self._appliance, ovf, ovf.target)
        adapter = _VMDK_ADAPTERS.get(controller, "lsilogic")
        return VmdkOptions(adapter=adapter, hardware_version=ovf.hardware_version)

    def _copy(self, package: _Package, name: str, path: Path, on_block: Callable[[int], None]) -> OvfFile:
        with self._measured(package, name) as file:
            for block in read_blocks(path, on_block):
                self._cancellation.check()
                file.write(block)
        return OvfFile(name=name, size=file.size)

    @contextmanager
    def _measured(self, package: _Package, name: str) -> Iterator[_Measured]:
        with package.member(name) as file:
            measured = _Measured(file, self._options.digest)
            yield measured
        self._sums[name] = measured.sum


class _Populated:
    """Counts the bytes of the blocks that are no holes."""

    def __init__(self) -> None:
        self.size = 0

    def count(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            if block is not ZERO_BLOCK:
                self.size += len(block)
            yield block


def _fit(name: str) -> str:
    """A name as it can stand in a URI, in a tar archive and in every file system."""
    return _NOT_IN_NAMES.sub("_", name)[:_NAME_LIMIT]
