"""Text of graphical screens, through the program `tesseract`: a guess, and the last resort."""

from __future__ import annotations

import shutil
import subprocess
from typing import Final

from vmforge.console.framebuffer import Framebuffer, png
from vmforge.console.screen.text import ScreenText, Source

PROGRAM: Final = "tesseract"
# Its page segmentation 6: one block of text, which keeps a dialog's lines apart.
_ARGUMENTS: Final = ("stdin", "stdout", "--psm", "6", "-l", "eng")
_LIMIT_SECONDS: Final = 30.0


def is_installed() -> bool:
    return shutil.which(PROGRAM) is not None


def read(frame: Framebuffer) -> ScreenText | None:
    """What tesseract takes a picture's text for; None if it finds none, fails, or is not installed."""
    try:
        done = subprocess.run(
            [PROGRAM, *_ARGUMENTS],
            input=png(frame),
            capture_output=True,
            timeout=_LIMIT_SECONDS,
            check=True,
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = tuple(line.rstrip() for line in done.stdout.decode(errors="replace").splitlines())
    if not any(lines):
        return None
    return ScreenText(lines, columns=max(map(len, lines)), source=Source.OCR)
