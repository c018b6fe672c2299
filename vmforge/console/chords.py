"""A keyboard for machines without VNC: keys held together are sent at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vmforge.console.keys import code_of
from vmforge.errors import MachineError
from vmforge.sdk import Cancellation, Duration

HOLD: Final = Duration(0.02)
# The hypervisor releases the keys later by itself: pausing for less than that loses keys.
_PAUSE: Final = Duration(0.02)


class ChordKeyboard:
    """Keys that go down are remembered, and pressed with those held when the first of them goes up.

    `send` presses the keys at these places (`Key.code`) together, for `HOLD`.
    """

    def __init__(self, send: Callable[[tuple[int, ...]], None], cancellation: Cancellation) -> None:
        self._send = send
        self._cancellation = cancellation
        self._held: list[int] = []
        self._unsent = False

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        """See `Keyboard.key`. Raises `MachineError` for a character that a US keyboard does not have."""
        place = code or place_of(keysym)
        if down:
            self._held.append(place)
            self._unsent = True
        elif place in self._held:
            if self._unsent:
                self._send(tuple(self._held))
                self._cancellation.wait(HOLD.seconds + _PAUSE.seconds)
            self._held.remove(place)
            self._unsent = False


def place_of(keysym: int) -> int:
    """The place on a US keyboard of the key with that keysym. Raises `MachineError` when it has none."""
    try:
        return code_of(keysym)
    except KeyError:
        shown = f"`{chr(keysym & 0xFFFFFF)}`" if keysym < 0xFE00 or keysym > 0xFFFF else f"{keysym:#x}"
        hint = "set `keyboard_layout` to the guest's, or leave `disable_vnc` out"
        raise MachineError(f"no key types {shown} on a US keyboard", hint=hint) from None
