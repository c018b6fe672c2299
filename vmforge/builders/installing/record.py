"""Machines that a killed build left behind: each is written down by its name while its build runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import quote

from vmforge.errors import HostError

_SHOWN: Final = 80  # a file's name has at most 255 bytes


@dataclass
class MachineRecord:
    """A resource of a build: the name of its machine is its own while it runs.

    The file is locked while the build is alive, so an unlocked one that is not empty tells of a build that
    was killed. `folder` is `BuildContext.state_dir`.
    """

    folder: Path
    title: str
    name: str
    leftover: str = field(default="", init=False)
    _handle: int = field(default=-1, init=False)
    _kept: bool = field(default=False, init=False)

    @property
    def path(self) -> Path:
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:16]
        readable = quote(self.name, safe="")[-_SHOWN:]
        return self.folder / "machines" / self.title.lower() / f"{readable}-{digest}"

    def __enter__(self) -> MachineRecord:
        """Raises `HostError` when a live build has a machine of that name."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            self._handle = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._handle)
                hint = "wait for it, or set another `vm_name`"
                message = f"another build is making the machine `{self.name}` in {self.title}"
                raise HostError(message, hint=hint) from None
            if self._is_current():
                break
            os.close(self._handle)  # its build ended, and took the file with it, right then
        self.leftover = self.path.read_text(encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._kept:
            self.path.unlink(missing_ok=True)
        os.close(self._handle)

    def remember(self, identity: str) -> None:
        """Write down, durably, what it takes to delete the machine."""
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, identity.encode(), 0)
        os.fsync(self._handle)

    def retain(self) -> None:
        """The machine could not be deleted: leave that to the next run."""
        self._kept = True

    def keep(self) -> str:
        """The machine is the user's from now on (`-on-error=abort`)."""
        self.path.unlink(missing_ok=True)
        os.close(self._handle)
        return ""

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._handle), self.path.stat())
        except FileNotFoundError:
            return False
