"""When the lookout is convinced that a guest cannot go on, and how a wait is given up."""

from __future__ import annotations

import re
from functools import partial
from typing import cast

import pytest

from vmforge.builders.diagnosis import Finding, Place, Sign
from vmforge.builders.qemu.guest import Watch
from vmforge.builders.qemu.lookout import Conviction
from vmforge.errors import CommunicatorError, HostError, Interrupted, MachineError
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import Cancellation


def finding(*, certain: bool = True, unless_attended: bool = False, id: str = "panic") -> Finding:
    patterns = {Place.SCREEN: re.compile("panic")}
    sign = Sign(id, "t", "n", patterns, certain=certain, hold=5, unless_attended=unless_attended)
    return Finding(sign, "t", "n", (Place.SCREEN,))


def weigh(conviction: Conviction, found: Finding, *seen: tuple[float, str]) -> list[bool]:
    """What is thought of a finding at each of these times, on a screen that says this."""
    return [conviction.weigh((found,), partial(_says, screen), now) is found for now, screen in seen]


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


def test_a_sign_that_went_away_starts_again() -> None:
    conviction = Conviction(patience=1, attended=False)
    assert weigh(conviction, finding(), (0, "a")) == [False]
    assert not conviction.weigh((), lambda _: "b", 3)
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


class Machine:
    """As much of a machine as a watch needs."""

    failure: MachineError | None = None

    def on_end(self, callback: object) -> object:
        return lambda: None


def watch() -> tuple[Watch, Machine, Cancellation]:
    machine, parent = Machine(), Cancellation()
    return Watch(cast(VirtualMachine, machine), parent), machine, parent


def test_giving_up_ends_waits_and_allows_another_try() -> None:
    watched, _, _ = watch()
    verdict = MachineError("no hope")
    with watched as cancellation:
        watched.give_up(verdict)
        assert cancellation.cancelled
        assert watched.reason(Interrupted()) is verdict
        assert not cancellation.cancelled
        late = Interrupted()
        assert watched.reason(late) is late


def test_a_guest_that_answers_after_all() -> None:
    watched, _, _ = watch()
    with watched as cancellation:
        watched.give_up(MachineError("no hope"))
        watched.take_back()
        cancellation.check()


def test_what_ended_the_build_is_not_taken_back() -> None:
    watched, _, parent = watch()
    with watched as cancellation:
        parent.cancel()
        watched.take_back()
        assert cancellation.cancelled


def test_the_machines_own_failure_counts_for_more() -> None:
    watched, machine, _ = watch()
    with watched:
        machine.failure = MachineError("died")
        watched.give_up(MachineError("no hope"))
        assert watched.reason(CommunicatorError("gone")) is machine.failure


def test_other_errors_are_their_own_reason() -> None:
    watched, _, parent = watch()
    error, interrupt = HostError("disk full"), Interrupted()
    with watched:
        watched.give_up(MachineError("no hope"))
        assert watched.reason(error) is error
        parent.cancel()
        assert watched.reason(interrupt) is interrupt
