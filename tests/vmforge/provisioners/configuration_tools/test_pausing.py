"""The provisioners `breakpoint` and `sleep`."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from vmforge.errors import Interrupted
from vmforge.provisioners.breakpoint import BreakpointProvisioner
from vmforge.provisioners.sleep import SleepProvisioner
from vmforge.sdk import Cancellation, Provisioner
from vmforge.sdk.testing import configure

Guest = Any


def test_a_breakpoint_asks(guest: Guest) -> None:
    guest.data |= {"Host": "127.0.0.1", "Port": "2222", "User": "vagrant"}
    guest.run(BreakpointProvisioner, note="look at the disk")
    assert guest.ui.events == [
        ("message", "the guest is vagrant@127.0.0.1, port 2222"),
        ("ask", "Paused at breakpoint `look at the disk`. Press Enter to go on."),
    ]


def test_a_breakpoint_that_is_disabled_does_not(guest: Guest) -> None:
    guest.run(BreakpointProvisioner, disable=True)
    assert guest.ui.events == [("message", "breakpoint is disabled")]


def test_sleeping_ends_with_the_build(guest: Guest) -> None:
    cancellation = Cancellation()
    guest.changes["cancellation"] = cancellation
    threading.Timer(0.05, cancellation.cancel).start()
    with pytest.raises(Interrupted):
        guest.run(SleepProvisioner, duration="1h")


def test_sleeping_ends_by_itself(guest: Guest) -> None:
    guest.run(SleepProvisioner, duration="1ms")
    assert guest.ui.events == [("message", "waiting 0.0 s")]


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="`duration` is negative"):
        configure(SleepProvisioner, {"duration": "-1s"})


def test_neither_keeps_layers_from_being_used() -> None:
    for component, options in ((BreakpointProvisioner, {}), (SleepProvisioner, {"duration": "1s"})):
        made = configure(component, options)
        assert isinstance(made, Provisioner) and made.cacheable and list(made.input_files()) == []
