"""The live line: the step, its time, and the latest from everywhere."""

from __future__ import annotations

import pytest

from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.live import LiveStatus
from vmforge.sdk.steps import Steps
from vmforge.sdk.testing import RecordingUi


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("vmforge.sdk.live.time.monotonic", lambda: now[0])
    return now


def test_the_whole_line(clock: list[float]) -> None:
    live = LiveStatus({"Waiting for SSH": 178.4})
    live.note("screen", "  Unpacking\tthe base system ")
    live.note("asked for", "/preseed.cfg")
    live.note("SSH", "connection refused")
    with live.during("Waiting for SSH"):
        clock[0] += 130
        assert live.line() == (
            "Waiting for SSH 2m10s of about 2m58s | screen: Unpacking the base system | "
            "asked for: /preseed.cfg | SSH: connection refused"
        )
    assert live.line() == ""


def test_a_step_that_is_new(clock: list[float]) -> None:
    live = LiveStatus({"Typing": 0.4})
    with live.during("Typing"):
        assert live.line() == "Typing 0 s"


def test_the_latest_counts_and_nothing_is_left_out(clock: list[float]) -> None:
    live = LiveStatus()
    live.note("screen", "x" * 100)
    live.note("SSH", "a")
    live.note("SSH", "")
    with live.during("Waiting"):
        assert live.line() == "Waiting 0 s | screen: " + "x" * 59 + "…"


def test_steps_tell_which_of_them_runs() -> None:
    steps = Steps(RecordingUi(), Cancellation())
    seen = []
    steps.run("Outer", lambda: seen.append(steps.run("Inner", lambda: steps.live.step) + steps.live.step))
    assert seen == ["InnerOuter"]
    assert steps.live.step == ""


def test_a_cancellation_that_is_withdrawn() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    cancellation.withdraw()
    cancellation.check()
    assert not cancellation.cancelled
