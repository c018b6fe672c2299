"""The screen of a VirtualBox machine, by its screenshots, and its keyboard, by scan codes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vmforge.builders.virtualbox.tool import VBoxManage
from vmforge.errors import MachineError

if TYPE_CHECKING:
    from vmforge.console.framebuffer import Framebuffer
    from vmforge.console.grouped import Stroke

# How often the screen is asked for: each look is a process and a file.
_LOOK_SECONDS: Final = 0.2


@dataclass
class Screen:
    """See `vmforge.console.sight.Display`. `file` is where screenshots are put."""

    tool: VBoxManage
    name: str
    file: Path
    _last: Framebuffer | None = field(default=None, init=False)

    def look(self, seconds: float) -> Framebuffer:
        """The screen after its next change, or as it still is after so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            frame = self._shoot()
            remaining = deadline - time.monotonic()
            if frame != self._last or remaining <= 0:
                self._last = frame
                return frame
            self.tool.program.cancellation.wait(min(_LOOK_SECONDS, remaining))

    def _shoot(self) -> Framebuffer:
        from vmforge.console.png import read_png

        self.tool.run(("controlvm", self.name, "screenshotpng", str(self.file)))
        try:
            return read_png(self.file.read_bytes())
        except (OSError, ValueError) as error:
            raise MachineError(f"VirtualBox's screenshot cannot be read: {error}") from error


@dataclass(frozen=True)
class ScanCodes:
    """Sends key strokes to the machine as a PC's keyboard does."""

    tool: VBoxManage
    name: str

    def send(self, strokes: tuple[Stroke, ...]) -> None:
        from vmforge.console.key_formats import scan_codes

        data = b"".join(scan_codes(stroke.place, stroke.down) for stroke in strokes)
        self.tool.run(("controlvm", self.name, "keyboardputscancode", *(f"{byte:02x}" for byte in data)))
