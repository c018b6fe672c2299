"""Ctrl-C in each stage: exit 130, and nothing of the run is left on the machine."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Traces, Vmforge

pytestmark = pytest.mark.machine

STAGES = {
    "starting the machine": (r"Starting the machine", ()),
    "waiting to type": (r"for the boot prompt", ("-var", "boot_wait=5m")),
    "typing": (r"Typing the boot command", ("--set", "boot_key_interval=1s")),
    "installing": (r"installer fetched", ()),
    "provisioning": (r"started-in-guest", ("-var", "script=echo started-in-guest; sleep 300")),
    "shutting down": (r"Shutting the guest down", ("--set", "shutdown_command=sleep 300")),
    "post-processing": (r"Flattening the disk", ()),
}


@pytest.mark.parametrize("stage", STAGES)
def test_interrupt(tiny: Vmforge, traces: Traces, stage: str) -> None:
    pattern, arguments = STAGES[stage]
    running = tiny.start("build", *arguments, "tiny.pkr.hcl")
    running.wait_for(pattern)
    running.interrupt()
    ended = running.finish(60)
    assert ended.status == 130, ended.out + ended.err
    assert "Interrupted" in ended.out
    assert traces.left() == []
