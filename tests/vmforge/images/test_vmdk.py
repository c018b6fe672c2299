"""Stream-optimized disks, read by qemu-img, by libvmdk, and here, as the specification has them."""

from __future__ import annotations

import io
import random
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmforge.images.blocks import BLOCK_SIZE, ZEROS
from vmforge.images.vmdk import DEFAULT_OPTIONS, GRAIN, SECTOR, VmdkOptions, write_stream_optimized

_TABLE_SPAN = 32 << 20
_MIB = 1 << 20
_NOISE = random.Random(1).randbytes(BLOCK_SIZE)
_TEXT = b"".join(b"line %d of a text\n" % number for number in range(60_000))[:BLOCK_SIZE]


def disk(size: int) -> bytes:
    """Noise, text, grains of zeros between, and a hole of more than a whole table in large ones."""
    content = bytearray(size)
    for position, data in [(0, _TEXT), (_MIB, _NOISE), (3 * _MIB + 4 * GRAIN, _NOISE[: 3 * GRAIN])]:
        if position + len(data) <= size:
            content[position : position + len(data)] = data
    content[size - 512 :] = b"the end.".ljust(512, b".")
    return bytes(content)


def in_blocks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), BLOCK_SIZE):
        block = content[start : start + BLOCK_SIZE]
        yield ZEROS if block == ZEROS else block


def vmdk(
    content: bytes, *, level: int = 6, threads: int = 2, options: VmdkOptions = DEFAULT_OPTIONS
) -> bytes:
    file = io.BytesIO()
    size = len(content)
    write_stream_optimized(file, in_blocks(content), size, level=level, threads=threads, options=options)
    return file.getvalue()


class Reader:
    """Goes through a file by its markers, as a reader of a stream must."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.header = struct.unpack_from("<4sIIQQQQIQQQB4sH", data)
        self.grains: dict[int, int] = {}  # sector on the disk -> sector in the file
        self.markers: list[int] = []
        self.tables: list[tuple[int, ...]] = []
        self.directory: tuple[int, ...] = ()
        self.content = bytearray(self.header[3] * SECTOR)
        self._walk()

    def _walk(self) -> None:
        sector = self.header[10]
        while True:
            number, size, kind = struct.unpack_from("<QII", self.data, sector * SECTOR)
            if size:
                self.grains[number] = sector
                start = sector * SECTOR + 12
                grain = zlib.decompress(self.data[start : start + size])
                assert len(grain) == GRAIN
                span = self.content[number * SECTOR : number * SECTOR + GRAIN]
                self.content[number * SECTOR : number * SECTOR + len(span)] = grain[: len(span)]
                sector += -(-(12 + size) // SECTOR)
                continue
            self.markers.append(kind)
            position = (sector + 1) * SECTOR
            sector += 1 + number
            if kind == 0:
                assert sector * SECTOR == len(self.data), "something follows the end of the stream"
                return
            if kind == 1:
                self.tables.append(struct.unpack_from("<512I", self.data, position))
                self.table_sector = position // SECTOR
            elif kind == 2:
                count = -(-len(self.content) // _TABLE_SPAN)
                self.directory = struct.unpack_from(f"<{count}I", self.data, position)
                self.directory_sector = position // SECTOR
            elif kind == 3:
                self.footer = struct.unpack_from("<4sIIQQQQIQQQB4sH", self.data, position)


SIZES = [512, GRAIN, _MIB - 512, _MIB, 4 * _MIB + GRAIN + 512, 32 * _MIB, 100 * _MIB + 1024]


@pytest.mark.parametrize("size", SIZES)
def test_the_format(size: int) -> None:
    content = disk(size)
    data = vmdk(content)
    read = Reader(data)
    assert read.content == content
    magic, version, flags, capacity, grain, _, _, entries, spare, directory, _, dirty, ends, algorithm = (
        read.header
    )
    assert (magic, version, flags, capacity, grain) == (b"KDMV", 3, 0x30001, size // SECTOR, GRAIN // SECTOR)
    assert (entries, spare, directory, dirty, ends, algorithm) == (512, 0, 2**64 - 1, 0, b"\n \r\n", 1)
    assert read.footer == (*read.header[:9], read.directory_sector, *read.header[10:])
    assert read.markers == [1] * len(read.tables) + [2, 3, 0]
    named = {
        (table * 512 + entry) * GRAIN // SECTOR: sector
        for table, position in enumerate(read.directory)
        if position
        for entry, sector in enumerate(struct.unpack_from("<512I", data, position * SECTOR))
        if sector
    }
    assert named == read.grains
    assert len(data) % SECTOR == 0


def test_zeros_take_no_room() -> None:
    read = Reader(vmdk(disk(100 * _MIB)))
    assert (len(read.directory), read.directory.count(0), len(read.tables)) == (4, 2, 2)
    assert len(read.grains) == 2 * 16 + 3 + 1
    empty = Reader(vmdk(bytes(64 * _MIB)))
    assert (empty.directory, empty.tables, empty.grains) == ((0, 0), [], {})


@pytest.mark.parametrize(("size", "level"), [*((size, 6) for size in SIZES), (SIZES[4], 1), (SIZES[4], 9)])
def test_qemu_reads_the_same(tmp_path: Path, size: int, level: int) -> None:
    raw, target = tmp_path / "disk.raw", tmp_path / "disk.vmdk"
    raw.write_bytes(disk(size))
    target.write_bytes(vmdk(disk(size), level=level))
    subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, target], check=True)
    subprocess.run(["qemu-img", "check", "-f", "vmdk", target], check=True)


def test_libvmdk_reads_it(tmp_path: Path) -> None:
    if shutil.which("vmdkinfo") is None:
        pytest.skip("`vmdkinfo` is not installed")
    target = tmp_path / "disk.vmdk"
    target.write_bytes(vmdk(disk(4 * _MIB + GRAIN)))
    told = subprocess.run(["vmdkinfo", target], check=True, capture_output=True, text=True).stdout
    assert "Stream optimized" in told
    assert re.search(r"Media size:.*\(4259840 bytes\)", told)


def test_an_independent_reader(tmp_path: Path) -> None:
    vmdk_module = pytest.importorskip("dissect.hypervisor.disk.vmdk")
    target = tmp_path / "disk.vmdk"
    content = disk(33 * _MIB + GRAIN)
    target.write_bytes(vmdk(content))
    with target.open("rb") as file:
        assert vmdk_module.VMDK(file).read(len(content)) == content


def test_noise_never_outgrows_its_grain() -> None:
    for level in range(1, 10):
        data = vmdk(_NOISE, level=level)
        for sector in Reader(data).grains.values():
            assert struct.unpack_from("<QI", data, sector * SECTOR)[1] <= GRAIN + 64


def test_equal_disks_make_equal_files_on_any_number_of_threads() -> None:
    content = disk(40 * _MIB)
    assert vmdk(content, threads=1) == vmdk(content, threads=3) == vmdk(content, threads=2)


def descriptor(data: bytes) -> dict[str, str]:
    text = data[SECTOR : SECTOR + 20 * SECTOR].rstrip(b"\0").decode("ascii")
    return dict(re.findall(r'^([\w.]+)\s*=\s*"?([^"\n]*)"?$', text, re.MULTILINE))


def test_the_descriptor() -> None:
    data = vmdk(disk(8 << 20), options=VmdkOptions(adapter="buslogic", hardware_version=19))
    told = descriptor(data)
    assert told["createType"] == "streamOptimized"
    assert told["parentCID"] == "ffffffff"
    assert re.fullmatch("[0-9a-f]{8}", told["CID"]) and told["CID"] < "fffffffe"
    assert told["ddb.adapterType"] == "buslogic"
    assert told["ddb.virtualHWVersion"] == "19"
    assert told["ddb.toolsVersion"] == "2147483647"
    assert re.fullmatch("60 00 c2 9.( ..){4}-..( ..){7}", told["ddb.uuid"])
    assert re.fullmatch("[0-9a-f]{32}", told["ddb.longContentID"])
    assert told["ddb.longContentID"].endswith(told["CID"])
    assert b'RW 16384 SPARSE "disk.vmdk"' in data[: 21 * SECTOR]


def test_geometry() -> None:
    told = descriptor(vmdk(bytes(100 << 20), options=VmdkOptions(adapter="ide")))
    names = ("cylinders", "heads", "sectors")
    assert [told[f"ddb.geometry.{name}"] for name in names] == ["203", "16", "63"]
    told = descriptor(vmdk(bytes(100 << 20)))
    assert [told[f"ddb.geometry.{name}"] for name in names] == ["12", "255", "63"]


def test_other_disks_have_other_identities() -> None:
    first, second, longer = (descriptor(vmdk(content)) for content in (_TEXT, _NOISE, _NOISE + bytes(512)))
    for name in ("CID", "ddb.uuid", "ddb.longContentID"):
        assert len({first[name], second[name], longer[name]}) == 3


@pytest.mark.parametrize("count", [0, 2 * BLOCK_SIZE - 512, 2 * BLOCK_SIZE + 512])
def test_blocks_that_do_not_add_up(count: int) -> None:
    with pytest.raises(ValueError, match=f"the disk has {2 * BLOCK_SIZE} bytes, but {count} came"):
        write_stream_optimized(io.BytesIO(), in_blocks(bytes(count)), 2 * BLOCK_SIZE)


def test_what_ends_the_blocks_ends_the_writing() -> None:
    def blocks() -> Iterator[bytes]:
        yield _NOISE
        raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        write_stream_optimized(io.BytesIO(), blocks(), 2 * BLOCK_SIZE)
