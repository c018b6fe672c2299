from __future__ import annotations

import random

from vmforge.console.framebuffer import Framebuffer
from vmforge.console.picture import find_picture


def noise(width: int, height: int, seed: int = 1) -> Framebuffer:
    return Framebuffer(width, height, random.Random(seed).randbytes(width * height * 4))


def cut(screen: Framebuffer, x: int, y: int, width: int, height: int) -> Framebuffer:
    rows = (screen.pixels[((y + row) * screen.width + x) * 4 :][: width * 4] for row in range(height))
    return Framebuffer(width, height, b"".join(rows))


def test_a_part_of_the_screen_is_found() -> None:
    screen = noise(200, 100)
    for place in ((0, 0), (13, 57), (180, 90)):
        assert find_picture(cut(screen, *place, 20, 10), screen) == place


def test_colours_may_be_a_little_off() -> None:
    screen = noise(200, 100)
    part = cut(screen, 31, 41, 20, 10)
    off = bytes(min(255, value + 3) if value % 64 < 60 else value for value in part.pixels)
    assert find_picture(Framebuffer(20, 10, off), screen) == (31, 41)


def test_the_fourth_byte_of_a_pixel_means_nothing() -> None:
    screen = noise(100, 50)
    part = bytearray(cut(screen, 7, 9, 10, 10).pixels)
    part[3::4] = bytes(100)
    assert find_picture(Framebuffer(10, 10, bytes(part)), screen) == (7, 9)


def test_what_is_not_there_is_not_found() -> None:
    screen = noise(200, 100)
    assert find_picture(noise(20, 10, seed=2), screen) is None
    assert find_picture(noise(201, 10), screen) is None
    blank = Framebuffer(200, 100, bytes(200 * 100 * 4))
    assert find_picture(cut(screen, 0, 0, 20, 10), blank) is None


def test_a_picture_of_one_colour_is_found_where_that_is() -> None:
    pixels = bytearray(bytes(60 * 40 * 4))
    for row in range(20, 30):
        pixels[(row * 60 + 30) * 4 : (row * 60 + 40) * 4] = b"\xff" * 40
    screen = Framebuffer(60, 40, bytes(pixels))
    assert find_picture(Framebuffer(10, 10, b"\xff" * 400), screen) == (30, 20)
