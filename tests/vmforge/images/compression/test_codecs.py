"""Every compression in parallel: what it makes is read by Python's own modules."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from vmforge.images.blocks import BLOCK_SIZE, ZEROS
from vmforge.images.compression.codecs import Bgzf, Bzip2, Codec, Gzip, Lz4, Xz, Zstd, is_worthwhile
from vmforge.images.compression.parallel import ParallelCompressor


def mixed(size: int) -> bytes:
    """Text, noise and zeros, the same in every run."""
    noise = random.Random(size)
    third = size // 3
    text = b"".join(b"line %d of a text\n" % number for number in range(third // 15 + 1))[:third]
    return text + noise.randbytes(third) + bytes(size - 2 * third)


def unpack_zstd(data: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        return reader.read()


UNPACKERS: list[tuple[Callable[[int], Codec], Callable[[bytes], bytes]]] = [
    (Gzip, gzip.decompress),
    (Bgzf, gzip.decompress),
    (Bzip2, bz2.decompress),
    (Xz, lzma.decompress),
    (Lz4, lz4.frame.decompress),
    (Zstd, unpack_zstd),
]


@pytest.mark.parametrize(("codec", "unpack"), UNPACKERS)
@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b""],
        [b"a"],
        [ZEROS, ZEROS, b"tail"],
        [b"head", ZEROS, ZEROS[:100], mixed(BLOCK_SIZE), ZEROS],
    ],
    ids=["nothing", "empty", "one byte", "zeros", "mixed"],
)
def test_any_pieces_come_back(
    tmp_path: Path, codec: Callable[[int], Codec], unpack: Callable[[bytes], bytes], pieces: list[bytes]
) -> None:
    results = set()
    for threads in (1, 3):
        with (tmp_path / "o").open("wb") as file, ParallelCompressor(file, codec(6), threads) as compressor:
            for piece in pieces:
                compressor.write(piece)
        results.add((tmp_path / "o").read_bytes())
    (result,) = results
    assert (unpack(result) if result else b"") == b"".join(pieces)


def test_gzip_is_one_member_with_its_checksum(tmp_path: Path) -> None:
    with (tmp_path / "o").open("wb") as file, ParallelCompressor(file, Gzip(6), 2) as compressor:
        compressor.write(b"x")
        compressor.write(ZEROS)
        compressor.write(ZEROS)
    data = (tmp_path / "o").read_bytes()
    member = zlib.decompressobj(31)
    contents = member.decompress(data)
    assert member.eof and not member.unused_data
    assert struct.unpack("<II", data[-8:]) == (zlib.crc32(contents), len(contents))


def test_bgzf_members_say_their_length(tmp_path: Path) -> None:
    data = Bgzf(6).compress(mixed(200_000), b"") + Bgzf(6).trailer()
    members = 0
    while data:
        assert data[12:14] == b"BC"
        (length,) = struct.unpack("<H", data[16:18])
        assert len(gzip.decompress(data[: length + 1])) <= 0xFF00
        data, members = data[length + 1 :], members + 1
    assert members == 5


@pytest.mark.parametrize("codec", [Gzip, Bgzf])
def test_noise_is_stored(codec: Callable[[int], Codec]) -> None:
    noise = random.Random(1).randbytes(BLOCK_SIZE)
    compressed = codec(6).compress(noise, b"")
    assert noise[:1000] in compressed
    assert len(compressed) < 1.001 * BLOCK_SIZE


@pytest.mark.parametrize(
    ("block", "worthwhile"),
    [
        (random.Random(1).randbytes(BLOCK_SIZE), False),
        (random.Random(1).randbytes(BLOCK_SIZE // 2) + ZEROS[: BLOCK_SIZE // 2], True),
        (ZEROS, True),
        (b"short", True),
        (random.Random(1).randbytes(16384), False),
    ],
)
def test_where_compression_is_worthwhile(block: bytes, worthwhile: bool) -> None:
    assert is_worthwhile(block) is worthwhile


@pytest.mark.parametrize("level", range(1, 10))
@pytest.mark.parametrize("codec", [Gzip, Bgzf])
def test_every_level_comes_back(codec: Callable[[int], Codec], level: int, tmp_path: Path) -> None:
    contents = mixed(3 * BLOCK_SIZE)
    with (tmp_path / "o").open("wb") as file, ParallelCompressor(file, codec(level), 2) as compressor:
        for start in range(0, len(contents), BLOCK_SIZE):
            compressor.write(contents[start : start + BLOCK_SIZE])
    assert gzip.decompress((tmp_path / "o").read_bytes()) == contents
