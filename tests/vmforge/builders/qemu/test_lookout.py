"""What a sign's wait looks at, and how a wait is given up."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

import pytest

from vmforge.builders.diagnosis import Evidence, Finding, Place, Sign
from vmforge.builders.qemu.guest import Watch
from vmforge.builders.qemu.lookout import _trace
from vmforge.errors import CommunicatorError, HostError, Interrupted, MachineError
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import Cancellation


@pytest.mark.parametrize(
    "news", [{"serial": ("Generating keys",)}, {"http": ("/late.sh 200",)}, {"ssh": "x"}]
)
def test_nothing_may_move_anywhere_for_a_sign_of_an_idle_guest(news: dict[str, Any]) -> None:
    still = Evidence(screen=("base login:",), ssh="connection refused")
    moved = replace(still, **news)
    pattern = {Place.SCREEN: re.compile("login:")}
    sign = Sign("s", "t", "n", pattern)
    found = Finding(sign, "t", "n", (Place.SCREEN,))
    idle = replace(found, sign=replace(sign, idle=True))
    assert _trace(still, found) == _trace(moved, found)
    assert _trace(still, idle) != _trace(moved, idle)


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
