"""A guest's console that is simulated: keys go through a keyboard that may be too full, echoes come late."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from vmforge.console.framebuffer import Framebuffer
from vmforge.console.screen import ScreenText
from vmforge.sdk import Cancellation

COLUMNS, ROWS = 80, 25
SHIFT, BACKSPACE, ENTER = 0xFFE1, 0xFF08, 0xFF0D
# QEMU hands a key event to the keyboard every 10 ms, which holds 16 bytes.
EVENT_SECONDS, KEYBOARD_BYTES = 0.01, 16


class Clock(Cancellation):
    """A cancellation whose waits take no time but move the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.then: Callable[[float], None] = lambda now: None

    def wait(self, seconds: float) -> None:
        self.check()
        self.now += max(0.0, seconds)
        self.then(self.now)


@dataclass
class Guest:
    """A prompt with a keyboard and a screen. It takes one byte from its keyboard every `seconds_per_byte`.

    `doubled` and `dropped` are the numbers of key presses that come twice, or not at all. `echoes` is what
    it shows for a character.
    """

    clock: Clock
    seconds_per_byte: float = 0.01
    prompt: str = "boot: "
    above: tuple[str, ...] = ("Welcome",)
    doubled: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()
    echoes: Callable[[str], str] = lambda character: character
    line: str = ""
    entered: list[str] = field(default_factory=list)
    lost: int = 0

    def __post_init__(self) -> None:
        self._events: deque[tuple[float, int, bool]] = deque()
        self._bytes: deque[tuple[int, bool]] = deque()
        self._ready_at = self._taken_at = self.clock.now
        self._presses = 0
        self.clock.then = self.live

    # -- its keyboard

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        self._ready_at = max(self._ready_at, self.clock.now) + EVENT_SECONDS
        self._events.append((self._ready_at, keysym, down))

    def live(self, now: float) -> None:
        """Do all that happens up to a time."""
        while True:
            event = self._events[0][0] if self._events else float("inf")
            byte = self._taken_at + self.seconds_per_byte if self._bytes else float("inf")
            if min(event, byte) > now:
                return
            if byte < event:
                self._taken_at = byte
                self._take(*self._bytes.popleft())
                continue
            at, keysym, down = self._events.popleft()
            if not self._bytes:
                self._taken_at = at
            if len(self._bytes) < KEYBOARD_BYTES:
                self._bytes.append((keysym, down))
            else:
                self.lost += 1

    def _take(self, keysym: int, down: bool) -> None:
        if not down or keysym == SHIFT:
            return
        self._presses += 1
        if self._presses in self.dropped:
            return
        for _ in range(2 if self._presses in self.doubled else 1):
            if keysym == BACKSPACE:
                self.line = self.line[:-1]
            elif keysym == ENTER:
                self.entered.append(self.line)
                self.line = ""
            else:
                self.line += chr(keysym)

    # -- its screen

    @property
    def rows(self) -> tuple[str, ...]:
        shown = self.prompt + "".join(map(self.echoes, self.line))
        wrapped = [shown[start : start + COLUMNS] for start in range(0, len(shown) + 1, COLUMNS)]
        rows = (*self.above, *wrapped)[-ROWS:]
        return tuple(row.rstrip() for row in (*rows, *[""] * (ROWS - len(rows))))

    def look(self, seconds: float) -> Framebuffer:
        """The text as the picture, for `Reader`."""
        before, deadline = self.rows, self.clock.now + seconds
        while self.clock.now < deadline and self.rows == before:
            self.clock.wait(min(0.03, deadline - self.clock.now) or 0.03)
        return Framebuffer(COLUMNS, ROWS, "\n".join(self.rows).encode())


class Reader:
    """Reads `Guest.look`; its cursor is never to be seen."""

    def read(self, frame: Framebuffer) -> ScreenText | None:
        return ScreenText(tuple(frame.pixels.decode().split("\n")))
