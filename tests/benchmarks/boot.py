"""Compares how long each tool takes from power on until the installer runs.

    python tests/benchmarks/boot.py --iso build/tiny.iso --rounds 3

All variants are edits of the quickstart (see compare.py). "Power on" is the line in which a tool says that it
starts the machine; the installer runs when it asks for its answers, at a server of this program's that
stands in for both tools' own. Medians in seconds of wall time; every build goes on to its end.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare import (
    QUICKSTART,
    VARIANTS,
    Edit,
    Variant,
    command,
    copied_template,
    run_timed,
    with_checksum,
)

# The host as a guest on QEMU's user network sees it.
HOST = "10.0.2.2"


class AnswerServer(http.server.ThreadingHTTPServer):
    """Serves the quickstart's answers; `asked_at` is when, on the monotonic clock, for the first time."""

    asked_at: float | None = None


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: AnswerServer

    def do_GET(self) -> None:
        if self.server.asked_at is None:
            self.server.asked_at = time.monotonic()
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """The tools' output is enough."""


@contextmanager
def answer_server() -> Iterator[AnswerServer]:
    handler = functools.partial(_Handler, directory=str(QUICKSTART / "http"))
    with AnswerServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def asking(port: int) -> Edit:
    """Have the installer ask at a port of this program's."""
    return lambda text: text.replace("{{ .HTTPIP }}:{{ .HTTPPort }}", f"{HOST}:{port}")


def seconds_to_installer(variant: Variant, iso: Path) -> float:
    """Build once; the seconds from power on until the installer asks for its answers."""
    with tempfile.TemporaryDirectory(prefix="boot-") as scratch, answer_server() as server:
        template = copied_template([*variant.edits, asking(server.server_port)], Path(scratch))
        build = command(variant.tool, template, iso, Path(scratch, "timings.json"))
        lines, run = run_timed(build, scratch)
        power_on = next(at for at, line in lines if re.search(r"Starting (the machine|VM)", line))
        if server.asked_at is None:
            sys.exit("error: the installer has not asked for its answers")
        return server.asked_at - run.began - power_on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iso", type=Path, required=True, help="the test guest's CD")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", default="packer,packer-tuned,vmforge,vmforge-adaptive,vmforge-watching")
    arguments = parser.parse_args()
    iso = with_checksum(arguments.iso)
    times: dict[str, list[float]] = {name: [] for name in arguments.variants.split(",")}
    for number in range(1, arguments.rounds + 1):
        for name, taken in times.items():
            load = os.getloadavg()[0]
            taken.append(seconds_to_installer(VARIANTS[name], iso))
            print(f"round {number}: {name}: {taken[-1]:.1f} s (load before: {load:.1f})", file=sys.stderr)
    print("| variant | what | median | best |\n|---|---|---:|---:|")
    for name, taken in times.items():
        what = f"{VARIANTS[name].tool}, {VARIANTS[name].description}"
        print(f"| {name} | {what} | {statistics.median(taken):.1f} | {min(taken):.1f} |")


if __name__ == "__main__":
    main()
