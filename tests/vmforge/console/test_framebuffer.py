from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.console.framebuffer import Canvas, Framebuffer, png


def numbered(width: int, height: int) -> bytes:
    """Pixels of which each is different."""
    return b"".join(struct.pack("<I", number) for number in range(width * height))


def grid(framebuffer: Framebuffer) -> list[list[int]]:
    values = [value for (value,) in struct.iter_unpack("<I", framebuffer.pixels)]
    return [values[row * framebuffer.width :][: framebuffer.width] for row in range(framebuffer.height)]


def test_paint_a_part_and_the_whole() -> None:
    canvas = Canvas(4, 3)
    canvas.paint(0, 0, 4, 3, numbered(4, 3))
    canvas.paint(1, 1, 2, 2, struct.pack("<4I", 91, 92, 93, 94))
    assert grid(canvas.snapshot()) == [[0, 1, 2, 3], [4, 91, 92, 7], [8, 93, 94, 11]]
    canvas.paint(0, 1, 4, 1, struct.pack("<4I", 5, 5, 5, 5))
    assert grid(canvas.snapshot()) == [[0, 1, 2, 3], [5, 5, 5, 5], [8, 93, 94, 11]]


def test_a_snapshot_does_not_change() -> None:
    canvas = Canvas(1, 1)
    before = canvas.snapshot()
    canvas.paint(0, 0, 1, 1, b"abcd")
    assert before == Framebuffer(1, 1, bytes(4))
    assert canvas.snapshot().pixel(0, 0) == (ord("c"), ord("b"), ord("a"))


@given(st.data())
def test_copies_may_overlap(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    x, y = data.draw(st.integers(0, 5 - width)), data.draw(st.integers(0, 5 - height))
    from_x, from_y = data.draw(st.integers(0, 5 - width)), data.draw(st.integers(0, 5 - height))
    canvas = Canvas(5, 5)
    canvas.paint(0, 0, 5, 5, numbered(5, 5))
    before = grid(canvas.snapshot())
    canvas.copy(x, y, width, height, from_x, from_y)
    expected = [row[:] for row in before]
    for row in range(height):
        expected[y + row][x : x + width] = before[from_y + row][from_x : from_x + width]
    assert grid(canvas.snapshot()) == expected


@pytest.mark.parametrize("place", [(3, 0, 2, 1), (0, 3, 1, 1), (4, 0, 1, 1)])
def test_nothing_is_drawn_outside(place: tuple[int, int, int, int]) -> None:
    canvas = Canvas(4, 3)
    with pytest.raises(ValueError, match="leaving the screen of 4x3"):
        canvas.paint(*place, bytes(place[2] * place[3] * 4))
    with pytest.raises(ValueError, match="leaving the screen of 4x3"):
        canvas.copy(0, 0, place[2], place[3], place[0], place[1])


def read_png(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGB of a PNG without filters; checks its structure."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == struct.unpack_from(">I", data, at + 8 + length)[0]
        chunks[body[:4]] = body[4:]
        at += length + 12
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kind == [8, 2, 0, 0, 0]
    lines = zlib.decompress(chunks[b"IDAT"])
    span = width * 3 + 1
    assert all(lines[row * span] == 0 for row in range(height))
    return width, height, b"".join(lines[row * span + 1 : (row + 1) * span] for row in range(height))


def test_png() -> None:
    pixels = b"\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00\x00\x01\x02\x03\x04" + bytes(8)
    width, height, rgb = read_png(png(Framebuffer(3, 2, pixels)))
    assert (width, height) == (3, 2)
    assert rgb == b"\xff\0\0\0\xff\0\0\0\xff\x03\x02\x01" + bytes(6)
