"""When a sign is believed, and that a guest which is only slow is left alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from vmforge.builders.diagnosis import Conviction, Finding, Idleness, Place, Sign, Verdict, read_signs

SIGNS = read_signs({"VMFORGE_SIGNS": "/nonexistent"}).signs


def finding(
    *, certain: bool = True, unless_attended: bool = False, hold: float = 5, idle: bool = False
) -> Finding:
    patterns = {Place.SCREEN: re.compile("panic")}
    sign = Sign(
        "panic", "t", "n", patterns, certain=certain, hold=hold, idle=idle, unless_attended=unless_attended
    )
    return Finding(sign, "t", "n", (Place.SCREEN,))


def weigh(conviction: Conviction, found: Finding, *seen: tuple[float, str]) -> list[bool]:
    """Whether a finding convinces at each of these times, on a screen that says this."""
    return [
        conviction.weigh((found,), partial(_says, screen), now, Idleness(1)) is not None
        for now, screen in seen
    ]


def _says(screen: str, found: Finding) -> str:
    return screen


def test_a_sign_that_stands_long_enough() -> None:
    conviction = Conviction(patience=1, attended=False)
    assert weigh(conviction, finding(), (0, "a"), (4.9, "a"), (5, "a")) == [False, False, True]


def test_emulation_asks_for_patience() -> None:
    conviction = Conviction(patience=3, attended=False)
    assert weigh(conviction, finding(), (0, "a"), (14, "a"), (15, "a")) == [False, False, True]


def test_a_screen_that_moves_is_alive() -> None:
    conviction = Conviction(patience=1, attended=False)
    assert not any(weigh(conviction, finding(), (0, "a"), (4, "b"), (8, "c"), (12, "d")))


def test_what_blinks_is_no_news() -> None:
    """A cursor on a field of underscores hides one of them at times, as when Debian asks for a password."""
    conviction = Conviction(patience=1, attended=False)
    seen = [(0, "___"), (1, " __"), (2, "___"), (3, " __"), (5, "___"), (6, " __")]
    assert weigh(conviction, finding(), *seen) == [False] * 5 + [True]


def test_what_turns_is_alive() -> None:
    conviction = Conviction(patience=1, attended=False)
    assert not any(weigh(conviction, finding(), *((now, "|/-\\"[now % 4]) for now in range(12))))


def test_a_sign_that_went_away_starts_again() -> None:
    conviction = Conviction(patience=1, attended=False)
    assert weigh(conviction, finding(), (0, "a")) == [False]
    assert not conviction.weigh((), lambda _: "b", 3, Idleness(1))
    assert weigh(conviction, finding(), (6, "a"), (10, "a"), (11, "a")) == [False, False, True]


@pytest.mark.parametrize("found", [finding(certain=False), finding(unless_attended=True)])
def test_what_does_not_end_a_wait(found: Finding) -> None:
    conviction = Conviction(patience=1, attended=True)
    assert not any(weigh(conviction, found, (0, "a"), (60, "a")))


def test_an_unattended_build_has_nobody_to_answer() -> None:
    conviction = Conviction(patience=1, attended=False)
    assert weigh(conviction, finding(unless_attended=True), (0, "a"), (60, "a")) == [False, True]


def test_who_goes_on_is_not_told_again() -> None:
    conviction = Conviction(patience=1, attended=False)
    assert weigh(conviction, finding(), (0, "a"), (5, "a"), (60, "a")) == [False, True, False]


def test_no_sign_needs_half_a_minute() -> None:
    """Not even with the patience that there is with software emulation."""
    conviction = Conviction(patience=3, attended=False)
    assert max(conviction.hold(sign) for sign in SIGNS.values() if sign.certain) <= 25


def test_patience_does_not_shorten_what_a_user_wants() -> None:
    assert Conviction(patience=3, attended=False).hold(finding(hold=60).sign) == 60


def test_a_verdict_tells_since_when_the_sign_was_there() -> None:
    conviction, found = Conviction(patience=1, attended=False), finding()
    assert weigh(conviction, found, (0, "a"), (3, "b")) == [False, False]
    assert conviction.weigh((found,), lambda _: "b", 8, Idleness(1)) == Verdict(found, 8)


@pytest.mark.parametrize(
    ("work", "ended"),
    [
        (lambda now: 0.05 * now, True),  # timers, on a busy host
        (lambda now: now, False),  # it makes keys, or cloud-init runs
        (lambda now: min(now, 5.0), False),  # it has worked until a moment ago
        (lambda now: 0.3 * now, False),  # packages are unpacked as they come from a slow mirror
    ],
)
def test_a_login_prompt_ends_a_wait_only_of_an_idle_guest(
    work: Callable[[float], float], ended: bool
) -> None:
    conviction, idleness = Conviction(patience=3, attended=False), Idleness(patience=3)
    found = replace(finding(), sign=SIGNS["no-ssh-server"])
    verdicts = []
    for now in range(25):
        idleness.note(now, work(now))
        verdicts.append(conviction.weigh((found,), lambda _: "login:", now, idleness))
    assert any(verdicts) is ended


def test_a_guest_that_was_busy_for_a_while_is_idle_afterwards() -> None:
    idleness = Idleness(patience=1)
    for now in range(40):
        idleness.note(now, min(now, 10))
    assert idleness.lasts(20)
    assert not idleness.lasts(35)


def test_idleness_begins_anew_with_the_machine() -> None:
    idleness = Idleness(patience=1)
    idleness.note(0, 7.0)
    idleness.note(30, 0.1)
    assert not idleness.lasts(20)
    idleness.note(50, 0.2)
    assert idleness.lasts(20)
    idleness.forget()
    assert not idleness.lasts(0)


def test_with_hardware_a_guest_that_does_little_is_not_idle() -> None:
    """A tenth of a processor unpacks a lot; emulated, it is what an idle guest's timers want."""
    hardware, emulation = Idleness(patience=1), Idleness(patience=3)
    for now in range(30):
        hardware.note(now, 0.1 * now)
        emulation.note(now, 0.1 * now)
    assert (hardware.lasts(20), emulation.lasts(20)) == (False, True)
