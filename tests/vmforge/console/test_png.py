"""PNG files as other programs write them: each filter, each kind of pixel, and those that are refused."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.console.framebuffer import Framebuffer, png
from vmforge.console.png import read_png


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def file(
    width: int,
    height: int,
    lines: bytes,
    *,
    colour_type: int = 2,
    depth: int = 8,
    interlaced: int = 0,
    palette: bytes = b"",
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (chunk(b"PLTE", palette) if palette else b"")
        + chunk(b"tEXt", b"Software\0a test")
        + chunk(b"IDAT", zlib.compress(lines)[:5])
        + chunk(b"IDAT", zlib.compress(lines)[5:])
        + chunk(b"IEND", b"")
    )


def colours(frame: Framebuffer) -> list[tuple[int, int, int]]:
    return [frame.pixel(x, y) for y in range(frame.height) for x in range(frame.width)]


def filtered(kind: int, line: bytes, above: bytes, step: int) -> bytes:
    """A line as the specification's table of filters says (9.2), one byte at a time."""
    left = bytes(step) + line
    corner = bytes(step) + above
    result = bytearray([kind])
    for value, a, b, c in zip(line, left, above, corner, strict=False):
        distances = (abs(b - c), abs(a - c), abs(a + b - 2 * c))
        nearest = (a, b, c)[distances.index(min(distances))]
        result.append(value - (0, a, b, (a + b) // 2, nearest)[kind] & 0xFF)
    return bytes(result)


@given(st.data(), st.integers(1, 6), st.integers(1, 5))
def test_every_filter(data: st.DataObject, width: int, height: int) -> None:
    kinds = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    # small numbers make the neighbours alike, which is what Paeth's filter turns on
    rgb = data.draw(st.lists(st.sampled_from((0, 1, 2, 127, 254, 255)), min_size=width * height * 3,
                             max_size=width * height * 3).map(bytes))  # fmt: skip
    size = width * 3
    above, lines = bytes(size), b""
    for row, kind in enumerate(kinds):
        line = rgb[row * size : (row + 1) * size]
        lines += filtered(kind, line, above, 3)
        above = line
    pixels = list(zip(rgb[0::3], rgb[1::3], rgb[2::3], strict=True))
    assert colours(read_png(file(width, height, lines))) == pixels


@given(st.binary(min_size=24, max_size=24))
def test_what_is_written_is_read(pixels: bytes) -> None:
    written = Framebuffer(3, 2, pixels)
    assert colours(read_png(png(written))) == colours(written)


@pytest.mark.parametrize(
    ("colour_type", "line", "palette"),
    [
        (0, "00 00 40 ff", ""),
        (2, "00 000000 404040 ffffff", ""),
        (3, "00 02 00 03", "404040 999999 000000 ffffff"),
        (4, "00 0000 40ff ffff", ""),
        (6, "00 00000010 404040ff ffffff00", ""),
    ],
)
def test_kinds_of_pixels(colour_type: int, line: str, palette: str) -> None:
    data = file(3, 1, bytes.fromhex(line), colour_type=colour_type, palette=bytes.fromhex(palette))
    assert colours(read_png(data)) == [(0, 0, 0), (0x40,) * 3, (0xFF,) * 3]


GOOD = file(1, 1, bytes(4))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GIF89a", "not a PNG file"),
        (GOOD[:8], "without its header"),
        (GOOD[:20], "damaged PNG file"),
        (file(1, 2, bytes(4)), "ends early"),
        (file(1, 1, b"\x05abc"), "no filter 5"),
        (file(1, 1, bytes(7), depth=16), "16 bits a sample"),
        (file(1, 1, bytes(4), interlaced=1), "of a kind that screens do not have"),
        (file(1 << 20, 1 << 20, bytes(4)), "1048576x1048576 pixels"),
        (file(1, 1, b"\x00\x01", colour_type=3, palette=b"abc"), "not in its palette"),
        (GOOD.replace(zlib.compress(bytes(4))[:5], b"xxxxx"), "damaged PNG file"),
    ],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_png(data)
