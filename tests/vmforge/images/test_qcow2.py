"""Compressed qcow2 images, checked and read by qemu-img."""

from __future__ import annotations

import io
import json
import random
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmforge.images.blocks import BLOCK_SIZE, ZEROS
from vmforge.images.clusters import CLUSTER
from vmforge.images.qcow2 import write_compressed_qcow2

MIB, GIB = 1 << 20, 1 << 30
_NOISE = random.Random(6).randbytes(BLOCK_SIZE)
_TEXT = b"".join(b"line %d of a text\n" % number for number in range(60_000))[:BLOCK_SIZE]


def blocks(size: int, data: dict[int, bytes]) -> Iterator[bytes]:
    """A disk of zeros with data in some of its blocks."""
    for start in range(0, size, BLOCK_SIZE):
        length = min(BLOCK_SIZE, size - start)
        block = data.get(start // BLOCK_SIZE, ZEROS)
        yield block if length == BLOCK_SIZE == len(block) else block[:length].ljust(length, b"\0")


def raw(path: Path, size: int, data: dict[int, bytes]) -> Path:
    with path.open("wb") as file:
        for number, block in data.items():
            file.seek(number * BLOCK_SIZE)
            file.write(block)
        file.truncate(size)
    return path


DISKS = {
    "nothing": (0, {}),
    "a sector": (512, {0: _TEXT}),
    "a cluster": (CLUSTER, {0: _NOISE}),
    "zeros": (64 * MIB, {}),
    "text, noise and holes": (7 * MIB + 512, {0: _TEXT, 1: _NOISE, 2: _TEXT[:99_999], 4: _TEXT, 7: _TEXT}),
    "several tables": (GIB + GIB // 2 + 4096, {0: _TEXT, 511: _NOISE, 1024: _TEXT, 1536: _NOISE}),
}


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("name", DISKS)
def test_qemu_finds_it_sound_and_the_same(tmp_path: Path, name: str, level: int) -> None:
    size, data = DISKS[name]
    target = tmp_path / "disk.qcow2"
    with target.open("wb") as file:
        write_compressed_qcow2(file, blocks(size, data), size, level=level, threads=2)
    check = ["qemu-img", "check", "--output=json", target]
    told = json.loads(subprocess.run(check, check=True, capture_output=True).stdout)
    assert (told.get("leaks", 0), told.get("corruptions", 0), told["check-errors"]) == (0, 0, 0)
    source = raw(tmp_path / "disk.raw", size, data)
    subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "qcow2", source, target], check=True)
    info = ["qemu-img", "info", "--output=json", target]
    assert json.loads(subprocess.run(info, check=True, capture_output=True).stdout)["virtual-size"] == size


def test_a_guest_can_write_to_it(tmp_path: Path) -> None:
    """Counts that were wrong would be found, or break other clusters."""
    size, data = DISKS["text, noise and holes"]
    target = tmp_path / "disk.qcow2"
    with target.open("wb") as file:
        write_compressed_qcow2(file, blocks(size, data), size)
    writes = ["write -P 5 100 70000", "discard 1M 512k", "write -P 6 1600k 300k", "write -z 4M 64k"]
    commands = [word for write in writes for word in ("-c", write)]
    subprocess.run(["qemu-io", *commands, target], check=True, capture_output=True)
    subprocess.run(["qemu-img", "check", target], check=True, capture_output=True)


def test_readers_need_a_window_of_4_kib_only() -> None:
    file = io.BytesIO()
    write_compressed_qcow2(file, iter([_TEXT]), BLOCK_SIZE, level=9)
    image = file.getvalue()
    (l2,) = struct.unpack_from(">Q", image, CLUSTER)
    (entry,) = struct.unpack_from(">Q", image, l2 & ~(1 << 63))
    offset = entry & (1 << 54) - 1
    assert entry >> 62 == 1
    inflate = zlib.decompressobj(-12)
    pieces = [inflate.decompress(image[start : start + 64]) for start in range(offset, offset + CLUSTER, 64)]
    assert b"".join(pieces) == _TEXT[:CLUSTER]


def test_equal_disks_make_equal_files_on_any_number_of_threads() -> None:
    size, data = DISKS["text, noise and holes"]
    made = []
    for threads in (1, 2, 3):
        file = io.BytesIO()
        write_compressed_qcow2(file, blocks(size, data), size, threads=threads)
        made.append(file.getvalue())
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("count", [0, BLOCK_SIZE, 3 * BLOCK_SIZE])
def test_blocks_that_do_not_add_up(count: int) -> None:
    with pytest.raises(ValueError, match=f"the disk has {2 * BLOCK_SIZE} bytes, but {count} came"):
        write_compressed_qcow2(io.BytesIO(), blocks(count, {}), 2 * BLOCK_SIZE)
