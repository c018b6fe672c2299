"""What is written of a screen while it is being looked at: opened, fed with changes, finished."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from vmforge.console.film.asciicast import Asciicast
from vmforge.console.film.gif import Gif
from vmforge.console.film.video import Video
from vmforge.console.framebuffer import Framebuffer, png
from vmforge.console.screen import ScreenText
from vmforge.errors import HostError, UsageError


class Recorder(Protocol):
    """One file, or folder, that is being written. Raises OSError."""

    def add(self, at: float, frame: Framebuffer, text: ScreenText | None) -> None:
        """The screen has changed, at a time in seconds of any clock; `text` is what it says, if that can be
        read."""

    def finish(self, at: float) -> None:
        """Nothing more comes after that time: put the file in its place."""


FORMATS: Final[dict[str, Callable[[Path], Recorder]]] = {".cast": Asciicast, ".gif": Gif, ".mp4": Video}


def check_film(path: Path | None) -> None:
    """Raise `UsageError` for a name of no known format, `HostError` when the program for it is missing."""
    if path is None:
        return
    if path.suffix not in FORMATS:
        known = ", ".join(f"`{suffix}`" for suffix in FORMATS)
        raise UsageError(f"`{path}` is no name of a film", hint=f"let it end in one of {known}")
    if path.suffix == ".mp4" and shutil.which("ffmpeg") is None:
        hint = "`apt install ffmpeg`, or record a `.gif` or `.cast`, which need no program"
        raise HostError("`.mp4` films need the program `ffmpeg`, which is not there", hint=hint)


class Screenshots:
    """A PNG file for each change, its name the seconds since the first: `0012.3.png`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._began: float | None = None

    def add(self, at: float, frame: Framebuffer, text: ScreenText | None) -> None:
        if self._began is None:
            self._began = at
        (self._folder / f"{at - self._began:06.1f}.png").write_bytes(png(frame))

    def finish(self, at: float) -> None:
        """Each file is whole already."""


@dataclass
class Film:
    """All that is written of one screen; `wanted` tells whether there is anything."""

    recorders: list[Recorder]

    @property
    def wanted(self) -> bool:
        return bool(self.recorders)

    def add(self, at: float, frame: Framebuffer, text: ScreenText | None) -> None:
        """The screen has changed; see `Recorder.add`."""
        for recorder in self.recorders:
            recorder.add(at, frame, text)


@contextmanager
def open_films(screenshots: Path | None, film: Path | None) -> Iterator[Film]:
    """Write a film and pictures while the block runs; None for what is not wanted. Raises `HostError` when
    they cannot be written, and as `check_film` does."""
    try:
        with ExitStack() as undo:
            recorders: list[Recorder] = []
            if screenshots is not None:
                recorders.append(Screenshots(screenshots))
            check_film(film)
            if film is not None:
                film.parent.mkdir(parents=True, exist_ok=True)
                recorders.append(FORMATS[film.suffix](film))
            for recorder in recorders:
                undo.callback(_finish, recorder)
            yield Film(recorders)
    except OSError as error:
        raise HostError(f"the screen cannot be recorded: {error}") from error


def _finish(recorder: Recorder) -> None:
    recorder.finish(time.monotonic())
