"""OpenSSH's server as a guest: what the communicators talk to, and the machine behind fakes of clouds."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from vmforge.communicators import keys
from vmforge.sdk import Endpoint

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
USER = getpass.getuser()


@dataclass
class OpenSsh:
    """A running sshd of this test's own. `home` is where `$HOME` points in its sessions. With a `system`
    these see nothing but that folder (guest_system.py)."""

    system: ClassVar[Path | None] = None

    folder: Path
    port: int = 0
    settings: tuple[str, ...] = ()
    address: str = "127.0.0.1"
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.address, self.port)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def key(self) -> Path:
        return self.folder / "user-key"

    @property
    def authorized_keys(self) -> Path:
        return self.home / ".ssh" / "authorized_keys"

    def prepare(self) -> None:
        (self.home / ".ssh").mkdir(parents=True)
        for name in ("host-key", "user-key"):
            pair = keys.generate(keys.KeyType.ED25519, 0, "test")
            pair.write_private(self.folder / name)
            if name == "user-key":
                self.authorized_keys.write_text(f"{pair.public}\n")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def start(self) -> None:
        """Listen, on the same port as before if there was one; returns when connections are taken."""
        self.port = self.port or free_port()
        config = self.write_config()
        log = (self.folder / "log").open("ab")
        assert SSHD is not None
        command = [SSHD, "-D", "-e", "-f", str(config)]
        self._process = subprocess.Popen(command, stderr=log, start_new_session=True)
        log.close()
        wait_until(lambda: accepts(self.port, self.address))

    def write_config(self) -> Path:
        config = self.folder / "sshd_config"
        config.write_text("\n".join((*self._settings(), *self.settings, "")))
        return config

    def _settings(self) -> tuple[str, ...]:
        return (
            *((f"Port {self.port}",) if self.port else ()),
            f"ListenAddress {self.address}",
            f"HostKey {self.folder}/host-key",
            f"AuthorizedKeysFile {self.authorized_keys}",
            f"PidFile {self.folder}/pid",
            *sessions_in(self.system, self.home),
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "MaxStartups 100:30:200",
        )

    def stop(self) -> None:
        """End the server and every session, as a guest's shutdown does."""
        if self._process is not None:
            # it must not start another child meanwhile, who would keep the port
            self._process.send_signal(signal.SIGSTOP)
            children = subprocess.run(
                ["ps", "-o", "pid=", "--ppid", str(self._process.pid)],
                check=False,
                capture_output=True,
                text=True,
            ).stdout.split()
            for pid in [*map(int, children), self._process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def sessions_in(system: Path | None, home: Path) -> tuple[str, ...]:
    """The settings for what sessions see."""
    if system is None:
        return (f"SetEnv HOME={home}",)
    return (f"ChrootDirectory {system}", "SetEnv HOME=/root PATH=/usr/local/bin:/bin:/usr/bin")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def accepts(port: int, address: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
