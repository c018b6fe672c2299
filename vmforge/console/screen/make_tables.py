"""Makes the tables of `glyphs` from the fonts on this host: `python -m vmforge.console.screen.make_tables`.

Arguments are NAME=FILE: `vga=` a VGA BIOS that holds the ROM font (SeaBIOS's `vgabios-stdvga.bin`), `linux=`
an uncompressed kernel or anything else with its 8x16 font in it, `unifont=` GRUB's `unicode.pf2`, `efi=`
firmware of EDK II's (OVMF), `fixed=`, `terminus=` and `terminus-bold=` console-setup's `Uni2-*16.psf.gz`.
"""

from __future__ import annotations

import gzip
import lzma
import re
import struct
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from vmforge.console.screen.codepage import CP437
from vmforge.console.screen.glyphs import EFI_HEIGHT, HEIGHT, WIDTH, fingerprint, is_bar

_GLYPH_BYTES: Final = WIDTH * HEIGHT // 8
_UNDERSCORE: Final = ord("_")
_ASCII: Final = range(0x20, 0x7F)
# PSF 1: its magic number, its flags, what ends a picture's code points. Then what gzip files begin with.
_PSF: Final = 0x0436
_PSF_512, _PSF_CODES = 1, 6
_PSF_END: Final = 0xFFFF
_GZIP: Final = b"\x1f\x8b"
# EDK II's section of LZMA, and how its font begins: a blank, then "!".
_LZMA_SECTION: Final = UUID("ee4e5898-3914-4259-9d6e-dc7bd79403cf").bytes_le
_EFI_FIRST: Final = b"\x20\0\0" + bytes(EFI_HEIGHT) + b"\x21\0\0"
# "A" as the ROM font and Linux's font draw it, by which they are found; it is the 65th glyph.
_LETTER_A: Final = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")
# The rows from the bottom that a cursor covers: VGA's; Linux's on a framebuffer and GRUB's; one row; EFI's.
_BARS: Final = ((2, 3), (1, 2), (1, 1), (1, 3), (1, 4))
# Blocks of Unicode that a console of 8 by 16 pixels shows: Latin, Greek, Cyrillic, punctuation, signs,
# arrows, mathematics, boxes.
_BLOCKS: Final = (
    range(0x20, 0x250), range(0x370, 0x530), range(0x5D0, 0x5EB), range(0x10A0, 0x1100),
    range(0x1E00, 0x1F00), range(0x2010, 0x2070), range(0x20A0, 0x20C0), range(0x2100, 0x2300),
    range(0x2500, 0x2700),
)  # fmt: skip

Picture = tuple[int, int]  # a code point and its ink


def main(arguments: list[str]) -> None:
    readers: dict[str, Callable[[bytes], Iterator[Picture]]] = {
        "vga": rom_font,
        "linux": rom_font,
        "unifont": pf2_font,
        "efi": efi_font,
        "fixed": psf_font,
        "terminus": psf_font,
        "terminus-bold": psf_font,
    }
    for argument in arguments:
        name, _, file = argument.partition("=")
        height = EFI_HEIGHT if name == "efi" else HEIGHT
        lines = list(table(readers[name](Path(file).read_bytes()), height))
        target = Path(__file__).parent / "tables" / f"{name}.txt"
        target.write_text("# fingerprint, code point, `_` with a cursor\n" + "\n".join(lines) + "\n", "ascii")
        print(f"{target}: {len(lines)} pictures")


def table(font: Iterator[Picture], height: int) -> Iterator[str]:
    """The lines of a table: every picture once, then those of ASCII with a cursor. What looks like a cursor
    alone is one, but for the underscore."""
    pictures = [(code, ink) for code, ink in font if code == _UNDERSCORE or not (ink and is_bar(ink, height))]
    seen = {0}
    for code, ink in pictures:
        if ink not in seen:
            seen.add(ink)
            yield f"{fingerprint(ink, height).hex()} {code:04x}"
    covered: dict[int, set[int]] = {}
    for code, ink in pictures:
        for picture in with_cursor(ink) if code in _ASCII and ink else ():
            covered.setdefault(picture, set()).add(code)
    for picture, codes in covered.items():
        # a cursor may hide what two characters differ in
        if len(codes) == 1 and picture not in seen and not is_bar(picture, height):
            yield f"{fingerprint(picture, height).hex()} {codes.pop():04x} _"


def with_cursor(ink: int) -> Iterator[int]:
    """A picture with each cursor over it: most paint it, Linux on a framebuffer inverts what is there."""
    for lowest, highest in _BARS:
        bar = sum(0xFF << WIDTH * (row - 1) for row in range(lowest, highest + 1))
        yield ink | bar
        yield ink ^ bar


def rom_font(data: bytes) -> Iterator[Picture]:
    """256 pictures in the order of code page 437, from anything that holds them."""
    found = data.find(_LETTER_A)
    while found >= 0:
        start = found - 65 * _GLYPH_BYTES
        if start >= 0 and not any(data[start + 32 * _GLYPH_BYTES : start + 33 * _GLYPH_BYTES]):
            break
        found = data.find(_LETTER_A, found + 1)
    if found < 0:
        raise SystemExit("no 8x16 font in this file")
    # printable ASCII first: what looks the same elsewhere is a second use of it
    for code in sorted(range(256), key=lambda code: code not in _ASCII):
        glyph = data[start + code * _GLYPH_BYTES : start + (code + 1) * _GLYPH_BYTES]
        yield ord(CP437[code]), int.from_bytes(glyph, "big")


def pf2_font(data: bytes) -> Iterator[Picture]:
    """The pictures that fit a cell in a font of GRUB's (its developer manual, "PFF2")."""
    sections = dict(_pf2_sections(data))
    ascent = int.from_bytes(sections[b"ASCE"], "big")
    index = sections[b"CHIX"]
    for at in range(0, len(index), 9):
        code, _, offset = struct.unpack_from(">IBI", index, at)
        width, height, x, y, advance = struct.unpack_from(">HHhhH", data, offset)
        if advance == WIDTH and any(code in block for block in _BLOCKS):
            bits = data[offset + 10 : offset + 10 + (width * height + 7) // 8]
            yield _light(code), _placed(bits, width, height, x, ascent - y - height)


def _light(code: int) -> int:
    """The light line of a box for a heavy one: what GRUB draws with those is light in all other fonts."""
    name = unicodedata.name(chr(code), "")
    try:
        return ord(unicodedata.lookup(name.replace(" HEAVY", " LIGHT"))) if name.startswith("BOX ") else code
    except KeyError:
        return code


def psf_font(data: bytes) -> Iterator[Picture]:
    """The pictures of a console font (PSF 1, as in the kbd project's `psf.h`), perhaps compressed."""
    if data.startswith(_GZIP):
        data = gzip.decompress(data)
    magic, mode, size = struct.unpack_from("<HBB", data)
    if magic != _PSF or not mode & _PSF_CODES or size != _GLYPH_BYTES:
        raise SystemExit("not a PSF font of 8x16 with its code points")
    count = 512 if mode & _PSF_512 else 256
    codes = struct.unpack_from(f"<{(len(data) - 4 - count * size) // 2}H", data, 4 + count * size)
    picture, used = 0, False
    for code in codes:
        if code == _PSF_END:
            picture, used = picture + 1, False
        elif not used:  # the first one is the picture's own; others look alike
            used = True
            start = 4 + picture * size
            yield code, int.from_bytes(data[start : start + size], "big")


def efi_font(data: bytes) -> Iterator[Picture]:
    """The narrow pictures (UEFI specification, 34.3.2) in a firmware's compressed volume."""
    for found in re.finditer(re.escape(_LZMA_SECTION), data):
        # the section's header ends with the offset of what is compressed, and its attributes
        volume = lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(data[found.end() + 4 :])
        start = volume.find(_EFI_FIRST)
        while start >= 0:
            code, attributes = struct.unpack_from("<HB", volume, start)
            if not code or attributes:
                return
            picture = volume[start + 3 : start + 3 + EFI_HEIGHT]
            yield code, int.from_bytes(picture, "big")
            start += 3 + EFI_HEIGHT


def _pf2_sections(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        name, length = struct.unpack_from(">4sI", data, at)
        if name == b"DATA":  # up to the end; the index points into it from the file's start
            return
        yield name, data[at + 8 : at + 8 + length]
        at += 8 + length


def _placed(bits: bytes, width: int, height: int, x: int, y: int) -> int:
    """A bitmap without gaps between its rows, put at a place in a cell."""
    packed = int.from_bytes(bits, "big") >> (len(bits) * 8 - width * height)
    ink = 0
    for row in range(height):
        line = packed >> (height - 1 - row) * width & (1 << width) - 1
        ink |= line << (HEIGHT - 1 - y - row) * WIDTH + WIDTH - x - width
    return ink


if __name__ == "__main__":
    main(sys.argv[1:])
