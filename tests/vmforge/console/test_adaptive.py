"""Typing at a simulated prompt that echoes late, loses keys when they come too fast, and doubles some."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from simulated_guest import Clock, Guest, Reader

from vmforge.console.adaptive import AdaptiveTypist
from vmforge.console.boot_command import parse_boot_command
from vmforge.console.screen import ScreenReader
from vmforge.console.sight import Sight
from vmforge.console.typist import DEFAULT_KEY_INTERVAL, Typist
from vmforge.errors import MachineError

LINE = "install Ks=http://10.0.2.2:8000/tiny.cfg quiet console=ttyS0 -- nomodeset a b  c"


def typed(text: str, guest: Guest) -> float:
    """Type a boot command; how long it took."""
    clock, started = guest.clock, guest.clock.now
    sight = Sight(guest, reader=cast(ScreenReader, Reader()))
    with pytest.MonkeyPatch.context() as patch:
        for module in ("adaptive", "sight", "typist"):
            patch.setattr(f"vmforge.console.{module}.time.monotonic", lambda: clock.now)
        AdaptiveTypist(Typist(guest, clock, sight=sight), sight).type(parse_boot_command(text))
        took = clock.now - started
        clock.wait(60)
    return took


@pytest.mark.parametrize("seconds_per_byte", [0.001, 0.01, 0.05, 0.2])
def test_no_key_is_lost_however_slow_the_guest_is(seconds_per_byte: float) -> None:
    guest = Guest(Clock(), seconds_per_byte)
    typed(LINE + "<enter>", guest)
    assert (guest.entered, guest.lost) == ([LINE], 0)


def test_a_quick_guest_is_typed_to_four_times_as_fast_as_packer_types() -> None:
    guest = Guest(Clock(), 0.005)
    events = 2 * len(LINE) + 2 * sum(character in "K:" for character in LINE)
    assert typed(LINE, guest) < events * DEFAULT_KEY_INTERVAL.seconds / 4


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.sampled_from("abcXY =/.-_:0123"), min_size=2, max_size=100).filter(str.strip),
    st.sampled_from([0.002, 0.01, 0.04]),
    st.integers(0, 40),
)
def test_any_line_arrives(line: str, seconds_per_byte: float, rows_above: int) -> None:
    above = tuple(f"line {number}" for number in range(rows_above))
    guest = Guest(Clock(), seconds_per_byte, above=above)
    typed(line + "<enter>", guest)
    assert (guest.entered, guest.lost) == ([line], 0)


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.sampled_from("abcdefgh =/"), min_size=12, max_size=100).map(lambda text: "xy" + text + "z"),
    st.integers(3, 12),
    st.booleans(),
)
def test_a_lost_or_doubled_key_is_set_right(line: str, number: int, doubled: bool) -> None:
    bad = frozenset({number})
    guest = Guest(Clock(), doubled=bad if doubled else frozenset(), dropped=frozenset() if doubled else bad)
    typed(line + "<enter>", guest)
    assert guest.entered == [line]


@pytest.mark.parametrize("number", [1, 2])
def test_the_first_keys_are_doubled(number: int) -> None:
    guest = Guest(Clock(), doubled=frozenset({number}))
    typed("install quiet<enter>", guest)
    assert guest.entered == ["install quiet"]


@pytest.mark.parametrize("echoes", [lambda character: "", lambda character: "*"], ids=["nothing", "stars"])
def test_a_password_is_typed_at_packers_pace_at_most(echoes: object) -> None:
    guest = Guest(Clock(), prompt="Password: ", echoes=echoes)  # type: ignore[arg-type]
    took = typed("secretword<enter>", guest)
    assert guest.entered == ["secretword"]
    assert took <= 11 * 2 * DEFAULT_KEY_INTERVAL.seconds + 0.5


def test_a_blinking_cursor_is_no_answer() -> None:
    guest = Guest(Clock())
    frames: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "read", lambda reader, frame: frames.append(frame))
        took = typed("install<enter>", guest)
    assert guest.entered == ["install"]
    assert took == pytest.approx(8 * 2 * DEFAULT_KEY_INTERVAL.seconds, abs=0.5)


def test_an_echo_of_something_else_changes_nothing() -> None:
    guest = Guest(Clock(), echoes=str.upper)
    typed("install quiet<enter>", guest)
    assert guest.entered == ["install quiet"]


def test_blanks_do_not_hold_up_a_line() -> None:
    guest = Guest(Clock())
    assert typed("a" + " " * 12 + "b<enter>", guest) < 10
    assert guest.entered == ["a" + " " * 12 + "b"]


def test_held_keys_are_no_line() -> None:
    guest = Guest(Clock())
    typed("ab<leftShiftOn>c<leftShiftOff>d<enter>", guest)
    assert guest.entered == ["abcd"]


def test_waits_for_what_the_screen_shows() -> None:
    guest = Guest(Clock())
    typed('<wait "^boot: *$">ab<wait "boot: ab"><waitStill 1s><enter>', guest)
    assert guest.entered == ["ab"]


def test_a_wait_that_is_in_vain_tells_what_is_there() -> None:
    guest = Guest(Clock(), above=("Welcome", "No bootable device"))
    with pytest.raises(MachineError) as caught:
        typed('<wait "login:" 90>', guest)
    assert caught.value.message == "the screen did not show `login:` within 1m30s"
    assert caught.value.hint.startswith("the screen says:\n  Welcome\n  No bootable device\n  boot:\n")
