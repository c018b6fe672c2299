"""GIF films, read back by a decoder of the tests' own."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmforge.console.film.gif import Gif, compress
from vmforge.console.framebuffer import Framebuffer

BLACK, WHITE, GREEN = (0, 0, 0), (255, 255, 255), (0, 170, 0)


def picture(
    width: int, height: int, colour: tuple[int, int, int] = BLACK, *dots: tuple[int, int]
) -> Framebuffer:
    """One colour, with white dots at these columns and rows."""
    red, green, blue = colour
    pixels = bytearray(bytes((blue, green, red, 0)) * width * height)
    for x, y in dots:
        at = (y * width + x) * 4
        pixels[at : at + 3] = b"\xff\xff\xff"
    return Framebuffer(width, height, bytes(pixels))


def decompress(data: bytes) -> bytes:
    """The LZW of GIF for 8 bits a pixel."""
    bits, available, at, width = 0, 0, 0, 9
    table: list[bytes] = []
    out, last = bytearray(), b""
    while True:
        while available < width:
            bits |= data[at] << available
            at, available = at + 1, available + 8
        code = bits & ((1 << width) - 1)
        bits, available = bits >> width, available - width
        if code == 257:
            return bytes(out)
        if code == 256:
            table, width, last = [bytes((n,)) for n in range(256)] + [b"", b""], 9, b""
            continue
        entry = table[code] if code < len(table) else last + last[:1]
        out += entry
        if last and len(table) < 4096:
            table.append(last + entry[:1])
            if len(table) == 1 << width and width < 12:
                width += 1
        last = entry


def frames(data: bytes) -> Iterator[tuple[int, tuple[int, int, int, int], bytes]]:
    """The delay, the rectangle (left, top, width, height) and the indexes of each frame."""
    at, delay = 13 + 768, 0
    while data[at] != 0x3B:
        kind = data[at]
        if kind == 0x2C:
            box = struct.unpack_from("<HHHH", data, at + 1)
            body, at = blocks(data, at + 11)
            yield delay, box, decompress(body)
        else:
            if data[at + 1] == 0xF9:
                (delay,) = struct.unpack_from("<H", data, at + 4)
            _, at = blocks(data, at + 2)


def blocks(data: bytes, at: int) -> tuple[bytes, int]:
    body = bytearray()
    while size := data[at]:
        body += data[at + 1 : at + 1 + size]
        at += 1 + size
    return bytes(body), at + 1


@pytest.mark.parametrize("length", [0, 1, 2, 300, 4000, 70_000])
@pytest.mark.parametrize("values", [1, 2, 40, 256])
def test_compression_can_be_undone(length: int, values: int) -> None:
    source = random.Random(f"{length} {values}")
    data = bytes(source.randrange(values) for _ in range(length))
    assert decompress(compress(data)) == data


def test_a_film_holds_what_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    film = Gif(path)
    film.add(10.0, picture(40, 20, GREEN), None)
    film.add(10.5, picture(40, 20, GREEN, (7, 3), (12, 9)), None)
    film.add(60.5, picture(40, 20, GREEN), None)
    film.finish(61.0)
    data = path.read_bytes()
    assert data[:6] == b"GIF89a"
    assert struct.unpack_from("<HH", data, 6) == (40, 20)
    (first, second, third) = frames(data)
    assert first[:2] == (50, (0, 0, 40, 20))
    assert second[:2] == (200, (7, 3, 6, 7))  # a still screen is shown for 2 s at most
    assert third[:2] == (50, (7, 3, 6, 7))
    index = first[2][0]
    assert tuple(data[13 + index * 3 : 16 + index * 3]) == GREEN
    assert second[2][0] != index
    assert not list(tmp_path.glob("*.part"))


def test_a_screen_that_grows_and_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    film = Gif(path)
    for at, size in enumerate([(8, 4), (16, 8), (8, 4)]):
        film.add(float(at), picture(*size, WHITE), None)
    film.finish(3.0)
    data = path.read_bytes()
    assert struct.unpack_from("<HH", data, 6) == (16, 8)
    boxes = [box for _, box, _ in frames(data)]
    assert boxes == [(0, 0, 8, 4), (0, 0, 16, 8), (0, 0, 16, 8)]
