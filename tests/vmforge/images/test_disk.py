"""Every format that a disk can be written in, read back by the formats' own programs."""

from __future__ import annotations

import errno
import io
import random
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmforge.errors import CommandFailed, HostError, Interrupted, UsageError
from vmforge.hypervisor import disks
from vmforge.images import disk as module
from vmforge.images.disk import DiskJob, write_disk
from vmforge.images.formats import (
    APPLIANCE_FORMATS,
    Compression,
    ExportFormat,
    find_format,
    target_path,
)
from vmforge.sdk import Cancellation

DISK_FORMATS = [format for format in ExportFormat if format not in APPLIANCE_FORMATS]
MIB, GIB = 1 << 20, 1 << 30
NOISE = random.Random(2).randbytes(200_000)
TEXT = b"".join(b"line %d\n" % number for number in range(100_000))

# none of them a multiple of what the formats count in
SIZES = [9 * MIB, 9 * MIB + 65536, 9 * MIB + 4096, 9 * MIB + 512]


def qemu_img(*arguments: object) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(params=SIZES, ids=str)
def layered(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A layer over a compressed base, both with data, holes, and zeros that cover data."""
    folder = tmp_path / "source"
    folder.mkdir()
    raw, base, layer = folder / "base.raw", folder / "base.qcow2", folder / "layer.qcow2"
    with raw.open("wb") as file:
        file.write(TEXT[:700_000])
        file.seek(3 * MIB + 100)
        file.write(NOISE)
        file.truncate(request.param - MIB)
    qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", raw, base)
    qemu_img("create", "-f", "qcow2", "-b", base, "-F", "qcow2", layer, request.param)
    writes = ["write -P 7 64k 130k", "write -z 3200k 64k", f"write -P 9 {request.param - 512} 512"]
    commands = [word for write in writes for word in ("-c", write)]
    subprocess.run(["qemu-io", *commands, layer], check=True, capture_output=True)
    return layer


def write(source: Path, format: ExportFormat, target: Path | None = None, **options: object) -> Path:
    target = target or target_path(source.parent.parent / "made" / "disk", format)
    job = DiskJob(source=source, target=target, format=format, cancellation=Cancellation(), **options)  # type: ignore[arg-type]
    write_disk(job)
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []
    return target


def unpacked(path: Path, format: ExportFormat) -> Path:
    """A file that qemu-img can read."""
    programs = {ExportFormat.RAW_ZST: "zstd", ExportFormat.RAW_GZ: "gzip", ExportFormat.RAW_XZ: "xz"}
    raw = path.with_name("unpacked")
    if format in programs:
        with raw.open("wb") as file:
            subprocess.run([programs[format], "-dc", path], stdout=file, check=True)
        return raw
    return path


def compare(source: Path, made: Path, format: str = "") -> None:
    """That a guest would read the same; a larger image may have zeros behind."""
    options = ["-F", format] if format else []
    subprocess.run(["qemu-img", "compare", *options, source, made], check=True)


@pytest.mark.parametrize("format", [format for format in DISK_FORMATS if format is not ExportFormat.GCE])
def test_what_is_written_compares_equal_to_the_source(layered: Path, format: ExportFormat) -> None:
    if format is ExportFormat.RAW_ZST and shutil.which("zstd") is None:
        pytest.skip("`zstd` is not installed")
    seen: list[int] = []
    target = write(layered, format, on_bytes=seen.append)
    size = disks.info(layered, Cancellation()).virtual_size.bytes
    assert sum(seen) == size
    image = unpacked(target, format)
    # a fixed VHD says what it is at its end, where nobody looks unless told to
    as_format = ("vpc",) if format is ExportFormat.AZURE else ()
    compare(layered, image, *as_format)
    raw = target.with_name("again.raw")
    qemu_img("convert", *(("-f", *as_format) if as_format else ()), "-O", "raw", image, raw)
    compare(layered, raw)
    assert raw.stat().st_size == (-(-size // MIB) * MIB if format is ExportFormat.AZURE else size)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "small.qcow2"
    path.parent.mkdir()
    raw = path.with_suffix(".raw")
    raw.write_bytes(TEXT[:700_000].ljust(3 * MIB + 512, b"\0"))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, path)
    return path


@pytest.mark.parametrize(
    ("compression", "kind"),
    [(Compression.ZLIB, b"zlib"), (Compression.ZSTD, b"zstd"), (Compression.NONE, b"zlib")],
)
def test_qcow2_compression(small: Path, compression: Compression, kind: bytes) -> None:
    made = write(small, ExportFormat.QCOW2, compression=compression)
    told = subprocess.run(["qemu-img", "info", made], check=True, capture_output=True).stdout
    assert b"compression type: " + kind in told
    compare(small, made)
    assert disks.check(made, "qcow2", Cancellation()) == disks.CheckResult(True, 0, 0)
    smaller = made.stat().st_size < 600_000
    assert smaller is (compression is not Compression.NONE)


def test_raw_is_sparse(small: Path) -> None:
    made = write(small, ExportFormat.RAW)
    assert made.stat().st_size == 3 * MIB + 512
    assert made.stat().st_blocks * 512 < 2 * MIB


def test_gce_is_one_oldgnu_member_of_whole_gibibytes(small: Path) -> None:
    made = write(small, ExportFormat.GCE)
    with tarfile.open(made, "r:gz") as archive:
        (member,) = archive.getmembers()
        assert (member.name, member.size, member.isreg()) == ("disk.raw", GIB, True)
        content = archive.extractfile(member)
        assert content is not None
        assert content.read(700_000) == TEXT[:700_000]
    head = subprocess.run(
        f"gzip -dc '{made}' | head -c 512", shell=True, check=True, capture_output=True
    ).stdout
    assert head[257:265] == b"ustar  \0"  # GNU tar's own
    assert made.stat().st_size < 2 * MIB


def test_gce_of_whole_gibibytes_stays_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "source.raw"
    source.touch()
    source.open("r+b").truncate(GIB)
    made = write(source, ExportFormat.GCE, tmp_path / "made" / "x.tar.gz")
    with tarfile.open(made, "r:gz") as archive:
        assert [member.size for member in archive] == [GIB]


@pytest.mark.parametrize("size", [3 * MIB, 3 * MIB + 512, 4 * MIB - 512])
@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_azure_is_a_fixed_vhd_of_whole_mebibytes(tmp_path: Path, size: int, format: str) -> None:
    source = tmp_path / "source"
    raw = tmp_path / "source.raw"
    raw.write_bytes(TEXT[:700_000].ljust(size, b"\0"))
    qemu_img("convert", "-f", "raw", "-O", format, raw, source)
    made = write(source, ExportFormat.AZURE, tmp_path / "made" / "x.vhd")
    expected = -(-size // MIB) * MIB
    assert made.stat().st_size == expected + 512
    footer = made.read_bytes()[-512:]
    assert footer[:8] == b"conectix"
    current_size, disk_type = struct.unpack_from(">Q", footer, 48)[0], struct.unpack_from(">I", footer, 60)[0]
    assert (current_size, disk_type) == (expected, 2)
    checksum = struct.unpack_from(">I", footer, 64)[0]
    assert checksum == ~(sum(footer) - sum(footer[64:68])) & 0xFFFFFFFF
    assert made.read_bytes()[:size] == raw.read_bytes()
    assert source.stat().st_size <= size + MIB  # the source did not grow


@pytest.mark.parametrize("format", [ExportFormat.VMDK, ExportFormat.RAW_GZ, ExportFormat.QCOW2])
def test_a_failure_leaves_the_old_file(small: Path, format: ExportFormat) -> None:
    target = small.with_name("target")
    target.write_text("old")

    def fail(count: int) -> None:
        raise UsageError("enough")

    with pytest.raises(UsageError, match="enough"):
        write(small, format, target, on_bytes=fail)
    assert target.read_text() == "old"
    assert sorted(path.name for path in target.parent.iterdir()) == ["small.qcow2", "small.raw", "target"]


@pytest.mark.parametrize("format", DISK_FORMATS)
def test_cancelled(small: Path, format: ExportFormat) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    target = small.with_name("target")
    with pytest.raises(Interrupted):
        write_disk(DiskJob(source=small, target=target, format=format, cancellation=cancellation))
    assert sorted(path.name for path in target.parent.iterdir()) == ["small.qcow2", "small.raw"]


@pytest.mark.parametrize("format", DISK_FORMATS)
def test_a_source_that_is_no_image(tmp_path: Path, format: ExportFormat) -> None:
    with pytest.raises(CommandFailed, match="No such file"):
        write(tmp_path / "missing.qcow2", format, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_names_the_post_processor(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def no_room(file: object, blocks: Iterator[bytes], size: int, **options: object) -> None:
        Full().write(next(blocks))

    monkeypatch.setattr(module, "write_stream_optimized", no_room)
    with pytest.raises(HostError, match="no space left") as caught:
        write(small, ExportFormat.VMDK, small.with_name("target"))
    assert "`export`" in caught.value.hint


@pytest.mark.parametrize(
    ("output", "format", "disk", "expected"),
    [
        ("web", "qcow2", 0, "web.qcow2"),
        ("web", "qcow2", 1, "web-1.qcow2"),
        ("web.qcow2", "qcow2", 0, "web.qcow2"),
        ("web.QCOW2", "qcow2", 2, "web-2.QCOW2"),
        ("web.img", "raw", 0, "web.img"),
        ("debian-12.8", "raw.zst", 0, "debian-12.8.raw.zst"),
        ("web.zst", "raw.zst", 0, "web.zst"),
        ("web", "gce", 0, "web.gce.tar.gz"),
        ("web.tar.gz", "gce", 1, "web-1.tar.gz"),
        ("web", "azure", 0, "web.azure.vhd"),
        ("web.vhd", "azure", 0, "web.vhd"),
        ("web.vmdk", "ova", 0, "web.vmdk.ova"),
        (".ova", "ova", 0, ".ova.ova"),
        ("a.b/web", "vdi", 1, "a.b/web-1.vdi"),
    ],
)
def test_names_of_files(output: str, format: str, disk: int, expected: str) -> None:
    assert target_path(Path(output), ExportFormat(format), disk) == Path(expected)


def test_names_of_formats() -> None:
    assert {find_format(format) for format in ExportFormat} == set(ExportFormat)
    assert find_format("VPC") is ExportFormat.VHD
    assert find_format(".img") is ExportFormat.RAW
    assert find_format("gcp") is ExportFormat.GCE
    assert find_format("docx") is None
