"""A guest whose commands really run on this machine, with programs that record how they were called."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators import keys
from vmforge.sdk import BuildContext, Provisioner
from vmforge.sdk.component import Component
from vmforge.sdk.testing import FakeCommunicator, FakeMachine, RecordingUi, configure, fake_context

# Records its arguments and the environment, keeps what files it was given, and ends as it is told.
_PROGRAM = """\
#!{python}
import json, os, sys
from pathlib import Path
folder = Path({folder!r})
files = {{}}
for argument in sys.argv[1:]:
    path = Path(argument.lstrip("@"))
    if path.is_file():
        files[argument] = [path.read_text(errors="replace"), path.stat().st_mode & 0o777]
call = {{"name": {name!r}, "arguments": sys.argv[1:], "folder": os.getcwd(), "files": files,
        "environment": dict(os.environ), "stdin": ""}}
with (folder / "calls").open("a") as log:
    log.write(json.dumps(call) + "\\n")
answer = folder / ({name!r} + ".answer")
if answer.exists():
    status, _, text = answer.read_text().partition("\\n")
    print(text, end="")
    sys.exit(int(status))
"""
_RUN_THE_REST = """\
#!/bin/sh
echo sudo "$@" >>{log}
while case "$1" in -E|-n) true;; *=*) true;; *) false;; esac; do
  case "$1" in *=*) export "$1";; esac; shift
done
exec "$@"
"""


@dataclass(frozen=True)
class Call:
    """One call of a program."""

    name: str
    arguments: list[str]
    folder: str
    files: dict[str, tuple[str, int]]
    environment: dict[str, str]
    stdin: str


@dataclass
class Guest:
    """The guest, and this machine. `programs` is a folder in front of the path of both."""

    folder: Path
    ui: RecordingUi = field(default_factory=RecordingUi)
    data: dict[str, str] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    kind: str = "ssh"
    answer: Callable[[str], tuple[int, str]] | None = None

    def __post_init__(self) -> None:
        for name in ("programs", "scratch", "tmp"):
            (self.folder / name).mkdir()
        self.communicator = FakeCommunicator(Path("/"), self.answer or self._execute, self.kind)

    @property
    def programs(self) -> Path:
        return self.folder / "programs"

    @property
    def staging(self) -> str:
        return str(self.folder / "tmp" / "staging")

    def has(self, *names: str) -> None:
        """Give it programs that record their calls."""
        for name in names:
            text = _PROGRAM.format(python=sys.executable, folder=str(self.folder), name=name)
            self._write(name, text)

    def has_sudo(self) -> None:
        self._write("sudo", _RUN_THE_REST.format(log=self.folder / "sudo"))

    def answers(self, name: str, status: int, text: str = "") -> None:
        """What a program that records prints and ends with."""
        (self.folder / f"{name}.answer").write_text(f"{status}\n{text}")

    def _write(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def _execute(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    @property
    def context(self) -> BuildContext:
        return fake_context(
            self.folder / "scratch",
            communicator=self.communicator,
            ui=self.ui,
            data=self.data,
            **self.changes,
        )

    def run(self, component: type[Component[Any]], **options: Any) -> None:
        made = configure(component, options)
        assert isinstance(made, Provisioner)
        made.provision(self.context, FakeMachine(self.communicator))

    @property
    def calls(self) -> list[Call]:
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Call(**json.loads(line)) for line in lines]

    @property
    def call(self) -> Call:
        """The only one."""
        (call,) = self.calls
        return call

    @property
    def commands(self) -> list[str]:
        return self.communicator.commands


@pytest.fixture
def make_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Guest]]:
    def make(**changes: Any) -> Guest:
        guest = Guest(tmp_path / "machine", **changes)
        monkeypatch.setenv("PATH", f"{guest.programs}:{os.environ['PATH']}")
        return guest

    (tmp_path / "machine").mkdir()
    yield make
    shutil.rmtree(tmp_path / "machine", ignore_errors=True)


@pytest.fixture
def guest(make_guest: Callable[..., Guest]) -> Guest:
    return make_guest()


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, and the current one."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@dataclass(frozen=True)
class Sshd:
    """A real SSH server on this machine, and the key that opens it."""

    port: int
    key: Path

    @property
    def data(self) -> dict[str, str]:
        """What a build knows of a guest behind it."""
        return {
            "ConnType": "ssh",
            "Host": "127.0.0.1",
            "Port": str(self.port),
            "User": getpass.getuser(),
            "SSHPrivateKeyFile": str(self.key),
        }


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "key"):
        pair = keys.generate(keys.KeyType.ED25519, 0, "test")
        pair.write_private(folder / name)
    (folder / "authorized").write_text(f"{pair.public}\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    settings = (
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized\nPidFile {folder}/pid\nStrictModes no\n"
        "UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        "Subsystem sftp internal-sftp\n"
    )
    (folder / "settings").write_text(settings)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "settings")], stderr=log)
    end = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        assert time.monotonic() < end, (folder / "log").read_text()
        time.sleep(0.01)
    yield Sshd(port, folder / "key")
    server.terminate()
    server.wait()
