"""What is known of a build right now: for the line that shows it, and for who explains its failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from vmforge.sdk.values import format_seconds

_LONGEST_PART = 60


class LiveStatus:
    """The step that runs and what was last heard from where. Safe to use from several threads.

    `expected` are the seconds that steps took in the last build, by their titles.
    """

    def __init__(self, expected: Mapping[str, float] | None = None) -> None:
        self._expected = dict(expected or {})
        self._lock = threading.Lock()
        self._notes: dict[str, str] = {}
        self._title, self._began = "", 0.0

    @property
    def step(self) -> str:
        """The title of the step that runs; empty between two of them."""
        return self._title

    @contextmanager
    def during(self, title: str) -> Iterator[None]:
        """This step runs while the block does."""
        before = self._title, self._began
        self._title, self._began = title, time.monotonic()
        try:
            yield
        finally:
            self._title, self._began = before

    def note(self, source: str, text: str) -> None:
        """The latest from a source ("SSH", "screen"); `""` forgets it."""
        with self._lock:
            self._notes[source] = text

    def latest(self, source: str) -> str:
        """What `note` was last told of a source."""
        with self._lock:
            return self._notes.get(source, "")

    def line(self) -> str:
        """All of it in one line; empty between two steps."""
        title, began = self._title, self._began
        if not title:
            return ""
        with self._lock:
            notes = [f"{source}: {_shortened(text)}" for source, text in self._notes.items() if text]
        took = format_seconds(int(time.monotonic() - began))
        usual = self._expected.get(title, 0.0)
        about = f" of about {format_seconds(round(usual))}" if usual >= 1 else ""
        return " | ".join([f"{title} {took}{about}", *notes])


def _shortened(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text).strip()
    return line if len(line) <= _LONGEST_PART else line[: _LONGEST_PART - 1] + "…"
