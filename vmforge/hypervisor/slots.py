"""The folders that the embedded driver works in: `STATE/libvirt/<number>/`, one per running process.

libvirt allows one process per root folder and one root per process. A process holds a lock on its
slot for as long as it lives; slots of ended processes are used again, which keeps what libvirt knows
about QEMU (finding that out costs seconds). QEMU outlives a process that was killed: before a slot is
taken, every machine that an ended process left behind, in whichever slot, is ended, unless the slot
was marked as kept.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import select
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vmforge.errors import HostError

# The longest path of a unix socket, without its final zero (unix(7)), and the longest name that
# libvirt appends to its root for one: `/lib/qemu/domain-NNN-` + 20 characters + `/monitor.sock`.
_SOCKET_LIMIT = 107
_LONGEST_SOCKET = len("/lib/qemu/domain-9999-") + 20 + len("/monitor.sock")
_SLOTS = 256
_END_LIMIT_MS = 10_000
_UNREADABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that this process holds. `root` is the folder as libvirt gets it: a shorter name for
    `folder` where sockets below that would have too long a path."""

    folder: Path
    root: Path
    lock: int

    def keep(self) -> None:
        """Let the machines of this slot live on after this process."""
        _mark(self.folder).touch()


def acquire(state_dir: Path) -> Slot:
    """Take a free slot, after ending what ended processes left behind in any of them.

    Raises `HostError` when the state folder cannot be used.
    """
    parent = state_dir.absolute() / "libvirt"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        slot = _take(parent)
    except OSError as error:
        raise HostError(
            f"cannot use the state folder `{parent}`: {error.strerror}",
            hint=f"make it yours: `sudo chown -R $USER {parent}`",
        ) from error
    _prepare(slot)
    return slot


def _take(parent: Path) -> Slot:
    existing = sorted((p for p in parent.iterdir() if p.name.isdigit()), key=lambda path: int(path.name))
    free = [(folder, lock) for folder in existing for lock in _lock_and_clear(folder)]
    for _, lock in free[1:]:
        os.close(lock)
    if not free:
        fresh = (parent / str(n) for n in range(_SLOTS) if parent / str(n) not in existing)
        free = list(islice(((folder, lock) for folder in fresh for lock in _lock_and_clear(folder)), 1))
    if not free:
        raise HostError(
            f"all {_SLOTS} slots below `{parent}` are taken",
            hint="end the builds that run, or the machines that were kept",
        )
    folder, lock = free[0]
    folder.mkdir(mode=0o700, exist_ok=True)
    return Slot(folder, _short_enough(folder), lock)


def _lock_and_clear(folder: Path) -> Iterator[int]:
    """The lock of a slot that is free, after clearing it; nothing when it is in use or kept."""
    lock = _try_lock(folder)
    if lock is None:
        return
    if _clear(folder):
        yield lock
    else:
        os.close(lock)


def _try_lock(folder: Path) -> int | None:
    """The lock of a slot; None when a living process or another user holds it."""
    try:
        lock = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _UNREADABLE and folder.exists():
            return None
        raise
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _mark(folder: Path) -> Path:
    return folder.with_suffix(".kept")


def _clear(folder: Path) -> bool:
    """End what an ended process left in a slot that we hold. False when it is to be left alone."""
    for pid in _processes(folder, "lib/qemu/qmp-*/qmp.pid"):
        _end(pid)  # a QEMU that libvirt was asking what it can do
    machines = left_behind(folder)
    if _mark(folder).exists():
        if machines:
            return False
        _mark(folder).unlink()
    for pid in machines:
        _end(pid)
    for pattern in ("run/qemu/*.pid", "run/qemu/*.xml", "log/qemu/*.log"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
    for pattern in ("lib/qemu/domain-*", "lib/qemu/qmp-*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)
    return True


def left_behind(folder: Path) -> list[int]:
    """The processes of a slot that live: QEMU, and what libvirt starts beside it (swtpm)."""
    return _processes(folder, "run/qemu/**/*.pid")


def _processes(folder: Path, pattern: str) -> list[int]:
    pids = []
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError, ValueError):
            pid = int(path.read_text())
            if path.name != "driver.pid" and _belongs_to(pid, folder):
                pids.append(pid)
    return pids


def _belongs_to(pid: int, folder: Path) -> bool:
    """Whether a process is of this slot, by its command line: process ids are used again."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return any(os.fsencode(name) + b"/" in command for name in (folder, _short_name(folder)))


def _end(pid: int) -> None:
    """Kill a process and wait until it is gone; its work is lost in any case."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            poll.poll(_END_LIMIT_MS)
        finally:
            os.close(handle)


def _short_enough(folder: Path) -> Path:
    if len(os.fsencode(folder)) + _LONGEST_SOCKET <= _SOCKET_LIMIT:
        return folder
    link = _short_name(folder)
    home = link.parent
    home.mkdir(mode=0o700, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid != os.getuid():
        raise HostError(
            f"`{home}` belongs to somebody else",
            hint="remove it, or choose a state folder with a shorter path",
        )
    if len(os.fsencode(link)) + _LONGEST_SOCKET > _SOCKET_LIMIT:
        raise HostError(
            f"the path `{folder}` is too long for unix sockets ({_SOCKET_LIMIT} bytes)",
            hint="choose a state folder with a shorter path",
        )
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    return link


def _short_name(folder: Path) -> Path:
    """Where the short name of a slot is: the same in every process."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    parent = Path(runtime) if runtime and len(runtime) < 24 else Path(tempfile.gettempdir())
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    return parent / f"vmforge-{os.getuid()}" / digest


def _prepare(slot: Slot) -> None:
    """Write the driver's configuration, and give a new slot what another one knows about QEMU."""
    settings = ['stdio_handler = "file"', "namespaces = []", 'security_driver = "none"']
    if os.getuid() == 0:
        # QEMU as another user could not read the disks; changing their owner would be worse
        settings += ['user = "root"', 'group = "root"', "dynamic_ownership = 0", "remember_owner = 0"]
    configuration = slot.folder / "etc/qemu.conf"
    configuration.parent.mkdir(exist_ok=True)
    configuration.write_text("\n".join(settings) + "\n")
    cache = slot.folder / "cache/qemu/capabilities"
    if not cache.exists():
        _copy_newest(cache)


def _copy_newest(cache: Path) -> None:
    slots = cache.parents[3]
    others = [p for p in slots.glob("*/cache/qemu/capabilities") if p != cache]
    with contextlib.suppress(OSError):
        newest = max(others, key=lambda path: path.stat().st_mtime, default=None)
        if newest is not None:
            staged = slots / f"{cache.parents[2].name}.cache.part"
            shutil.rmtree(staged, ignore_errors=True)
            shutil.copytree(newest, staged)
            cache.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(cache)
