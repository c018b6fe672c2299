"""The reader on screens of real machines, and on what is made of them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from vmforge.console.framebuffer import Framebuffer
from vmforge.console.screen import UNKNOWN, Colours, ScreenReader, ScreenText, Source, ocr
from vmforge.errors import MachineError

Load = Callable[[str], Framebuffer]


def read(frame: Framebuffer) -> ScreenText:
    text = ScreenReader().read(frame)
    assert text is not None
    return text


# What turns the light grey that text modes write in into black, and black into it.
GREY = 0xAA


def changed(frame: Framebuffer, x: int, y: int, width: int, height: int, bits: int = 255) -> Framebuffer:
    """The frame with bits of a rectangle's red, green and blue inverted."""
    pixels = bytearray(frame.pixels)
    for row in range(y, y + height):
        start = (row * frame.width + x) * 4
        pixels[start : start + width * 4] = bytes(value ^ bits for value in pixels[start : start + width * 4])
    return Framebuffer(frame.width, frame.height, bytes(pixels))


def test_a_value_that_answers_questions(screen: Load) -> None:
    text = read(screen("isolinux-prompt"))
    assert text.last_line == "boot:"
    assert text.lines[-1] == ""
    assert (text.columns, len(text.lines)) == (80, 25)
    assert text.search(r"^boot:$")
    assert text.search("boot: "), "the blank after a prompt is on the screen too"
    assert text.search(re.compile("HOST/FILE.*\n.*instead"))
    assert text.search("login:") is None
    assert text.cursor == (13, 6)


def test_an_empty_screen_has_empty_lines() -> None:
    text = read(Framebuffer(720, 400, bytes(720 * 400 * 4)))
    assert text.lines == ("",) * 25
    assert (text.text, text.last_line, text.cursor, text.unknown) == ("", "", None, 0)
    assert ScreenText(()).last_line == ""


def test_colours(screen: Load) -> None:
    text = read(screen("linux-colours"))
    line = text.lines[0]
    reverse, red, blue = (text.colours[0][line.index(word)] for word in ("reverse", "red", "blue"))
    assert reverse == Colours(0x000000, 0xAAAAAA)
    assert red == Colours(0xAA0000, 0x000000)
    assert blue == Colours(0xAAAAAA, 0x0000AA)


def test_inverted_cells_are_the_same_characters(screen: Load) -> None:
    frame = screen("isolinux-prompt")
    before, after = read(frame), read(changed(frame, 0, 7 * 16, 720, 16))
    assert after.lines == before.lines
    assert after.colours[7][0] == Colours(0x555555, 0xFFFFFF)
    assert after.colours[6] == before.colours[6]


@pytest.mark.parametrize(("top", "bottom"), [(13, 14), (14, 15), (15, 15)])
@pytest.mark.parametrize("pointed", [" ", "e"])
def test_cursors(screen: Load, top: int, bottom: int, pointed: str) -> None:
    frame = screen("grub-menu")  # which has none
    before = read(frame)
    assert before.cursor is None
    row = next(number for number, line in enumerate(before.lines) if "Use the" in line)
    column = before.lines[row].index(pointed, 7)
    text = read(changed(frame, column * 9, row * 16 + top, 9, bottom - top + 1, GREY))
    assert text.cursor == (row, column)
    assert text.lines == before.lines


def test_two_cursors_are_none(screen: Load) -> None:
    frame = changed(screen("grub-menu"), 90, 24 * 16 + 13, 9, 2)
    assert read(frame).cursor == (24, 10)
    assert read(changed(frame, 180, 24 * 16 + 13, 9, 2)).cursor is None


def test_a_pixel_too_many_makes_it_unknown(screen: Load) -> None:
    frame = screen("isolinux-prompt")
    damaged = read(changed(frame, 4, 13 * 16 + 1, 1, 1))  # above the `b` of `boot:`
    assert damaged.lines[13] == f"{UNKNOWN}oot:"
    assert damaged.unknown == 1


def test_graphics_have_no_text() -> None:
    noise = random.Random(1).randbytes(640 * 480 * 4)
    assert ScreenReader().read(Framebuffer(640, 480, noise)) is None


@pytest.mark.parametrize(("width", "height"), [(1, 1), (8, 15), (7, 400), (8, 16), (12, 20)])
def test_pictures_too_small_for_a_character_have_no_text(width: int, height: int) -> None:
    text = ScreenReader().read(Framebuffer(width, height, bytes(width * height * 4)))
    assert (
        text is None if width < 8 or height < 16 else text == ScreenText(("",), None, 1, ((Colours(0, 0),),))
    )


def test_a_changed_screen_is_read_anew(screen: Load) -> None:
    reader = ScreenReader()
    for name in ("isolinux-prompt", "isolinux-typed", "isolinux-typed", "grub-1024x768-menu", "seabios"):
        assert reader.read(screen(name)) == read(screen(name)), name


def damage(frame: Framebuffer, text: ScreenText, word: str) -> Framebuffer:
    """The frame as if the guest's own font drew a word."""
    for row, line in enumerate(text.lines):
        for match in re.finditer(word, line):
            for column in range(*match.span()):
                frame = changed(frame, column * 9 + 1, row * 16 + 1, 2, 1)
    return frame


def test_the_guests_memory_helps_with_its_own_font(
    screen: Load, text_on: Callable[[str], str], memory_with: Callable[..., bytes]
) -> None:
    frame = damage(screen("isolinux-prompt"), read(screen("isolinux-prompt")), "install")
    assert read(frame).unknown
    reader = ScreenReader(lambda: memory_with(text_on("isolinux-prompt"), 30))
    text = reader.read(frame)
    assert text is not None
    assert text.text == text_on("isolinux-prompt")
    assert text.source is Source.MEMORY


def test_memory_that_cannot_be_read_is_done_without(screen: Load) -> None:
    def gone() -> bytes:
        raise MachineError("the machine has ended")

    frame = damage(screen("isolinux-prompt"), read(screen("isolinux-prompt")), "install")
    assert ScreenReader(gone).read(frame) == read(frame)


def test_memory_is_not_asked_when_pixels_say_all(screen: Load) -> None:
    def never() -> bytes:
        raise AssertionError("read without need")

    assert ScreenReader(never).read(screen("isolinux-prompt")) == read(screen("isolinux-prompt"))


@pytest.mark.skipif(not ocr.is_installed(), reason="tesseract is not installed")
def test_ocr_reads_graphics(screen: Load) -> None:
    text = ScreenReader(use_ocr=True).read(screen("debian-menu"))
    assert text is not None
    assert text.source is Source.OCR
    assert text.search("Install")


def test_without_tesseract_graphics_have_no_text(screen: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not ocr.is_installed()
    noise = Framebuffer(64, 64, random.Random(1).randbytes(64 * 64 * 4))
    assert ScreenReader(use_ocr=True).read(noise) is None
