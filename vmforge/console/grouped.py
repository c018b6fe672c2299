"""Keyboards whose every message is a call of its own: keys go in groups, at their own pace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from vmforge.console.chords import place_of
from vmforge.sdk import Cancellation, Duration

# How many key events go in one message, and the pause after it: as Packer's drivers have them.
GROUP: Final = 40
GROUP_INTERVAL: Final = Duration(0.1)


@dataclass(frozen=True, slots=True)
class Stroke:
    """The key at a place (`Key.code`) goes down or up."""

    place: int
    down: bool


@dataclass
class GroupedKeyboard:
    """A `PacedKeyboard`: what is pressed is held back until a group is full and nothing is held down, or
    until `flush`; `send` then sends it, and nothing follows for `pause`. A `group` of 1 is one key with its
    modifiers.
    """

    send: Callable[[tuple[Stroke, ...]], None]
    cancellation: Cancellation
    group: int = GROUP
    pause: Duration = GROUP_INTERVAL
    _waiting: list[Stroke] = field(default_factory=list, init=False)
    _held: set[int] = field(default_factory=set, init=False)

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        """See `Keyboard.key`. Raises `MachineError` for a character that a US keyboard does not have."""
        place = code or place_of(keysym)
        self._waiting.append(Stroke(place, down))
        if down:
            self._held.add(place)
        else:
            self._held.discard(place)
        if not self._held and len(self._waiting) >= self.group:
            self.flush()

    def flush(self) -> None:
        """Send what is held back."""
        strokes, self._waiting = tuple(self._waiting), []
        if strokes:
            self.send(strokes)
            self.cancellation.wait(self.pause.seconds)


class ChordReader:
    """Makes chords of strokes, for hypervisors that press keys together and release them again at once.

    Keys that are held down go with every chord until they are released, also across groups.
    """

    def __init__(self) -> None:
        self._held: list[int] = []
        self._fresh = False

    def read(self, strokes: tuple[Stroke, ...]) -> list[tuple[int, ...]]:
        """The chords that these strokes complete: places of keys, in the order in which they went down."""
        chords: list[tuple[int, ...]] = []
        for stroke in strokes:
            if stroke.down:
                self._held.append(stroke.place)
                self._fresh = True
            elif stroke.place in self._held:
                if self._fresh:
                    chords.append(tuple(self._held))
                self._held.remove(stroke.place)
                self._fresh = False
        return chords
