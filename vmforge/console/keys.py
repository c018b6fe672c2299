"""Keys as X11 names them: the numbers that VNC carries, and which of them need Shift.

Keysyms are those of the X protocol's Appendix A (RFC 6143, section 7.5.4, refers to it). The layout is
the US one, which is what installers start with; for others a key is known by its place on the keyboard,
as Linux numbers it (input-event-codes.h).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

_SHIFTED_SYMBOLS: Final = frozenset('~!@#$%^&*()_+{}|:"<>?')
_LAST_LATIN_1: Final = 0xFF
_UNICODE_KEYSYMS: Final = 0x0100_0000


class Keyboard(Protocol):
    """Whatever can press and release keys of a machine."""

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        """Press or release one key: the one at the place `code`, whatever it types, where that is not 0.
        Raises `MachineError` when the machine is gone."""


@runtime_checkable
class PacedKeyboard(Keyboard, Protocol):
    """A keyboard that keeps a pace of its own, and may hold keys back until `flush`."""

    def flush(self) -> None:
        """Let everything that was pressed and released so far reach the machine."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `name` is the character it types or its name in boot commands (`pageUp`);
    `shifted` and `third_level` say that Shift and AltGr must be held for it. `code` is its place."""

    name: str
    keysym: int
    shifted: bool = False
    third_level: bool = False
    code: int = 0

    @property
    def is_character(self) -> bool:
        """Whether it types something that can be seen."""
        return len(self.name) == 1 and self.name.isprintable()


def character_key(character: str) -> Key:
    """The key that types one character."""
    codepoint = ord(character)
    keysym = codepoint if codepoint <= _LAST_LATIN_1 else _UNICODE_KEYSYMS + codepoint
    shifted = character in _SHIFTED_SYMBOLS or unicodedata.category(character) == "Lu"
    return Key(character, keysym, shifted)


_KEYSYMS: Final = {
    "bs": 0xFF08,
    "del": 0xFFFF,
    "enter": 0xFF0D,
    "return": 0xFF0D,
    "esc": 0xFF1B,
    **{f"f{number}": 0xFFBD + number for number in range(1, 13)},
    "tab": 0xFF09,
    "spacebar": 0x0020,
    "insert": 0xFF63,
    "home": 0xFF50,
    "end": 0xFF57,
    "pageUp": 0xFF55,
    "pageDown": 0xFF56,
    "up": 0xFF52,
    "down": 0xFF54,
    "left": 0xFF51,
    "right": 0xFF53,
    "menu": 0xFF67,
    "leftShift": 0xFFE1,
    "rightShift": 0xFFE2,
    "leftCtrl": 0xFFE3,
    "rightCtrl": 0xFFE4,
    "leftAlt": 0xFFE9,
    "rightAlt": 0xFFEA,
    "leftSuper": 0xFFEB,
    "rightSuper": 0xFFEC,
    # a Mac keyboard's: Command stands where a PC has Alt, Option sends Meta
    "leftCommand": 0xFFE9,
    "rightCommand": 0xFFEA,
    "leftOption": 0xFFE7,
    "rightOption": 0xFFE8,
}

# Keys that boot commands name, by lower-case name.
NAMED_KEYS: Final[Mapping[str, Key]] = MappingProxyType(
    {name.lower(): Key(name, keysym) for name, keysym in _KEYSYMS.items()}
)
LEFT_SHIFT: Final = NAMED_KEYS["leftshift"]
ALT_GR: Final = NAMED_KEYS["rightalt"]

# What the keys type on a US keyboard, alone and with Shift, by their place.
_US_ROWS: Final = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (57, " ", " "),
    (86, "<", ">"),
)
_US_POSITIONS: Final = {
    first + number: (plain, shifted)
    for first, row, shifts in _US_ROWS
    for number, (plain, shifted) in enumerate(zip(row, shifts, strict=True))
}
_CODES: Final = {
    **{ord(text): code for code, texts in reversed(_US_POSITIONS.items()) for text in texts},
    **dict(zip(range(0xFFBE, 0xFFC8), range(59, 69), strict=True)),  # F1 to F10
    0xFFC8: 87, 0xFFC9: 88,
    0xFF08: 14, 0xFF09: 15, 0xFF0D: 28, 0xFF1B: 1, 0xFFFF: 111, 0xFF63: 110,
    0xFF50: 102, 0xFF57: 107, 0xFF55: 104, 0xFF56: 109,
    0xFF52: 103, 0xFF54: 108, 0xFF51: 105, 0xFF53: 106,
    0xFF67: 127, 0xFFE1: 42, 0xFFE2: 54, 0xFFE3: 29, 0xFFE4: 97,
    0xFFE9: 56, 0xFFEA: 100, 0xFFEB: 125, 0xFFEC: 126, 0xFFE7: 125, 0xFFE8: 126,
}  # fmt: skip
# PC/XT's codes, which VNC carries, are Linux's but for the keys that came later; bit 7 is their prefix 0xE0.
_XT_CODES: Final = {
    87: 0x57, 88: 0x58, 89: 0x73, 97: 0x9D, 100: 0xB8, 102: 0xC7, 103: 0xC8, 104: 0xC9, 105: 0xCB,
    106: 0xCD, 107: 0xCF, 108: 0xD0, 109: 0xD1, 110: 0xD2, 111: 0xD3, 124: 0x7D, 125: 0xDB, 126: 0xDC,
    127: 0xDD,
}  # fmt: skip


def position_key(code: int, name: str, *, shifted: bool = False, third_level: bool = False) -> Key:
    """The key at a place of the keyboard. Its keysym is what it types on a US keyboard."""
    plain, with_shift = _US_POSITIONS.get(code, (name, name))
    return Key(name, character_key(with_shift if shifted else plain).keysym, shifted, third_level, code)


def code_of(keysym: int) -> int:
    """The place on a US keyboard of the key with that keysym. Raises KeyError when it has none."""
    return _CODES[keysym]


def xt_code(code: int) -> int:
    """A place as the PC/XT keyboard numbers it, bit 7 set for the prefix 0xE0."""
    return _XT_CODES.get(code, code)
