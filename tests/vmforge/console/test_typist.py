from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from vmforge.console.boot_command import parse_boot_command
from vmforge.console.typist import default_key_interval, type_boot_command
from vmforge.errors import Interrupted, UsageError
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

    def key(self, keysym: int, down: bool) -> None:
        self.events.append((self.clock.now, keysym, down))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("vmforge.console.typist.time.monotonic", lambda: clock.now)
    return clock


def typed(text: str, clock: Clock, interval: float) -> list[tuple[float, int, bool]]:
    keyboard = Listener(clock)
    type_boot_command(parse_boot_command(text), keyboard, key_interval=Duration(interval), cancellation=clock)
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
    type_boot_command(
        parse_boot_command("a<wait2>b<wait1m>"),
        Listener(clock),
        key_interval=Duration(0),
        cancellation=clock,
        on_wait=told.append,
    )
    assert told == [Duration(2), Duration(60)]


@pytest.mark.parametrize("text", ["a<wait87600h>b", "ab"])
def test_typing_ends_at_once_when_the_build_does(text: str) -> None:
    cancellation = Cancellation()
    presses = itertools.count()

    class Keyboard:
        def key(self, keysym: int, down: bool) -> None:
            if next(presses) == 1:
                cancellation.cancel()

    with pytest.raises(Interrupted):
        type_boot_command(
            parse_boot_command(text), Keyboard(), key_interval=Duration(0), cancellation=cancellation
        )
    assert next(presses) == 2


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.1),
        ({"PACKER_KEY_INTERVAL": "10ms"}, 0.01),
        ({"PACKER_KEY_INTERVAL": "10ms", "VMFORGE_KEY_INTERVAL": "1s"}, 1.0),
        ({"PACKER_KEY_INTERVAL": ""}, 0.1),
        ({"VMFORGE_KEY_INTERVAL": "-1s"}, 0.0),
    ],
)
def test_default_key_interval(environment: dict[str, str], seconds: float) -> None:
    assert default_key_interval(environment) == Duration(seconds)


def test_wrong_key_interval() -> None:
    with pytest.raises(UsageError) as caught:
        default_key_interval({"PACKER_KEY_INTERVAL": "fast"})
    assert caught.value.message == (
        "`PACKER_KEY_INTERVAL`: `fast` is not a duration; write a number and a unit, as in `5m` or `1m30s`"
    )
