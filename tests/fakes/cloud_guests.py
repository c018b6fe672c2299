"""Instances of fake clouds that can really be logged in to: OpenSSH's server on this machine."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.openssh import SSHD, OpenSsh, accepts, free_port

assert SSHD is not None, "needs OpenSSH's server: apt-get install openssh-server"


@dataclass
class Guest:
    """One instance at a time, on a port that is known beforehand; `home` is that of its user."""

    port: int = field(default_factory=free_port)
    _server: OpenSsh | None = field(default=None, init=False)

    @property
    def home(self) -> Path:
        assert self._server is not None
        return self._server.home

    @property
    def is_running(self) -> bool:
        return accepts(self.port)

    def start(self, authorized_keys: list[str]) -> None:
        self.stop()
        folder = Path(tempfile.mkdtemp(prefix="vmforge-guest-"))
        self._server = OpenSsh(folder, port=self.port, settings=("Subsystem sftp internal-sftp",))
        self._server.prepare()
        self.let_in(authorized_keys)
        self._server.start()

    def let_in(self, authorized_keys: list[str]) -> None:
        if self._server is not None:
            self._server.authorized_keys.write_text("".join(f"{key}\n" for key in authorized_keys))

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            shutil.rmtree(self._server.folder, ignore_errors=True)
            self._server = None


class NoSshd:
    """In the place of a `Guest` where nobody logs in: it only says whether it runs, and who might."""

    port = 22

    def __init__(self) -> None:
        self.is_running = False
        self.keys: list[str] = []

    def start(self, authorized_keys: list[str]) -> None:
        self.is_running, self.keys = True, authorized_keys

    def let_in(self, authorized_keys: list[str]) -> None:
        self.keys = authorized_keys

    def stop(self) -> None:
        self.is_running = False
