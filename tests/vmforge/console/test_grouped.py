"""Keys in groups, chords, and how hypervisors name keys."""

from __future__ import annotations

import pytest

from vmforge.console.boot_command import parse_boot_command
from vmforge.console.grouped import ChordReader, GroupedKeyboard, Stroke
from vmforge.console.key_formats import qemu_name, scan_codes, usb_usage
from vmforge.console.keys import NAMED_KEYS, PacedKeyboard, character_key, code_of
from vmforge.console.layouts import load
from vmforge.console.typist import Typist
from vmforge.errors import MachineError
from vmforge.sdk import Cancellation, Duration

NOTHING = Duration(0)


def typed(command: str, group: int = 40, layout: str = "us") -> list[tuple[Stroke, ...]]:
    sent: list[tuple[Stroke, ...]] = []
    keyboard = GroupedKeyboard(sent.append, Cancellation(), group, NOTHING)
    assert isinstance(keyboard, PacedKeyboard)
    Typist(keyboard, Cancellation(), NOTHING, load(layout)).type(parse_boot_command(command))
    return sent


def codes(groups: list[tuple[Stroke, ...]]) -> list[str]:
    return [b"".join(scan_codes(s.place, s.down) for s in group).hex(" ") for group in groups]


def test_all_that_is_typed_goes_at_once_up_to_a_wait() -> None:
    assert codes(typed("aB<wait1ms><enter>")) == ["1e 9e 2a 30 b0 aa", "1c 9c"]


def test_a_full_group_goes_when_nothing_is_held() -> None:
    assert codes(typed("abA", group=1)) == ["1e 9e", "30 b0", "2a 1e 9e aa"]
    assert codes(typed("<leftCtrlOn>ab<leftCtrlOff>", group=1)) == ["1d 1e 9e 30 b0 9d"]


def test_what_is_held_stays_down_over_a_wait() -> None:
    assert codes(typed("<leftShiftOn>a<wait1ms>b<leftShiftOff>")) == ["2a 1e 9e", "30 b0 aa"]


def test_later_keys_have_a_prefix() -> None:
    assert codes(typed("<up><del><rightCtrlOn><rightCtrlOff>")) == ["e0 48 e0 c8 e0 53 e0 d3 e0 1d e0 9d"]


def test_another_layout_is_typed_by_place() -> None:
    assert codes(typed("z", layout="de")) == ["15 95"]


def test_a_character_without_a_key() -> None:
    with pytest.raises(MachineError, match="no key types `ж`"):
        typed("ж")


def test_chords() -> None:
    (group,) = typed("aB<leftCtrlOn><leftAltOn><del><leftAltOff>c<leftCtrlOff>")
    chords = ["-".join(map(qemu_name, chord)) for chord in ChordReader().read(group)]
    assert chords == ["a", "shift-b", "ctrl-alt-delete", "ctrl-c"]


def test_chords_remember_what_is_held_from_one_group_to_the_next() -> None:
    reader = ChordReader()
    found = [reader.read(group) for group in typed("<leftShiftOn><wait1ms>a<wait1ms><leftShiftOff>")]
    assert found == [[], [(42, 30)], []]


def test_every_key_of_boot_commands_has_a_name_everywhere() -> None:
    places = {code_of(key.keysym) for key in NAMED_KEYS.values()}
    places |= {code_of(character_key(chr(code)).keysym) for code in range(0x20, 0x7F)}
    assert len({usb_usage(place) for place in places}) == len(places)
    assert len({qemu_name(place) for place in places}) == len(places)
    assert usb_usage(code_of(ord("a"))) == 0x04
    assert usb_usage(code_of(ord("0"))) == 0x27
    assert usb_usage(code_of(NAMED_KEYS["f12"].keysym)) == 0x45
