"""Pictures of a screen: the one that is being drawn, copies of it, and PNG files."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

BYTES_PER_PIXEL: Final = 4


@dataclass(frozen=True, slots=True)
class Framebuffer:
    """A picture of a screen at one moment.

    `pixels` has rows from the top without gaps, each pixel as blue, green, red and a byte of no
    meaning.
    """

    width: int
    height: int
    pixels: bytes

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """The red, green and blue of one pixel, each 0 to 255."""
        at = (y * self.width + x) * BYTES_PER_PIXEL
        blue, green, red = self.pixels[at : at + 3]
        return red, green, blue


class Canvas:
    """The screen as it is being drawn. Rectangles are given by their top left corner and size; one
    that leaves the canvas raises ValueError."""

    def __init__(self, width: int, height: int) -> None:
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """Start again in another size, all black."""
        self.width, self.height = width, height
        self._pixels = bytearray(width * height * BYTES_PER_PIXEL)

    def paint(self, x: int, y: int, width: int, height: int, pixels: bytes) -> None:
        """Put a picture in the same pixel format at a place."""
        self._check(x, y, width, height)
        span = width * BYTES_PER_PIXEL
        if width == self.width:
            start = y * span
            self._pixels[start : start + len(pixels)] = pixels
            return
        source = memoryview(pixels)
        for row in range(height):
            start = self._offset(x, y + row)
            self._pixels[start : start + span] = source[row * span : (row + 1) * span]

    def copy(self, x: int, y: int, width: int, height: int, from_x: int, from_y: int) -> None:
        """Copy a rectangle from another place; the two may overlap."""
        self._check(x, y, width, height)
        self._check(from_x, from_y, width, height)
        rows = range(height) if from_y >= y else range(height - 1, -1, -1)
        span = width * BYTES_PER_PIXEL
        for row in rows:
            start, source = self._offset(x, y + row), self._offset(from_x, from_y + row)
            self._pixels[start : start + span] = self._pixels[source : source + span]

    def snapshot(self) -> Framebuffer:
        return Framebuffer(self.width, self.height, bytes(self._pixels))

    def _offset(self, x: int, y: int) -> int:
        return (y * self.width + x) * BYTES_PER_PIXEL

    def _check(self, x: int, y: int, width: int, height: int) -> None:
        if x + width > self.width or y + height > self.height:
            raise ValueError(
                f"a rectangle of {width}x{height} at {x},{y} leaving the screen of {self.width}x{self.height}"
            )


def png(framebuffer: Framebuffer) -> bytes:
    """The picture as a PNG file (https://www.w3.org/TR/png-3/): 8 bits a channel, no alpha."""
    width, height = framebuffer.width, framebuffer.height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(_scanlines(framebuffer))),
            _chunk(b"IEND", b""),
        )
    )


def _scanlines(framebuffer: Framebuffer) -> bytes:
    rgb = bytearray(framebuffer.width * framebuffer.height * 3)
    for channel, source in enumerate((2, 1, 0)):
        rgb[channel::3] = framebuffer.pixels[source::BYTES_PER_PIXEL]
    row = framebuffer.width * 3
    unfiltered = b"\0"  # each line starts with the number of its filter
    return b"".join(
        unfiltered + rgb[start : start + row] for start in range(0, row * framebuffer.height, row)
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
