"""Code page 437, in which BIOSes and text mode think."""

from __future__ import annotations

from typing import Final

# The pictures of the control characters; blanks for the two that have none.
_CONTROLS: Final = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
_DELETE: Final = "⌂"

CP437: Final = (
    _CONTROLS
    + bytes(range(0x20, 0x7F)).decode("ascii")
    + _DELETE
    + bytes(range(0x80, 0xFF)).decode("cp437")
    + " "
)
