"""The characters that pictures of 8 by 16 pixels stand for, or of 8 by 19 where EFI draws them.

The tables hold no font: a hash of each picture and what it means. `make_tables` makes them from the
fonts that a host has installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from importlib import resources
from typing import Final, NamedTuple

WIDTH: Final = 8
HEIGHT: Final = 16
EFI_HEIGHT: Final = 19

# In this order: what several fonts draw alike means what the first of them says; with a cursor over it,
# nothing.
FONTS: Final = ("vga", "linux", "fixed", "terminus", "terminus-bold", "unifont", "efi")
_CURSOR_MARK: Final = "_"
# The height of the largest cursor that is a bar below the text.
_BAR_HEIGHT: Final = 5
_FULL_ROW: Final = (1 << WIDTH) - 1


class Glyph(NamedTuple):
    character: str
    cursor: bool


_BLANK: Final = Glyph(" ", False)
_BAR: Final = Glyph(" ", True)


def fingerprint(ink: int, height: int) -> bytes:
    """The hash under which the tables know a picture: a bit for each of its pixels, row by row, the left
    and upper one in the highest bit."""
    return blake2b(ink.to_bytes(height, "big"), digest_size=8).digest()


def find(ink: int, height: int) -> Glyph | None:
    """The character that a picture shows, perhaps with a cursor under it; None if it is none."""
    if not ink:
        return _BLANK
    return _table().get(fingerprint(ink, height)) or (_BAR if is_bar(ink, height) else None)


def is_bar(ink: int, height: int) -> bool:
    """Whether the picture is a bar across the cell's lower part: a cursor where there is no character."""
    rows = ink.to_bytes(height, "big")
    bar = rows.lstrip(b"\0")
    top = height - len(bar)
    return top >= height - _BAR_HEIGHT and set(bar.rstrip(b"\0")) == {_FULL_ROW}


@cache
def _table() -> dict[bytes, Glyph]:
    known: dict[bytes, Glyph] = {}
    ambiguous = set()
    for font in FONTS:
        for print_, glyph in _read(font):
            if known.setdefault(print_, glyph) != glyph and glyph.cursor:
                ambiguous.add(print_)
    return {print_: glyph for print_, glyph in known.items() if not (glyph.cursor and print_ in ambiguous)}


def _read(font: str) -> Iterator[tuple[bytes, Glyph]]:
    """One font's table: each line a fingerprint, a code point, and a mark if a cursor is in the picture."""
    lines = resources.files(__package__).joinpath("tables", f"{font}.txt").read_text("ascii").splitlines()
    for line in lines:
        if not line.startswith("#"):
            print_, code, *mark = line.split()
            yield bytes.fromhex(print_), Glyph(chr(int(code, 16)), mark == [_CURSOR_MARK])
