"""The text screen of a real machine, from its memory."""

from __future__ import annotations

import time
from typing import Any

import pytest

from vmforge.errors import MachineError
from vmforge.hypervisor.connection import Hypervisor

pytestmark = pytest.mark.machine

LONG = 60.0


def test_what_the_firmware_says(hypervisor: Hypervisor, guests: Any) -> None:
    deadline = time.monotonic() + LONG
    with hypervisor.start(guests.spec()) as machine:
        memory = machine.text_memory()
        while b"Booting from Hard Disk" not in memory[::2]:
            assert time.monotonic() < deadline, memory[:2000:2].decode("cp437")
            time.sleep(0.05)
            memory = machine.text_memory()
        assert len(memory) == 32 * 1024
        assert memory[::2].startswith(b"SeaBIOS (version ")
    with pytest.raises(MachineError):
        machine.text_memory()
