"""What reading a screen costs: `python tests/benchmarks/screen.py`.

For each recorded screen the processor's milliseconds, the least of some tries: by a reader that has seen
nothing yet, by one that knows its characters but has an empty screen before it, and by one that has just
read it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from vmforge.console.framebuffer import Framebuffer  # noqa: E402
from vmforge.console.png import read_png  # noqa: E402
from vmforge.console.screen import ScreenReader  # noqa: E402

TRIES = 7


def milliseconds(prepare: Callable[[], Callable[[], object]]) -> float:
    """The least processor time that the work which `prepare` returns takes."""
    times = []
    for _ in range(TRIES):
        work = prepare()
        before = time.process_time()
        work()
        times.append((time.process_time() - before) * 1000)
    return min(times)


def seen(*frames: Framebuffer) -> ScreenReader:
    reader = ScreenReader()
    for frame in frames:
        reader.read(frame)
    return reader


def costs(frame: Framebuffer) -> tuple[float, float, float]:
    empty = Framebuffer(frame.width, frame.height, bytes(len(frame.pixels)))

    def read_after(*before: Framebuffer) -> float:
        def prepare() -> Callable[[], object]:
            reader = seen(*before)
            return lambda: reader.read(frame)

        return milliseconds(prepare)

    return read_after(), read_after(frame, empty), read_after(frame)


def main() -> None:
    pictures = sorted((ROOT / "tests/golden/screens").glob("*.png"))
    frames = {path.stem: read_png(path.read_bytes()) for path in pictures}
    ScreenReader().read(frames["seabios"])  # the tables are loaded once a process
    print(f"{'screen':24}{'size':>10}{'characters':>12}{'first':>8}{'next':>8}{'again':>8}   (CPU ms)")
    for name, frame in frames.items():
        text = ScreenReader().read(frame)
        size = f"{frame.width}x{frame.height}"
        count = len("".join(text.text.split())) if text else 0
        print(f"{name:24}{size:>10}{count:>12}" + "".join(f"{value:8.1f}" for value in costs(frame)))


if __name__ == "__main__":
    main()
