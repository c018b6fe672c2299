"""Keys as X11 names them: the numbers that VNC carries, and which of them need Shift.

Keysyms are those of the X protocol's Appendix A (RFC 6143, section 7.5.4, refers to it). The layout is
the US one, which is what installers start with.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

_SHIFTED_SYMBOLS: Final = frozenset('~!@#$%^&*()_+{}|:"<>?')
_LAST_LATIN_1: Final = 0xFF
_UNICODE_KEYSYMS: Final = 0x0100_0000


class Keyboard(Protocol):
    """Whatever can press and release keys of a machine."""

    def key(self, keysym: int, down: bool) -> None:
        """Press or release one key. Raises `MachineError` when the machine is gone."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `name` is the character it types or its name in boot commands (`pageUp`);
    `shifted` says that Shift must be held for it."""

    name: str
    keysym: int
    shifted: bool = False


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
