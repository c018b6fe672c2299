"""Writes one disk in another format: by qemu-img where it writes the format well and fast, else as a stream
of the disk's contents. Nothing is copied in between."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmforge.hypervisor import disks
from vmforge.hypervisor.contents import BLOCK_SIZE, ZERO_BLOCK, DiskContents, open_contents
from vmforge.images.compression.formats import Algorithm
from vmforge.images.compression.stream import write_compressed
from vmforge.images.formats import Compression, ExportFormat
from vmforge.images.qcow2 import write_compressed_qcow2
from vmforge.images.staging import StagedFile
from vmforge.images.vmdk import write_stream_optimized
from vmforge.sdk import Cancellation, Size

DEFAULT_LEVEL: Final = 6
_MEBIBYTE, _GIBIBYTE = 1024**2, 1024**3
_ALGORITHMS = {
    ExportFormat.RAW_GZ: Algorithm.GZIP,
    ExportFormat.RAW_XZ: Algorithm.XZ,
    ExportFormat.RAW_ZST: Algorithm.ZSTD,
}


@dataclass(frozen=True, kw_only=True)
class DiskJob:
    """One disk to write. `level` goes from 1, the fastest, to 9, the smallest, in the formats whose
    compression is ours (not in qcow2 with zstd). `on_bytes` counts the guest's bytes as they are done.
    `writer` is what a full disk's error tells to run again."""

    source: Path
    target: Path
    format: ExportFormat
    cancellation: Cancellation
    compression: Compression = Compression.ZLIB
    level: int = DEFAULT_LEVEL
    on_bytes: Callable[[int], None] = lambda count: None
    writer: str = "export"


def write_disk(job: DiskJob) -> None:
    """Write a disk under its target's name, once it is complete.

    Raises `HostError` for a full disk or a missing program, `CommandFailed` with qemu-img's words,
    `Interrupted`.
    """
    job.target.parent.mkdir(parents=True, exist_ok=True)
    _WRITERS[job.format](job)


def _write_qcow2(job: DiskJob) -> None:
    if job.compression is Compression.NONE:
        _convert(job, "qcow2")
    elif job.compression is Compression.ZSTD:
        _convert(job, "qcow2", "-o", "compression_type=zstd", compress=True)
    else:
        with _contents(job) as contents, StagedFile(job.target, job.writer) as file:
            write_compressed_qcow2(file, contents.blocks(job.on_bytes), contents.size, level=job.level)


def _write_raw(job: DiskJob) -> None:
    _convert(job, "raw")


def _write_compressed_raw(job: DiskJob) -> None:
    with _contents(job) as contents, StagedFile(job.target, job.writer) as file:
        write_compressed(contents.blocks(job.on_bytes), file, _ALGORITHMS[job.format], job.level)


def _write_vmdk(job: DiskJob) -> None:
    with _contents(job) as contents, StagedFile(job.target, job.writer) as file:
        write_stream_optimized(file, contents.blocks(job.on_bytes), contents.size, level=job.level)


def _write_vhd(job: DiskJob) -> None:
    # else the size is rounded to one that cylinders, heads and sectors can name
    _convert(job, "vpc", "-o", "subformat=dynamic,force_size=on")


def _write_vhdx(job: DiskJob) -> None:
    _convert(job, "vhdx", "-o", "subformat=dynamic")


def _write_vdi(job: DiskJob) -> None:
    _convert(job, "vdi")


def _write_gce(job: DiskJob) -> None:
    """A gzipped tar archive (`oldgnu`) whose only member is `disk.raw`, of whole GiB
    (https://cloud.google.com/compute/docs/import/import-existing-image)."""
    with _contents(job) as contents, StagedFile(job.target, job.writer) as file:
        write_compressed(_gce_tar(contents, job), file, Algorithm.GZIP, job.level)


def _gce_tar(contents: DiskContents, job: DiskJob) -> Iterator[bytes]:
    size = contents.size + -contents.size % _GIBIBYTE
    member = tarfile.TarInfo("disk.raw")
    member.size = size
    yield member.tobuf(tarfile.GNU_FORMAT)
    yield from contents.blocks(job.on_bytes)
    yield bytes(-contents.size % BLOCK_SIZE)
    for _ in range(-(-contents.size // BLOCK_SIZE), size // BLOCK_SIZE):
        job.cancellation.check()
        yield ZERO_BLOCK
    used = tarfile.BLOCKSIZE + size + 2 * tarfile.BLOCKSIZE
    yield bytes(2 * tarfile.BLOCKSIZE + -used % tarfile.RECORDSIZE)


def _write_azure(job: DiskJob) -> None:
    """A fixed VHD of whole MiB
    (https://learn.microsoft.com/azure/virtual-machines/linux/create-upload-generic)."""
    with _grown(job) as source:
        _convert(job, "vpc", "-o", "subformat=fixed,force_size=on", source=source)


@contextmanager
def _grown(job: DiskJob) -> Iterator[Path]:
    """The disk, or an empty layer over it that is larger and thrown away."""
    found = disks.info(job.source, job.cancellation)
    missing = -found.virtual_size.bytes % _MEBIBYTE
    if not missing:
        yield job.source
        return
    with tempfile.TemporaryDirectory(prefix="vmforge-") as folder:
        layer = Path(folder, "layer.qcow2")
        size = Size(found.virtual_size.bytes + missing)
        disks.create(
            layer,
            size,
            "qcow2",
            backing=job.source,
            backing_format=found.format,
            cancellation=job.cancellation,
        )
        yield layer


def _contents(job: DiskJob) -> DiskContents:
    return open_contents(job.source, job.cancellation)


def _convert(
    job: DiskJob, format: str, *extra: str, compress: bool = False, source: Path | None = None
) -> None:
    """Through qemu-img, which tells its progress in percent."""
    size = disks.info(job.source, job.cancellation).virtual_size.bytes
    told = 0

    def tell(percent: float) -> None:
        nonlocal told
        done = int(size * percent / 100)
        if done > told:
            job.on_bytes(done - told)
            told = done

    disks.convert(
        source or job.source,
        job.target,
        format,
        compress=compress,
        progress=tell,
        extra=extra,
        cancellation=job.cancellation,
    )


_WRITERS: dict[ExportFormat, Callable[[DiskJob], None]] = {
    ExportFormat.QCOW2: _write_qcow2,
    ExportFormat.RAW: _write_raw,
    ExportFormat.RAW_ZST: _write_compressed_raw,
    ExportFormat.RAW_GZ: _write_compressed_raw,
    ExportFormat.RAW_XZ: _write_compressed_raw,
    ExportFormat.VMDK: _write_vmdk,
    ExportFormat.VHD: _write_vhd,
    ExportFormat.VHDX: _write_vhdx,
    ExportFormat.VDI: _write_vdi,
    ExportFormat.GCE: _write_gce,
    ExportFormat.AZURE: _write_azure,
}
