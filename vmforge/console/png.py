"""Reading PNG files (https://www.w3.org/TR/png-3/), as far as pictures of screens need it.

The standard library's zlib does the work; an imaging library would be a dependency of many megabytes for
the hundred lines below.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from vmforge.console.framebuffer import BYTES_PER_PIXEL, Framebuffer

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PALETTE: Final = 3
# Bytes a pixel by colour type, at 8 bits a sample: grey, RGB, palette, grey with alpha, RGB with alpha.
_SAMPLES: Final = {0: 1, 2: 3, _PALETTE: 1, 4: 2, 6: 4}
# More pixels than any screen has; a small file can claim a picture that fills the memory.
_PIXEL_LIMIT: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    colour_type: int

    @property
    def samples(self) -> int:
        return _SAMPLES[self.colour_type]


def read_png(data: bytes) -> Framebuffer:
    """The picture in a PNG file of 8 bits a sample, not interlaced; alpha is left out. Raises ValueError,
    which says why it is not one."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("not a PNG file")
    try:
        chunks = list(_chunks(data))
        header = _header(chunks)
        packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
        size = (header.width * header.samples + 1) * header.height
        lines = zlib.decompressobj().decompress(packed, size)
    except (struct.error, zlib.error) as error:
        raise ValueError(f"a damaged PNG file: {error}") from error
    if len(lines) < size:
        raise ValueError("a PNG file that ends early")
    palette = next((body for kind, body in chunks if kind == b"PLTE"), b"")
    return _picture(header, _unfiltered(lines, header), palette)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += length + 12


def _header(chunks: list[tuple[bytes, bytes]]) -> _Header:
    kind, body = chunks[0] if chunks else (b"", b"")
    if kind != b"IHDR":
        raise ValueError("a PNG file without its header")
    width, height, depth, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", body)
    if depth != 8 or colour_type not in _SAMPLES or interlaced:
        raise ValueError(f"a PNG file of a kind that screens do not have ({depth} bits a sample)")
    if not 0 < width * height <= _PIXEL_LIMIT:
        raise ValueError(f"a PNG file of {width}x{height} pixels")
    return _Header(width, height, colour_type)


def _unfiltered(data: bytes, header: _Header) -> bytes:
    """The scanlines without their filters (section 9 of the specification)."""
    size, step = header.width * header.samples, header.samples
    above = bytearray(size)
    lines = []
    for start in range(0, len(data), size + 1):
        kind, line = data[start], bytearray(data[start + 1 : start + 1 + size])
        if kind not in _FILTERS:
            raise ValueError(f"a damaged PNG file: no filter {kind}")
        _FILTERS[kind](line, above, step)
        lines.append(line)
        above = line
    return b"".join(lines)


def _keep(line: bytearray, above: bytearray, step: int) -> None:
    """Filter 0: the line is as it is."""


def _add_left(line: bytearray, above: bytearray, step: int) -> None:
    for channel in range(step):
        line[channel::step] = bytes(value & 0xFF for value in accumulate(line[channel::step]))


def _add_above(line: bytearray, above: bytearray, step: int) -> None:
    line[:] = bytes([(value + over) & 0xFF for value, over in zip(line, above, strict=True)])


def _add_average(line: bytearray, above: bytearray, step: int) -> None:
    for channel in range(step):
        left = 0
        for at in range(channel, len(line), step):
            line[at] = left = (line[at] + (left + above[at]) // 2) & 0xFF


def _add_paeth(line: bytearray, above: bytearray, step: int) -> None:
    for channel in range(step):
        left = corner = 0
        for at in range(channel, len(line), step):
            over = above[at]
            if left == over == corner:  # most of a screen is of one colour
                guess = left
            else:
                to_left, to_above = abs(over - corner), abs(left - corner)
                to_corner = abs(left + over - 2 * corner)
                if to_left <= to_above and to_left <= to_corner:
                    guess = left
                else:
                    guess = over if to_above <= to_corner else corner
            line[at] = left = (line[at] + guess) & 0xFF
            corner = over


_FILTERS: Final = {0: _keep, 1: _add_left, 2: _add_above, 3: _add_average, 4: _add_paeth}


def _picture(header: _Header, samples: bytes, palette: bytes) -> Framebuffer:
    red, green, blue = _channels(header, samples, palette)
    pixels = bytearray(header.width * header.height * BYTES_PER_PIXEL)
    pixels[0::4], pixels[1::4], pixels[2::4] = blue, green, red
    return Framebuffer(header.width, header.height, bytes(pixels))


def _channels(header: _Header, samples: bytes, palette: bytes) -> tuple[bytes, bytes, bytes]:
    step = header.samples
    if header.colour_type == _PALETTE:
        if samples and max(samples) * 3 + 3 > len(palette):
            raise ValueError("a damaged PNG file: a colour that is not in its palette")
        tables = (palette[channel::3].ljust(256, b"\0")[:256] for channel in range(3))
        red, green, blue = (samples.translate(table) for table in tables)
        return red, green, blue
    if step < 3:
        grey = samples[::step]
        return grey, grey, grey
    return samples[0::step], samples[1::step], samples[2::step]
