"""Takes note of the end of the QEMU processes that the embedded driver starts.

libvirt makes QEMU a daemon, so that it becomes a child of PID 1, and then polls until the process is
gone: gone from the process table. Where PID 1 is slow to collect its children each end of a machine
costs a second or two, and where it never does (a container without an init), libvirt gives up with an
error. So this process asks for such orphans itself (PR_SET_CHILD_SUBREAPER) and collects them at once.
"""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from types import TracebackType

_PR_SET_CHILD_SUBREAPER = 36
_LONGEST_NAME = 15  # of /proc/PID/stat
_RETRY = 0.02


class Reaper:
    """One per process. Works while somebody holds `attending()`: during calls that may start or end
    a QEMU, and as long as a machine lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._wanted = threading.Event()
        self._pause = threading.Event()
        self._names = {"qemu-kvm"}
        if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
            threading.Thread(target=self._run, name="vmforge-reaper", daemon=True).start()

    def know(self, emulator: str) -> None:
        """Count processes of this program as QEMU, whatever it is called."""
        self._names.add(Path(emulator).name[:_LONGEST_NAME])

    def attending(self) -> _Attending:
        return _Attending(self)

    def hold(self) -> None:
        with self._lock:
            self._holders += 1
            self._wanted.set()

    def drop(self) -> None:
        with self._lock:
            self._holders -= 1
            if not self._holders:
                self._wanted.clear()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            try:
                # only looks: which child ended is for its own parent's code to collect
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                pass
            if not self._collect():
                # no child yet, or one that another thread is about to collect
                self._pause.wait(_RETRY)

    def _collect(self) -> bool:
        collected = False
        for pid in _children():
            if self._is_ended_orphan(pid):
                try:
                    collected = os.waitpid(pid, os.WNOHANG)[0] == pid or collected
                except ChildProcessError:
                    pass
        return collected

    def _is_ended_orphan(self, pid: int) -> bool:
        """A QEMU in a session of its own: libvirt itself waits for those that share ours."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            return False
        name, _, rest = stat.partition("(")[2].rpartition(")")
        state, _parent, _group, session = rest.split()[:4]
        is_qemu = name.startswith("qemu-system") or name in self._names
        return state == "Z" and is_qemu and int(session) != os.getsid(0)


class _Attending:
    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper

    def __enter__(self) -> None:
        self._reaper.hold()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reaper.drop()


def _children() -> list[int]:
    """The children of this process, of whichever thread."""
    found: list[int] = []
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            found += [int(pid) for pid in listing.read_text().split()]
        except OSError:
            continue
    return found
