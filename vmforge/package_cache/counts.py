"""Counts what a proxy does."""

from __future__ import annotations

import threading
from dataclasses import replace

from vmforge.sdk.packages import PackageCounts


class Tally:
    """Counts of one proxy, added to by the threads of its connections and of its fetches."""

    def __init__(self) -> None:
        self._counts = PackageCounts()
        self._lock = threading.Lock()

    def add(self, **amounts: int) -> None:
        """Add to the counts of these names."""
        with self._lock:
            self._counts = replace(
                self._counts, **{name: getattr(self._counts, name) + more for name, more in amounts.items()}
            )

    @property
    def counts(self) -> PackageCounts:
        return self._counts
