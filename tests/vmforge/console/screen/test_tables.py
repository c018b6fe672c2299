"""The tables of characters are what the fonts of a host give."""

from __future__ import annotations

import gzip
import struct
from importlib import resources
from pathlib import Path

import pytest

from vmforge.console.screen import glyphs
from vmforge.console.screen.codepage import CP437
from vmforge.console.screen.make_tables import efi_font, pf2_font, psf_font, rom_font, table

ROM = Path("/usr/share/seabios/vgabios-stdvga.bin")
EFI = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")


def lines_of(font: str) -> list[str]:
    file = resources.files("vmforge.console.screen").joinpath("tables", f"{font}.txt")
    return file.read_text("ascii").splitlines()[1:]


def picture(text: str) -> int:
    """Ink from rows of `.` and `#`."""
    return int("".join(text.split()).replace(".", "0").replace("#", "1"), 2)


@pytest.mark.skipif(not ROM.exists(), reason="SeaBIOS is not installed")
def test_the_rom_font() -> None:
    assert list(table(rom_font(ROM.read_bytes()), glyphs.HEIGHT)) == lines_of("vga")


@pytest.mark.skipif(not EFI.exists(), reason="OVMF is not installed")
def test_the_font_of_efi() -> None:
    assert list(table(efi_font(EFI.read_bytes()), glyphs.EFI_HEIGHT)) == lines_of("efi")


@pytest.mark.parametrize("font", glyphs.FONTS)
def test_every_font_has_ascii(font: str) -> None:
    characters = {chr(int(line.split()[1], 16)) for line in lines_of(font)}
    assert {chr(code) for code in range(0x21, 0x7F)} <= characters


def test_code_page_437() -> None:
    assert len(CP437) == 256
    assert CP437[0x41] == "A"
    assert CP437[0xC4] == "─"
    assert CP437[0x10] == "►"
    assert CP437[0] == CP437[0x20] == CP437[0xFF] == " "


def section(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">I", len(data)) + data


def test_a_font_of_grubs() -> None:
    """Two pictures of three columns, of which one is too wide for a cell."""
    bits = bytes([0b101_010_10, 0b1_0000000])  # three rows, no gap between them
    head = section(b"FILE", b"PFF2") + section(b"ASCE", struct.pack(">H", 14))
    start = len(head) + 8 + 2 * 9 + 8
    index = struct.pack(">IBI", ord("x"), 0, start) + struct.pack(">IBI", ord("W"), 0, start + 12)
    narrow = struct.pack(">HHhhH", 3, 3, 2, 0, 8) + bits
    wide = struct.pack(">HHhhH", 3, 3, 2, 0, 16) + bits
    font = head + section(b"CHIX", index) + b"DATA\xff\xff\xff\xff" + narrow + wide
    blank = "........ " * 11
    drawn = picture(blank + "..#.#... ...#.... ..#.#..." + " ........" * 2)
    assert list(pf2_font(font)) == [(ord("x"), drawn)]


def test_what_no_font_draws_is_unknown() -> None:
    assert glyphs.find(picture("#.#.#..." * 16), glyphs.HEIGHT) is None
    assert glyphs.find(0, glyphs.HEIGHT) == (" ", False)
    bar = picture("........" * 13 + "########" * 2 + "........")
    assert glyphs.find(bar, glyphs.HEIGHT) == (" ", True)
    assert glyphs.find(bar << 32, glyphs.HEIGHT) != (" ", True)


def test_a_console_font() -> None:
    drawings = [bytes(16), bytes([0x18] * 16), *[bytes([1] * 16)] * 254]
    codes = [0x20, 0xA0, 0xFFFF, 0x2502, 0xFFFF, *[0xFFFF] * 254]
    font = b"\x36\x04\x02\x10" + b"".join(drawings) + struct.pack(f"<{len(codes)}H", *codes)
    expected = [(0x20, 0), (0x2502, picture("...##..." * 16))]
    assert list(psf_font(font)) == list(psf_font(gzip.compress(font))) == expected


def test_a_cursor_that_hides_the_difference_makes_it_unknown() -> None:
    stem = "...##... " * 12 + "........ "
    alike = [
        (ord("a"), picture(stem + "........ " * 3)),
        (ord("b"), picture(stem + "##...... " * 2 + "........")),
    ]
    lines = list(table(iter(alike), glyphs.HEIGHT))
    both = picture(stem + "######## " * 2 + "........")
    assert not any(line.startswith(glyphs.fingerprint(both, glyphs.HEIGHT).hex()) for line in lines)
    assert sum(line.endswith("_") for line in lines) > 4
