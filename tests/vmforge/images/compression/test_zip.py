"""Zip archives, read by Python's own module and by the program `unzip`."""

from __future__ import annotations

import random
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest
from zlib_ng import zlib_ng

from vmforge.images.blocks import BLOCK_SIZE
from vmforge.images.compression.zip import write_zip


def write(target: Path, *files: Path, level: int = 6) -> None:
    with target.open("wb") as file:
        write_zip(file, files, level, lambda size: None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    Path("out/disk é").write_bytes(random.Random(1).randbytes(BLOCK_SIZE) + bytes(2 * BLOCK_SIZE) + b"end")
    Path("empty").touch(mode=0o600)
    return tmp_path


def test_members(here: Path) -> None:
    write(Path("o.zip"), Path("out/disk é"), Path("empty"), Path("../" + here.name) / "empty")
    with zipfile.ZipFile("o.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["out/disk é", "empty", f"{here.name}/empty"]
        assert archive.read("out/disk é") == Path("out/disk é").read_bytes()
        info = archive.getinfo("empty")
        assert (info.file_size, stat.S_IMODE(info.external_attr >> 16)) == (0, 0o600)
        assert info.date_time == (1980, 1, 1, 0, 0, 0)


def test_unzip(here: Path) -> None:
    if shutil.which("unzip") is None:
        pytest.skip("`unzip` is not installed")
    write(Path("o.zip"), Path("out/disk é"), Path("empty"))
    subprocess.run(["unzip", "-q", "o.zip", "-d", "unpacked"], check=True)
    assert Path("unpacked/out/disk é").read_bytes() == Path("out/disk é").read_bytes()


def test_more_than_4_gib(here: Path) -> None:
    size = 5 * 1024**3
    with Path("large").open("wb") as file:
        file.truncate(size)
    write(Path("o.zip"), Path("large"), Path("empty"), level=1)
    zeros, crc = bytes(64 * BLOCK_SIZE), 0
    for _ in range(size // len(zeros)):
        crc = zlib_ng.crc32(zeros, crc)
    with zipfile.ZipFile("o.zip") as archive:
        info = archive.getinfo("large")
        assert (info.file_size, info.CRC) == (size, crc)
        with archive.open("large") as member:
            assert member.read(BLOCK_SIZE) == bytes(BLOCK_SIZE)
        assert archive.read("empty") == b""


def test_many_members(here: Path) -> None:
    write(Path("o.zip"), *[Path("empty")] * 65536)
    with zipfile.ZipFile("o.zip") as archive:
        assert len(archive.infolist()) == 65536
