"""How much real machines have to do: one that halts nothing, one that runs in a circle all the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from vmforge.errors import MachineError
from vmforge.hypervisor.connection import Hypervisor
from vmforge.hypervisor.machine import VirtualMachine

pytestmark = pytest.mark.machine

LONG = 60.0


def wait_for_share(machine: VirtualMachine, reached: Callable[[float], bool]) -> None:
    """Wait until the part of the time in which the processors have something to do is as wanted."""
    deadline = time.monotonic() + LONG
    then, before = time.monotonic(), machine.processor_seconds()
    while time.monotonic() < deadline:
        time.sleep(1)
        now, wanted = time.monotonic(), machine.processor_seconds()
        share = (wanted - before) / (now - then)
        if reached(share):
            return
        then, before = now, wanted
    raise AssertionError(f"the last share was {share}")


def test_a_halted_guest_is_idle(hypervisor: Hypervisor, guests: Any) -> None:
    with hypervisor.start(guests.spec()) as machine:
        wait_for_share(machine, lambda share: share < 0.1)
    with pytest.raises(MachineError):
        machine.processor_seconds()


def test_a_busy_guest_is_busy_even_where_the_host_lets_it_wait(hypervisor: Hypervisor, guests: Any) -> None:
    with hypervisor.start(guests.spec("busy")) as machine:
        wait_for_share(machine, lambda share: share > 0.8)
