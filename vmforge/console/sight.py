"""Looking at a machine's screen: until it changes, is still, or shows a text or a picture."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from vmforge.console.framebuffer import Framebuffer
from vmforge.console.picture import find_picture
from vmforge.console.screen import ScreenReader, ScreenText
from vmforge.errors import MachineError
from vmforge.sdk import Duration

# How long one look lasts at most: the build may have been told to stop meanwhile.
_GLANCE: Final = 0.5
# A cursor that blinks shows the same few pictures again and again.
_BLINKS: Final = 4
_LINES_SHOWN: Final = 15
# Screens that a machine shows before anything asks for a key; their text stands still at times.
_FIRMWARE: Final = re.compile(
    r"SeaBIOS|iPXE|gPXE|Booting from|Press .* for boot menu|BdsDxe|^\s*Loading|Decompressing"
    r"|ISOLINUX .*Copyright|SYSLINUX .*Copyright|GRUB loading|Welcome to GRUB|Machine UUID|Plex86|TianoCore",
    re.IGNORECASE,
)


class Display(Protocol):
    """A machine's screen, as `VncConsole` shows it."""

    def look(self, seconds: float) -> Framebuffer:
        """The screen after its next change, or as it still is after so many seconds."""


@dataclass(frozen=True)
class View:
    """The screen at one moment; `text` is None when there is none that can be read."""

    frame: Framebuffer
    text: ScreenText | None

    @property
    def contents(self) -> object:
        """Equal for views that differ at most in their cursor, where that is known."""
        return self.frame.pixels if self.text is None else self.text.lines

    @property
    def last_lines(self) -> str:
        """The end of the text, as messages show it."""
        lines = [line for line in self.text.lines if line.strip()] if self.text is not None else []
        if not lines:
            return "the screen shows no text that can be read"
        return "the screen says:\n" + "\n".join(f"  {line}" for line in lines[-_LINES_SHOWN:])


@dataclass
class Sight:
    """Eyes on a machine's screen. `time_scale` multiplies limits on slow machines."""

    display: Display
    time_scale: float = 1.0
    reader: ScreenReader = field(default_factory=ScreenReader)
    _last: View | None = field(default=None, init=False)

    def look(self, seconds: float) -> View:
        """The screen after its next change, or as it still is after so many seconds."""
        frame = self.display.look(max(0.0, seconds))
        if self._last is None or self._last.frame != frame:
            self._last = View(frame, self.reader.read(frame))
        return self._last

    def wait_for_text(self, pattern: re.Pattern[str], limit: Duration) -> ScreenText:
        """Wait until a pattern is found in the screen's text. Raises `MachineError` at the limit."""

        def found(view: View) -> bool:
            return view.text is not None and view.text.search(pattern) is not None

        view = self._watch(found, limit, f"the screen did not show `{pattern.pattern}`")
        assert view.text is not None  # it was found in it
        return view.text

    def wait_for_picture(self, picture: Framebuffer, name: str, limit: Duration) -> None:
        """Wait until a picture is part of the screen. Raises `MachineError` at the limit."""

        def found(view: View) -> bool:
            return find_picture(picture, view.frame) is not None

        self._watch(found, limit, f"the screen did not show the picture `{name}`")

    def wait_still(self, duration: Duration, limit: Duration) -> None:
        """Wait until nothing but the cursor has moved for so long. Raises `MachineError` at the limit."""
        stillness = Stillness()
        doing = f"the screen was not still for {duration}"
        self._watch(lambda view: stillness.seconds(view) >= duration.seconds, limit, doing)

    def wait_for_prompt(self, still: Duration, limit: Duration) -> bool:
        """Wait for the first screen that has a text, stands still and is not the firmware's; False when
        there is none until the limit. A screen without text that is known counts when it stands still
        for ten times as long."""
        stillness = Stillness()

        def reached(view: View) -> bool:
            seconds = stillness.seconds(view)
            if view.text is None:
                return seconds >= 10 * still.seconds and bool(view.frame.pixels.strip(b"\0"))
            return seconds >= still.seconds and is_prompt(view.text)

        return self._until(reached, limit.seconds)[0]

    def _watch(self, reached: Callable[[View], bool], limit: Duration, complaint: str) -> View:
        limit = limit * self.time_scale
        done, view = self._until(reached, limit.seconds)
        if not done:
            hint = f"{view.last_lines}\nraise the limit in the boot command if the guest was only slow"
            raise MachineError(f"{complaint} within {limit}", hint=hint)
        return view

    def _until(self, reached: Callable[[View], bool], seconds: float) -> tuple[bool, View]:
        deadline = time.monotonic() + seconds
        view = self.look(0)
        while not reached(view):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False, view
            view = self.look(min(_GLANCE, remaining))
        return True, view


class Stillness:
    """For how long a screen has shown nothing new; a blinking cursor shows nothing new."""

    def __init__(self) -> None:
        self._known: deque[object] = deque(maxlen=_BLINKS)
        self._since = time.monotonic()

    def seconds(self, view: View) -> float:
        """The time since the last new contents; 0 when these are new."""
        now = time.monotonic()
        if view.contents not in self._known:
            self._known.append(view.contents)
            self._since = now
        return now - self._since


def is_prompt(text: ScreenText) -> bool:
    """Whether a text looks like one that waits for keys: there is something, and not from the firmware."""
    return bool(text.last_line) and _FIRMWARE.search(text.last_line) is None
