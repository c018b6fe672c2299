"""What a piece of work leaves behind in this process and its folder, for checks that it leaves nothing."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Seconds that threads and processes which were told to end get for it.
_GRACE: Final = 5.0


@dataclass(frozen=True)
class Surroundings:
    """A folder's files, and this process's threads, child processes and sockets."""

    files: frozenset[str]
    threads: frozenset[threading.Thread]
    children: frozenset[str]
    sockets: frozenset[str]

    @classmethod
    def of(cls, folder: Path) -> Surroundings:
        gc.collect()  # what nobody holds any more is closed
        files = frozenset(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
        return cls(files, frozenset(threading.enumerate()), frozenset(_children()), frozenset(_sockets()))

    def left_since(self, before: Surroundings) -> Iterator[str]:
        """What is here and was not before, a few words each."""
        yield from (f"the file `{name}`" for name in sorted(self.files - before.files))
        yield from (f"the thread `{thread.name}`" for thread in self.threads - before.threads)
        yield from (f"the process {child}" for child in sorted(self.children - before.children))
        yield from (f"an open {socket}" for socket in sorted(self.sockets - before.sockets))


def leftovers(folder: Path, before: Surroundings, more: Callable[[], Iterable[str]]) -> list[str]:
    """What is left since `before`, once what is ending has had its time; `more` names what else is."""
    deadline = time.monotonic() + _GRACE
    while True:
        found = [*Surroundings.of(folder).left_since(before), *more()]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)  # nothing tells of the end of a thread that somebody else made


def _children() -> Iterator[str]:
    """The processes that this one started (proc(5), `stat`); none where there is no /proc."""
    own = str(os.getpid())
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text(errors="replace").rpartition(")")
        except OSError:  # it has ended
            continue
        state, parent = rest.split()[:2]
        if parent == own and state != "Z":
            yield name.replace("(", "", 1)


def _sockets() -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").glob("*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            yield target
