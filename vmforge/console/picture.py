"""Finding a small picture on a screen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from vmforge.console.framebuffer import BYTES_PER_PIXEL, Framebuffer

# How far colours may be off, on average, of 255: what saving a picture in another format changes.
_TOLERANCE: Final = 8.0
# How many places are looked at closely.
_PLACES: Final = 2_000
# Two ways to divide shades into four, so that one that lies at a border of the first does not in the second.
_SHADES: Final = tuple(bytes(min(value + shift, 255) >> 6 for value in range(256)) for shift in (0, 32))


def find_picture(picture: Framebuffer, screen: Framebuffer) -> tuple[int, int] | None:
    """The column and row at which a picture is part of the screen, exactly or nearly; None if nowhere."""
    if picture.width > screen.width or picture.height > screen.height or not picture.pixels:
        return None
    shown, wanted = _greens(screen), _greens(picture)
    for seen, (x, y) in enumerate(_candidates(picture, wanted, screen, shown)):
        if seen == _PLACES:
            return None
        if _difference(picture, screen, x, y) <= _TOLERANCE:
            return x, y
    return None


def _candidates(
    picture: Framebuffer, wanted: bytes, screen: Framebuffer, shown: bytes
) -> Iterator[tuple[int, int]]:
    """Places where the picture's most telling row is found, in few shades."""
    row = max(range(picture.height), key=lambda row: _edges(_row(wanted, row, picture.width)))
    for shades in _SHADES:
        pattern = _row(wanted, row, picture.width).translate(shades)
        text = shown.translate(shades)
        at = text.find(pattern, row * screen.width)
        while at >= 0:
            y, x = divmod(at, screen.width)
            if x + picture.width <= screen.width and y - row + picture.height <= screen.height:
                yield x, y - row
            at = text.find(pattern, at + 1)


def _difference(picture: Framebuffer, screen: Framebuffer, x: int, y: int) -> float:
    """By how much colours differ on average; stops where it is clear that it is too much."""
    total, most = 0, _TOLERANCE * picture.width * picture.height * 3
    span = picture.width * BYTES_PER_PIXEL
    for row in range(picture.height):
        start = ((y + row) * screen.width + x) * BYTES_PER_PIXEL
        ours, theirs = _row(picture.pixels, row, span), screen.pixels[start : start + span]
        for channel in range(3) if ours != theirs else ():
            pairs = zip(ours[channel::BYTES_PER_PIXEL], theirs[channel::BYTES_PER_PIXEL], strict=True)
            total += sum(abs(one - other) for one, other in pairs)
        if total > most:
            break
    return total / (picture.width * picture.height * 3)


def _greens(frame: Framebuffer) -> bytes:
    return frame.pixels[1::BYTES_PER_PIXEL]


def _row(pixels: bytes, row: int, span: int) -> bytes:
    return pixels[row * span : (row + 1) * span]


def _edges(row: bytes) -> int:
    return sum(one >> 6 != other >> 6 for one, other in pairwise(row))
