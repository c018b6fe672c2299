from __future__ import annotations

import pytest

from vmforge.console.keys import NAMED_KEYS, character_key


@pytest.mark.parametrize(
    ("character", "keysym", "shifted"),
    [
        ("a", 0x61, False),
        ("A", 0x41, True),
        ("_", 0x5F, True),
        ("-", 0x2D, False),
        ("<", 0x3C, True),
        ('"', 0x22, True),
        ("'", 0x27, False),
        (" ", 0x20, False),
        ("ÿ", 0xFF, False),
        ("É", 0xC9, True),
        ("€", 0x0100_20AC, False),
        ("Ω", 0x0100_03A9, True),
        ("😀", 0x0101_F600, False),
    ],
)
def test_characters(character: str, keysym: int, shifted: bool) -> None:
    key = character_key(character)
    assert (key.keysym, key.shifted) == (keysym, shifted)


def test_shifted_are_all_upper_keys_of_a_us_keyboard() -> None:
    printable = "".join(map(chr, range(0x20, 0x7F)))
    shifted = "".join(c for c in printable if character_key(c).shifted)
    assert shifted == '!"#$%&()*+:<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ^_{|}~'


def test_named_keys_are_those_of_packer() -> None:
    names = {"bs", "del", "enter", "return", "esc", "tab", "spacebar", "insert", "home", "end", "pageUp"}
    names |= {"pageDown", "up", "down", "left", "right", "menu"} | {f"f{number}" for number in range(1, 13)}
    modifiers = ("Alt", "Ctrl", "Shift", "Super", "Command", "Option")
    names |= {side + modifier for side in ("left", "right") for modifier in modifiers}
    assert {key.name for key in NAMED_KEYS.values()} == names
    assert NAMED_KEYS["f1"].keysym == 0xFFBE
    assert NAMED_KEYS["f12"].keysym == 0xFFC9
    assert not any(key.shifted for key in NAMED_KEYS.values())
