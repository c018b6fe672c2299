from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vmforge.console.boot_command import parse_boot_command
from vmforge.console.layouts import load
from vmforge.console.typist import Typist, key_interval, read_picture
from vmforge.errors import Interrupted, MachineError, UsageError
from vmforge.sdk import Cancellation, Duration


class Clock(Cancellation):
    """A cancellation whose waits take no time but move the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def wait(self, seconds: float) -> None:
        self.check()
        self.now += max(0.0, seconds)


@dataclass
class Listener:
    """A keyboard that notes each event with its time."""

    clock: Clock
    events: list[tuple[float, int, bool]] = field(default_factory=list)

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        self.events.append((self.clock.now, keysym, down))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("vmforge.console.typist.time.monotonic", lambda: clock.now)
    return clock


def typed(text: str, clock: Clock, interval: float) -> list[tuple[float, int, bool]]:
    keyboard = Listener(clock)
    Typist(keyboard, clock, Duration(interval)).type(parse_boot_command(text))
    return [(round(at - 1000, 6), keysym, down) for at, keysym, down in keyboard.events]


def test_the_interval_follows_each_event(clock: Clock) -> None:
    assert typed("aB<wait5><leftAltOn>", clock, 0.1) == [
        (0.0, 0x61, True),
        (0.1, 0x61, False),
        (0.2, 0xFFE1, True),
        (0.3, 0x42, True),
        (0.4, 0x42, False),
        (0.5, 0xFFE1, False),
        (5.6, 0xFFE9, True),
    ]
    assert round(clock.now - 1000, 6) == 5.7


def test_a_short_text_without_interval_goes_at_once(clock: Clock) -> None:
    assert {at for at, _, _ in typed("x" * 32, clock, 0)} == {0.0}


@pytest.mark.parametrize("interval", [0, 0.001, 0.005, 0.011])
@pytest.mark.parametrize("seconds_per_event", [0.010, 0.014])
def test_no_interval_overflows_the_queue(clock: Clock, interval: float, seconds_per_event: float) -> None:
    capacity, waiting, before = 340, 0.0, 0.0
    for at, _, _ in typed("xY" * 250, clock, interval):
        waiting = max(0.0, waiting - (at - before) / seconds_per_event) + 1
        before = at
        assert waiting < capacity


def test_a_wait_makes_room_again(clock: Clock) -> None:
    events = typed("x" * 100 + "<wait10>" + "y" * 32, clock, 0)
    assert len({at for at, keysym, _ in events if keysym == ord("y")}) == 1


def test_waits_are_announced(clock: Clock) -> None:
    told: list[Duration] = []
    typist = Typist(Listener(clock), clock, Duration(0), on_wait=told.append)
    typist.type(parse_boot_command("a<wait2>b<wait1m>"))
    assert told == [Duration(2), Duration(60)]


@pytest.mark.parametrize("text", ["a<wait87600h>b", "ab"])
def test_typing_ends_at_once_when_the_build_does(text: str) -> None:
    cancellation = Cancellation()
    presses = itertools.count()

    class Keyboard:
        def key(self, keysym: int, down: bool, code: int = 0) -> None:
            if next(presses) == 1:
                cancellation.cancel()

    with pytest.raises(Interrupted):
        Typist(Keyboard(), cancellation, Duration(0)).type(parse_boot_command(text))
    assert next(presses) == 2


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"PACKER_KEY_INTERVAL": "10ms"}, 0.01),
        ({"PACKER_KEY_INTERVAL": "10ms", "VMFORGE_KEY_INTERVAL": "1s"}, 1.0),
        ({"VMFORGE_KEY_INTERVAL": "-1s"}, 0.0),
    ],
)
def test_key_interval_of_the_environment(environment: dict[str, str], seconds: float) -> None:
    assert key_interval(environment) == Duration(seconds)


@pytest.mark.parametrize("environment", [{}, {"PACKER_KEY_INTERVAL": ""}])
def test_no_key_interval(environment: dict[str, str]) -> None:
    assert key_interval(environment) is None


def test_wrong_key_interval() -> None:
    with pytest.raises(UsageError) as caught:
        key_interval({"PACKER_KEY_INTERVAL": "fast"})
    assert caught.value.message == (
        "`PACKER_KEY_INTERVAL`: `fast` is not a duration; write a number and a unit, as in `5m` or `1m30s`"
    )


def test_keys_of_a_layout_are_told_by_their_place(clock: Clock) -> None:
    keyboard = Placed()
    typist = Typist(keyboard, clock, Duration(0), load("de"))
    typist.type(parse_boot_command("z{^<zOn><zOff>"))
    assert keyboard.events == [
        "+21", "-21",
        "+100", "+8", "-8", "-100",
        "+41", "-41", "+57", "-57",
        "+21", "-21",
    ]  # fmt: skip


class Placed:
    """A keyboard that notes the places of its keys."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        self.events.append(f"{'+' if down else '-'}{code}")


def test_what_cannot_be_seen_is_not_waited_for(clock: Clock) -> None:
    with pytest.raises(MachineError) as caught:
        Typist(Listener(clock), clock).type(parse_boot_command('<wait "boot:">'))
    assert caught.value.message == "the boot command waits for the screen, which cannot be seen"


def test_a_wrong_command_is_not_typed(clock: Clock) -> None:
    keyboard = Listener(clock)
    with pytest.raises(MachineError):
        Typist(keyboard, clock).type(parse_boot_command('a<wait "(">'))
    assert not keyboard.events


def test_a_picture_that_is_none(clock: Clock, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.png"):
        read_picture(tmp_path / "nothing.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UsageError, match="not a PNG file"):
        read_picture(tmp_path / "text.png")
