"""Videos, made by the program ffmpeg when the film is over."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from vmforge.console.framebuffer import Framebuffer, png
from vmforge.console.screen import ScreenText

_LONGEST: Final = 2.0
_SHORTEST: Final = 0.04


class Video:
    """Keeps a picture for each change; `finish` has ffmpeg's concat demuxer put them together."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = Path(tempfile.mkdtemp(prefix="vmforge-film-"))
        self._times: list[float] = []
        self._width = self._height = 2

    def add(self, at: float, frame: Framebuffer, text: ScreenText | None) -> None:
        (self._folder / f"{len(self._times)}.png").write_bytes(png(frame))
        self._times.append(at)
        self._width, self._height = max(self._width, frame.width), max(self._height, frame.height)

    def finish(self, at: float) -> None:
        """Raises OSError with ffmpeg's words when it fails."""
        try:
            if self._times:
                self._encode(at)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _encode(self, end: float) -> None:
        lines = ["ffconcat version 1.0"]
        for number, (at, until) in enumerate(zip(self._times, [*self._times[1:], end], strict=True)):
            lines += [f"file {number}.png", f"duration {min(_LONGEST, max(_SHORTEST, until - at)):.3f}"]
        lines.append(f"file {len(self._times) - 1}.png")  # the last one's duration counts only then
        (self._folder / "list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        staged = self._path.with_name(self._path.name + ".part")
        width, height = self._width + self._width % 2, self._height + self._height % 2
        command = ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", "-f", "concat", "-i", "list"]
        command += ["-vf", f"pad={width}:{height}", "-pix_fmt", "yuv420p", "-f", "mp4"]
        ended = subprocess.run(
            [*command, str(staged.absolute())],
            cwd=self._folder,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        if ended.returncode:
            staged.unlink(missing_ok=True)
            raise OSError(f"ffmpeg failed: {ended.stderr.strip() or ended.returncode}")
        staged.replace(self._path)
