"""Animated GIF files (GIF89a, https://www.w3.org/Graphics/GIF/spec-gif89a.txt): the part of the picture that
has changed, frame by frame."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmforge.console.framebuffer import BYTES_PER_PIXEL, Framebuffer
from vmforge.console.screen import ScreenText

# Six levels a channel make 216 colours; those of the VGA palette (0, 85, 170, 255) are exact.
_LEVELS: Final = (0, 43, 85, 128, 170, 255)
_NEAREST: Final = bytes(min(range(6), key=lambda n: abs(_LEVELS[n] - value)) for value in range(256))
_TABLES: Final = tuple(bytes(level * weight for level in _NEAREST) for weight in (36, 6, 1))
_PALETTE: Final = bytes(
    value for r in _LEVELS for g in _LEVELS for b in _LEVELS for value in (r, g, b)
).ljust(768, b"\0")
_SIZE_AT: Final = 6
# Hundredths of a second; a still screen is not worth watching for longer, and few players show less.
_LONGEST, _SHORTEST = 200, 4
_CLEAR, _END, _MOST_CODES = 256, 257, 4096


@dataclass(frozen=True)
class _Picture:
    """One byte a pixel, an index of the palette."""

    width: int
    height: int
    indexes: bytes

    @classmethod
    def of(cls, frame: Framebuffer, width: int, height: int) -> _Picture:
        """The frame on a black ground of at least its size."""
        # sums of three indexes stay below 256, so that whole pictures can be added as numbers
        channels = (frame.pixels[offset::BYTES_PER_PIXEL] for offset in (2, 1, 0))
        total = sum(
            int.from_bytes(channel.translate(table), "little")
            for channel, table in zip(channels, _TABLES, strict=True)
        )
        indexes = total.to_bytes(frame.width * frame.height, "little")
        if (width, height) != (frame.width, frame.height):
            rows = (
                indexes[at : at + frame.width].ljust(width, b"\0")
                for at in range(0, len(indexes), frame.width)
            )
            indexes = b"".join(rows).ljust(width * height, b"\0")
        return cls(width, height, indexes)

    def row(self, y: int) -> bytes:
        return self.indexes[y * self.width : (y + 1) * self.width]


class Gif:
    """A film as a GIF. The time that a frame is shown is known when the next one comes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._staged = path.with_name(path.name + ".part")
        self._file = self._staged.open("wb")
        self._file.write(b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0xF7, 0, 0) + _PALETTE)
        self._file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")  # again and again
        self._width = self._height = 1
        self._shown: _Picture | None = None
        self._waiting: tuple[float, _Picture] | None = None

    def add(self, at: float, frame: Framebuffer, text: ScreenText | None) -> None:
        self._width, self._height = max(self._width, frame.width), max(self._height, frame.height)
        picture = _Picture.of(frame, self._width, self._height)
        self._write_waiting(at)
        self._waiting = at, picture

    def finish(self, at: float) -> None:
        self._write_waiting(at)
        self._file.write(b";")
        self._file.seek(_SIZE_AT)
        self._file.write(struct.pack("<HH", self._width, self._height))
        self._file.close()
        self._staged.replace(self._path)

    def _write_waiting(self, until: float) -> None:
        if self._waiting is None:
            return
        at, picture = self._waiting
        delay = min(_LONGEST, max(_SHORTEST, round((until - at) * 100)))
        left, top, right, bottom = _changed(self._shown, picture)
        rows = (picture.row(y)[left:right] for y in range(top, bottom))
        self._file.write(b"\x21\xf9\x04" + struct.pack("<BHBB", 4, delay, 0, 0))
        self._file.write(struct.pack("<BHHHHB", 0x2C, left, top, right - left, bottom - top, 0))
        self._file.write(b"\x08" + _blocks(compress(b"".join(rows))) + b"\0")
        self._shown, self._waiting = picture, None


def _changed(before: _Picture | None, after: _Picture) -> tuple[int, int, int, int]:
    """The smallest rectangle outside of which nothing differs (left, top, right, bottom); one pixel if
    nothing does."""
    if before is None or (before.width, before.height) != (after.width, after.height):
        return 0, 0, after.width, after.height
    rows = [y for y in range(after.height) if before.row(y) != after.row(y)]
    if not rows:
        return 0, 0, 1, 1
    left, right = after.width, 0
    for y in rows:
        old, new = before.row(y), after.row(y)
        difference = int.from_bytes(old, "big") ^ int.from_bytes(new, "big")
        left = min(left, after.width - (difference.bit_length() + 7) // 8)
        lowest = (difference & -difference).bit_length() - 1
        right = max(right, after.width - lowest // 8)
    return left, rows[0], right, rows[-1] + 1


def compress(data: bytes) -> bytes:
    """The variable-length-code LZW of GIF (appendix F of its specification), for 8 bits a pixel."""
    codes = {bytes((value,)): value for value in range(256)}
    out = bytearray()
    bits, filled, width, following = _CLEAR, 9, 9, _END + 1
    prefix = b""
    for value in data:
        longer = prefix + bytes((value,))
        if longer in codes:
            prefix = longer
            continue
        bits |= codes[prefix] << filled
        filled += width
        while filled >= 8:
            out.append(bits & 255)
            bits >>= 8
            filled -= 8
        codes[longer] = following
        following += 1
        if following > 1 << width and width < 12:
            width += 1
        prefix = longer[-1:]
        if following == _MOST_CODES:
            bits |= codes[prefix] << filled
            filled += width
            bits |= _CLEAR << filled
            filled += width
            codes = {bytes((value,)): value for value in range(256)}
            width, following, prefix = 9, _END + 1, b""
    if prefix:
        bits |= codes[prefix] << filled
        filled += width
        # the decoder adds an entry for every code but the first, and widens its codes accordingly
        if following == 1 << width and width < 12:
            width += 1
    bits |= _END << filled
    filled += width
    return bytes(out) + bits.to_bytes((filled + 7) // 8, "little")


def _blocks(data: bytes) -> bytes:
    return b"".join(
        bytes((len(data[at : at + 255]),)) + data[at : at + 255] for at in range(0, len(data), 255)
    )
