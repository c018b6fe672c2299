"""Keys as hypervisors name them: PC/XT's scan codes, USB's usages, and the names of QEMU's `sendkey`.

Each table is by the key's place (`Key.code`: Linux's input-event-codes.h). USB's usages are those of page 7
of the HID Usage Tables (https://usb.org/document-library/hid-usage-tables-15), names those of QEMU's
QKeyCode (https://qemu.readthedocs.io/en/latest/interop/qemu-qmp-ref.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vmforge.console.keys import xt_code

_EXTENDED: Final = 0x80
_PREFIX: Final = 0xE0
_RELEASED: Final = 0x80

_FUNCTION_KEYS: Final = (*range(59, 69), 87, 88)
# The places of a to z and of 1 to 0 on a US keyboard.
_LETTERS: Final = (
    30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21, 44,
)  # fmt: skip
_DIGITS: Final = tuple(range(2, 12))

# place: (USB usage, QEMU's name)
_OTHERS: Final[Mapping[int, tuple[int, str]]] = {
    28: (0x28, "ret"),
    1: (0x29, "esc"),
    14: (0x2A, "backspace"),
    15: (0x2B, "tab"),
    57: (0x2C, "spc"),
    12: (0x2D, "minus"),
    13: (0x2E, "equal"),
    26: (0x2F, "bracket_left"),
    27: (0x30, "bracket_right"),
    43: (0x31, "backslash"),
    39: (0x33, "semicolon"),
    40: (0x34, "apostrophe"),
    41: (0x35, "grave_accent"),
    51: (0x36, "comma"),
    52: (0x37, "dot"),
    53: (0x38, "slash"),
    110: (0x49, "insert"),
    102: (0x4A, "home"),
    104: (0x4B, "pgup"),
    111: (0x4C, "delete"),
    107: (0x4D, "end"),
    109: (0x4E, "pgdn"),
    106: (0x4F, "right"),
    105: (0x50, "left"),
    108: (0x51, "down"),
    103: (0x52, "up"),
    86: (0x64, "less"),
    127: (0x65, "compose"),
    89: (0x87, "ro"),
    124: (0x89, "yen"),
    29: (0xE0, "ctrl"),
    42: (0xE1, "shift"),
    56: (0xE2, "alt"),
    125: (0xE3, "meta_l"),
    97: (0xE4, "ctrl_r"),
    54: (0xE5, "shift_r"),
    100: (0xE6, "alt_r"),
    126: (0xE7, "meta_r"),
}

_USB: Final[Mapping[int, int]] = MappingProxyType(
    {
        **{place: 0x04 + number for number, place in enumerate(_LETTERS)},
        **{place: 0x1E + number for number, place in enumerate(_DIGITS)},
        **{place: 0x3A + number for number, place in enumerate(_FUNCTION_KEYS)},
        **{place: usage for place, (usage, _) in _OTHERS.items()},
    }
)
_QEMU: Final[Mapping[int, str]] = MappingProxyType(
    {
        **dict(zip(_LETTERS, "abcdefghijklmnopqrstuvwxyz", strict=True)),
        **dict(zip(_DIGITS, "1234567890", strict=True)),
        **{place: f"f{number}" for number, place in enumerate(_FUNCTION_KEYS, 1)},
        **{place: name for place, (_, name) in _OTHERS.items()},
    }
)


def scan_codes(place: int, down: bool) -> bytes:
    """What a PC/XT keyboard (scan code set 1) sends when the key goes down or up."""
    code = xt_code(place)
    prefix = bytes((_PREFIX,)) if code & _EXTENDED else b""
    return prefix + bytes((code & ~_EXTENDED | (0 if down else _RELEASED),))


def usb_usage(place: int) -> int:
    """The key's usage in USB's keyboard page; modifiers are 0xE0 to 0xE7. Raises KeyError."""
    return _USB[place]


def qemu_name(place: int) -> str:
    """The key's name in QEMU's `sendkey`; keys held together are joined by `-`. Raises KeyError."""
    return _QEMU[place]
