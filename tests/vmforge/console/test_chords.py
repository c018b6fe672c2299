from __future__ import annotations

import pytest

from vmforge.console.boot_command import parse_boot_command
from vmforge.console.chords import ChordKeyboard
from vmforge.console.layouts import load
from vmforge.console.typist import Typist
from vmforge.errors import MachineError
from vmforge.sdk import Cancellation, Duration


class Patience(Cancellation):
    def wait(self, seconds: float) -> None:
        pass


@pytest.mark.parametrize(
    ("text", "chords"),
    [
        ("aB", [(30,), (42, 48)]),
        ("<enter><f12>", [(28,), (88,)]),
        ("<leftCtrlOn>c<leftCtrlOff>d", [(29, 46), (32,)]),
        ("<leftCtrlOn>ab<leftCtrlOff>", [(29, 30), (29, 48)]),
        ("<leftAltOn><leftAltOff>", [(56,)]),
        ("<leftCtrlOn><leftAltOn><del><leftAltOff><leftCtrlOff>", [(29, 56, 111)]),
    ],
)
def test_keys_held_together_are_sent_together(text: str, chords: list[tuple[int, ...]]) -> None:
    sent: list[tuple[int, ...]] = []
    keyboard = ChordKeyboard(sent.append, Patience())
    Typist(keyboard, Patience(), Duration(0)).type(parse_boot_command(text))
    assert sent == chords


def test_a_layouts_keys() -> None:
    sent: list[tuple[int, ...]] = []
    keyboard = ChordKeyboard(sent.append, Patience())
    Typist(keyboard, Patience(), Duration(0), load("de")).type(parse_boot_command("y@<up>"))
    assert sent == [(44,), (100, 16), (103,)]


def test_a_character_without_a_key() -> None:
    keyboard = ChordKeyboard(lambda chord: None, Patience())
    with pytest.raises(MachineError) as caught:
        Typist(keyboard, Patience(), Duration(0)).type(parse_boot_command("ä"))
    assert caught.value.message == "no key types `ä` on a US keyboard"


def test_between_keys_is_a_pause_longer_than_they_are_held() -> None:
    waits: list[float] = []

    class Watched(Cancellation):
        def wait(self, seconds: float) -> None:
            waits.append(seconds)

    keyboard = ChordKeyboard(lambda chord: None, Watched())
    keyboard.key(0x61, True)
    keyboard.key(0x61, False)
    assert waits == [0.04]
