"""Reading a machine's screen: the text that its pixels or its text memory show, never a guess."""

from __future__ import annotations

from vmforge.console.screen.reader import ScreenReader
from vmforge.console.screen.text import UNKNOWN, Colours, ScreenText, Source

__all__ = ["UNKNOWN", "Colours", "ScreenReader", "ScreenText", "Source"]
