"""Typing a boot command: every key event in its time, no more of them than the machine can hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vmforge.console.boot_command import (
    Action,
    BootCommand,
    Hold,
    KeyEvent,
    Press,
    Release,
    Wait,
    WaitForImage,
    WaitForText,
    WaitStill,
    key_events,
)
from vmforge.console.keys import Keyboard, PacedKeyboard
from vmforge.console.layouts import Layout
from vmforge.errors import MachineError, UsageError
from vmforge.sdk import Cancellation, Duration

if TYPE_CHECKING:
    from vmforge.console.framebuffer import Framebuffer
    from vmforge.console.sight import Sight

DEFAULT_KEY_INTERVAL: Final = Duration(0.1)
KEY_INTERVAL_VARIABLES: Final = ("VMFORGE_KEY_INTERVAL", "PACKER_KEY_INTERVAL")

# QEMU hands one key event to the guest every 10 ms (`-vnc ...,key-delay-ms`) and keeps the others in
# a queue that silently drops what comes when about 340 are in it. On a busy host it falls behind, so
# only a part of the queue is used, and its pace is taken for slower than it is.
_BURST: Final = 64
_SECONDS_PER_EVENT: Final = 0.012


def key_interval(environment: Mapping[str, str]) -> Duration | None:
    """The pause after each key event that the environment asks for: `VMFORGE_KEY_INTERVAL`, else Packer's
    variable of that purpose; None when neither is set. Raises `UsageError`."""
    for variable in KEY_INTERVAL_VARIABLES:
        if text := environment.get(variable):
            try:
                return max(Duration(0.0), Duration.parse(text))
            except ValueError as error:
                raise UsageError(f"`{variable}`: {error}", hint=f"set `{variable}=100ms`") from error
    return None


@dataclass
class Typist:
    """Carries out boot commands at a keyboard, with the pause `interval` after each key event (a shifted
    character has four). Waiting for something on the screen needs `sight`; relative paths of pictures
    are below `folder`. `on_wait` is told of each fixed wait before it begins.

    Keys that a command holds and never releases stay down, as in Packer.
    """

    keyboard: Keyboard
    cancellation: Cancellation
    interval: Duration = DEFAULT_KEY_INTERVAL
    layout: Layout = field(default_factory=Layout)
    sight: Sight | None = None
    folder: Path = Path()
    on_wait: Callable[[Duration], None] | None = None

    def __post_init__(self) -> None:
        self._queue = _EventQueue()

    def type(self, command: BootCommand) -> None:
        """Carry out a command. Raises `MachineError` when the machine is gone or a wait's limit is reached,
        and `Interrupted` when the build is told to stop."""
        if command.errors:
            raise MachineError(command.errors[0])
        for action in command.actions:
            self.carry_out(action)
        self._flush()

    def carry_out(self, action: Action) -> None:
        if isinstance(action, (Wait, WaitForText, WaitForImage, WaitStill)):
            self._flush()
        match action:
            case Wait(duration):
                if self.on_wait is not None:
                    self.on_wait(duration)
                self.cancellation.wait(duration.seconds)
            case WaitForText(pattern, limit):
                self._eyes().wait_for_text(pattern, limit)
            case WaitForImage(path, limit):
                self._eyes().wait_for_picture(read_picture(self.folder / path), str(path), limit)
            case WaitStill(duration, limit):
                self._eyes().wait_still(duration, limit)
            case _:
                for event in self.events(action):
                    self.send(event, self.interval.seconds)

    def events(self, action: Action) -> tuple[KeyEvent, ...]:
        """The key events of an action on the guest's layout."""
        match action:
            case Press(key):
                return tuple(e for key in self.layout.type(key) for e in key_events(Press(key)))
            case Hold(key):
                return key_events(Hold(self.layout.type(key)[0]))
            case Release(key):
                return key_events(Release(self.layout.type(key)[0]))
        return ()

    def send(self, event: KeyEvent, pause: float = 0.0) -> None:
        """Send one event, and wait until there is room for the next one."""
        self.cancellation.check()
        self.keyboard.key(event.keysym, event.down, event.code)
        self.cancellation.wait(max(pause, self._queue.room_after_one_more()))

    def _flush(self) -> None:
        if isinstance(self.keyboard, PacedKeyboard):
            self.keyboard.flush()

    def _eyes(self) -> Sight:
        if self.sight is None:
            hint = "leave `disable_vnc` out, or write `<wait10>`"
            raise MachineError("the boot command waits for the screen, which cannot be seen", hint=hint)
        return self.sight


def read_picture(path: Path) -> Framebuffer:
    """A picture to look for. Raises `UsageError`."""
    from vmforge.console.png import read_png

    try:
        return read_png(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the picture `{path}` cannot be read: {error}", hint="make it a PNG file"
        ) from error


class _EventQueue:
    """The hypervisor's queue of key events, as far as one can know it from outside."""

    def __init__(self) -> None:
        self._empty_at = 0.0

    def room_after_one_more(self) -> float:
        """Count one event in; the seconds until there is room for the next one."""
        now = time.monotonic()
        self._empty_at = max(self._empty_at, now) + _SECONDS_PER_EVENT
        return self._empty_at - now - _BURST * _SECONDS_PER_EVENT
