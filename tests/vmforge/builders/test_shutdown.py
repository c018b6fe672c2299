"""How a guest is ended: its own command, its power button, and what happens when it does neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.shutdown import ShutdownOptions, shut_down
from vmforge.errors import CommunicatorError, Interrupted, MachineError
from vmforge.sdk import Cancellation, Duration, Output
from vmforge.sdk.testing import FakeCommunicator, RecordingUi, fake_context


@dataclass
class FakeMachine:
    """A machine that remembers how it was asked to end, and answers as `obeys` says."""

    obeys: bool = True
    done: list[str] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def wait_off(self, timeout: float, cancellation: Cancellation) -> bool:
        cancellation.check()
        self.limits.append(timeout)
        return self.obeys

    def power_button(self) -> None:
        self.done.append("button")

    def destroy(self) -> None:
        self.done.append("destroyed")


class Guest(FakeCommunicator):
    """Remembers the time limit of its command, and whether the connection was closed."""

    closed = False
    limit: float | None = None

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        self.limit = timeout
        return super().run(command, output, timeout=timeout)

    def close(self) -> None:
        self.closed = True


@dataclass
class Bench:
    machine: FakeMachine
    guest: Guest
    ui: RecordingUi
    cancellation: Cancellation = field(default_factory=Cancellation)

    def shut_down(self, command: str = "", timeout: float = 300, time_scale: float = 1.0) -> None:
        options = ShutdownOptions(shutdown_command=command, shutdown_timeout=Duration(timeout))
        context = fake_context(self.guest.root, ui=self.ui, cancellation=self.cancellation)
        shut_down(options, context, self.machine, self.guest, time_scale)


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    def make(obeys: bool = True, **guest: Any) -> Bench:
        return Bench(FakeMachine(obeys), Guest(tmp_path, **guest), RecordingUi())

    return make


def hangs_up(command: str) -> tuple[int, str]:
    raise CommunicatorError("the connection broke")


def test_shutdown_command(bench: Callable[..., Bench]) -> None:
    desk = bench(respond=lambda command: (0, "going down"))
    desk.shut_down("sudo poweroff")
    assert desk.guest.commands == ["sudo poweroff"]
    assert desk.guest.closed
    assert desk.machine.done == []
    assert desk.ui.events == [("stdout", "going down")]


def test_shutdown_timeout_covers_the_command_and_the_wait(bench: Callable[..., Bench]) -> None:
    desk = bench()
    desk.shut_down("sudo poweroff", timeout=30, time_scale=10)
    assert desk.guest.limit == 300
    (waited,) = desk.machine.limits
    assert 0 < waited <= 300


def test_the_connection_ends_with_the_guest(bench: Callable[..., Bench]) -> None:
    desk = bench(respond=hangs_up)
    desk.shut_down("sudo poweroff")
    assert desk.ui.events == []


def test_a_command_that_fails_is_told_even_if_the_guest_goes_off(bench: Callable[..., Bench]) -> None:
    desk = bench(respond=lambda command: (1, ""))
    desk.shut_down("false")
    assert desk.ui.texts("warn") == ["`shutdown_command` ended with status 1"]


@pytest.mark.parametrize(
    ("respond", "message"),
    [
        (lambda command: (0, ""), "the guest did not power off within 5m"),
        (
            lambda command: (127, ""),
            "the guest did not power off within 5m; `shutdown_command` ended with status 127",
        ),
        (hangs_up, "the guest did not power off within 5m"),
    ],
)
def test_a_guest_that_stays_on(respond: Any, message: str, bench: Callable[..., Bench]) -> None:
    desk = bench(obeys=False, respond=respond)
    with pytest.raises(MachineError) as caught:
        desk.shut_down("echo off")
    assert caught.value.message == message
    assert "`shutdown_timeout`" in caught.value.hint
    assert desk.machine.done == []


def test_without_a_command_the_button_is_pressed(bench: Callable[..., Bench]) -> None:
    desk = bench()
    desk.shut_down()
    assert desk.machine.done == ["button"]
    assert desk.guest.commands == []
    assert desk.guest.closed


@pytest.mark.parametrize(("timeout", "scale", "limit"), [(300, 1, 60), (30, 1, 30), (300, 10, 600)])
def test_a_guest_that_ignores_its_button_is_cut_off(
    timeout: float, scale: float, limit: float, bench: Callable[..., Bench]
) -> None:
    desk = bench(obeys=False)
    desk.shut_down(timeout=timeout, time_scale=scale)
    assert desk.machine.done == ["button", "destroyed"]
    assert desk.machine.limits == [limit]
    (warning,) = desk.ui.texts("warn")
    assert warning == f"the guest did not react to its power button within {Duration(limit)}: power cut"


def test_cancellation_ends_the_wait(bench: Callable[..., Bench]) -> None:
    desk = bench()
    desk.cancellation.cancel()
    with pytest.raises(Interrupted):
        desk.shut_down()
