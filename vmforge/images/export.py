"""Writes an appliance in any of the formats: its disks one by one, or the whole of it as a package."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.hypervisor import disks
from vmforge.images.disk import DEFAULT_LEVEL, DiskJob, write_disk
from vmforge.images.formats import APPLIANCE_FORMATS, Compression, ExportFormat, target_path
from vmforge.images.ova import PackageOptions, write_ova, write_ovf_folder
from vmforge.sdk import Appliance, Cancellation, Ui
from vmforge.sdk.values import Size


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """`compression` is for qcow2. `level` (1 to 9) is for all that is compressed, but qcow2 with zstd.
    `package` is for OVA and OVF. `writer` is what a full disk's error tells to run again."""

    compression: Compression = Compression.ZLIB
    level: int = DEFAULT_LEVEL
    package: PackageOptions = field(default_factory=PackageOptions)
    writer: str = "export"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written. `virtual` is what the guest sees of its disks; `before` is the room that the
    appliance's own images take up, `after` that of what was made of them."""

    format: ExportFormat
    files: tuple[Path, ...]
    virtual: Size
    before: Size
    after: Size

    def __str__(self) -> str:
        shown = ", ".join(f"`{path}`" for path in self.files)
        return f"{shown}: {self.before} became {self.after}; the guest sees {self.virtual}"


def target_files(appliance: Appliance, output: Path, format: ExportFormat) -> tuple[Path, ...]:
    """The files that an export writes under names that are known beforehand (an OVF's disks are named
    after it)."""
    count = 1 if format in APPLIANCE_FORMATS else len(appliance.disks)
    return tuple(target_path(output, format, number) for number in range(count))


def refuse_own_files(targets: Iterable[Path], appliance: Appliance) -> None:
    """Raise `VmforgeError` when a target is one of the appliance's own images."""
    own = {path.resolve() for path in appliance.disks}
    for target in targets:
        if target.resolve() in own:
            raise VmforgeError(f"`{target}` is the image itself", hint="choose another output name")


def export(
    appliance: Appliance,
    output: Path,
    format: ExportFormat,
    options: ExportOptions,
    ui: Ui,
    cancellation: Cancellation,
) -> Exported:
    """Write the appliance; `output` gets the format's suffix unless it has it.

    What could not be finished leaves no file. Raises `VmforgeError` with what qemu-img, the disk or the
    format objects to, `Interrupted`.
    """
    targets = target_files(appliance, output, format)
    refuse_own_files(targets, appliance)
    found = [disks.info(disk, cancellation) for disk in appliance.disks]
    virtual = sum(disk.virtual_size.bytes for disk in found)
    if format is ExportFormat.OVA:
        write_ova(targets[0], appliance, options.package, ui, cancellation)
    elif format is ExportFormat.OVF:
        targets = write_ovf_folder(targets[0], appliance, options.package, ui, cancellation)
    else:
        _write_disks(appliance, targets, format, options, virtual, ui, cancellation)
    return Exported(
        format=format,
        files=targets,
        virtual=Size(virtual),
        before=Size(sum(disk.actual_size.bytes for disk in found)),
        after=Size(sum(_on_disk(path) for path in targets)),
    )


def _write_disks(
    appliance: Appliance,
    targets: tuple[Path, ...],
    format: ExportFormat,
    options: ExportOptions,
    total: int,
    ui: Ui,
    cancellation: Cancellation,
) -> None:
    made: list[Path] = []
    with ui.progress(f"Writing {targets[0]}", total) as progress:
        try:
            for source, target in zip(appliance.disks, targets, strict=True):
                job = DiskJob(
                    source=source,
                    target=target,
                    format=format,
                    cancellation=cancellation,
                    compression=options.compression,
                    level=options.level,
                    on_bytes=progress.advance,
                    writer=options.writer,
                )
                write_disk(job)
                made.append(target)
        except BaseException:
            for path in made:  # some of an appliance's disks are of no use
                path.unlink(missing_ok=True)
            raise


def _on_disk(path: Path) -> int:
    """Less than a sparse file's length."""
    status = path.stat()
    return min(status.st_size, status.st_blocks * 512)
