"""Typing a boot command: every key event in its time, no more of them than the machine can hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from vmforge.console.boot_command import BootCommand, KeyEvent, Wait, key_events
from vmforge.console.keys import Keyboard
from vmforge.errors import UsageError
from vmforge.sdk import Cancellation, Duration

DEFAULT_KEY_INTERVAL: Final = Duration(0.1)
KEY_INTERVAL_VARIABLES: Final = ("VMFORGE_KEY_INTERVAL", "PACKER_KEY_INTERVAL")

# QEMU hands one key event to the guest every 10 ms (`-vnc ...,key-delay-ms`) and keeps the others in
# a queue that silently drops what comes when about 340 are in it. On a busy host it falls behind, so
# only a part of the queue is used, and its pace is taken for slower than it is.
_BURST: Final = 64
_SECONDS_PER_EVENT: Final = 0.012


def default_key_interval(environment: Mapping[str, str]) -> Duration:
    """The pause after each key event where the template sets none: `VMFORGE_KEY_INTERVAL`, else
    Packer's variable of that purpose, else 100 ms. Raises `UsageError`."""
    for variable in KEY_INTERVAL_VARIABLES:
        if text := environment.get(variable):
            try:
                return max(Duration(0.0), Duration.parse(text))
            except ValueError as error:
                raise UsageError(f"`{variable}`: {error}", hint=f"set `{variable}=100ms`") from error
    return DEFAULT_KEY_INTERVAL


def type_boot_command(
    command: BootCommand,
    keyboard: Keyboard,
    *,
    key_interval: Duration,
    cancellation: Cancellation,
    on_wait: Callable[[Duration], None] | None = None,
) -> None:
    """Type a boot command, with a pause of `key_interval` after each key event (a shifted character
    has four). `on_wait` is told of each wait before it begins.

    Keys that the command holds and never releases stay down, as in Packer. Raises `MachineError` when
    the machine is gone and `Interrupted` when the build is told to stop.
    """
    queue = _EventQueue()
    for action in command.actions:
        if isinstance(action, Wait):
            if on_wait is not None:
                on_wait(action.duration)
            cancellation.wait(action.duration.seconds)
            continue
        for event in key_events(action):
            _send(event, keyboard, cancellation)
            cancellation.wait(max(key_interval.seconds, queue.room_after_one_more()))


def _send(event: KeyEvent, keyboard: Keyboard, cancellation: Cancellation) -> None:
    cancellation.check()
    keyboard.key(event.keysym, event.down)


class _EventQueue:
    """The hypervisor's queue of key events, as far as one can know it from outside."""

    def __init__(self) -> None:
        self._empty_at = 0.0

    def room_after_one_more(self) -> float:
        """Count one event in; the seconds until there is room for the next one."""
        now = time.monotonic()
        self._empty_at = max(self._empty_at, now) + _SECONDS_PER_EVENT
        return self._empty_at - now - _BURST * _SECONDS_PER_EVENT
