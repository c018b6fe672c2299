"""QEMU's own agent, `qemu-ga`, on this machine, over a socket in place of a virtio port; and one that is
played, for guests that are not here (Windows)."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators.agent import AgentConnector
from vmforge.errors import CommunicatorError
from vmforge.sdk import Communicator, Endpoint
from vmforge.sdk.testing import RecordingUi, configure, fake_context

QEMU_GA = shutil.which("qemu-ga", path="/usr/sbin:/usr/bin")


@dataclass
class RealAgent:
    """A running `qemu-ga`, asked as libvirt asks it: one line of JSON there, one back."""

    folder: Path
    blocked: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert QEMU_GA is not None
        path = self.folder / "agent.sock"
        path.unlink(missing_ok=True)
        command = [QEMU_GA, "-m", "unix-listen", "-p", str(path), "-t", str(self.folder)]
        command += ["-f", str(self.folder / "agent.pid")]
        if self.blocked:
            command.append(f"--blacklist={','.join(self.blocked)}")
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < end and self._process.poll() is None, "qemu-ga does not start"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, command: str, arguments: Mapping[str, object] | None = None, *, timeout: float) -> Any:
        self.asked.append(command)
        message = {"execute": command, **({"arguments": dict(arguments)} if arguments else {})}
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(timeout)
                connection.connect(str(self.folder / "agent.sock"))
                connection.sendall(json.dumps(message).encode() + b"\n")
                answer = json.loads(connection.makefile().readline())
        except (OSError, ValueError) as error:
            raise CommunicatorError("the guest's agent does not answer") from error
        if "error" in answer:
            raise CommunicatorError(f"the guest's agent refused `{command}`: {answer['error']['desc']}")
        return answer["return"]


@dataclass
class WindowsAgent:
    """An agent of Windows, played: batch files run in /bin/sh. It shows what is asked of Windows, and
    nothing of what Windows would do."""

    root: Path
    started: list[list[str]] = field(default_factory=list)
    files: dict[int, Any] = field(default_factory=dict)
    results: dict[int, dict[str, object]] = field(default_factory=dict)

    def ask(self, command: str, arguments: Mapping[str, object] | None = None, *, timeout: float) -> Any:
        return getattr(self, "_" + command.replace("-", "_"))(dict(arguments or {}))

    def path(self, text: str) -> Path:
        return self.root / text.replace("\\", "/").partition(":")[2].lstrip("/")

    def _guest_info(self, arguments: dict[str, Any]) -> Any:
        names = ("exec", "exec-status", "file-open", "file-read", "file-write", "file-close")
        return {"supported_commands": [{"name": f"guest-{name}", "enabled": True} for name in names]}

    def _guest_get_osinfo(self, arguments: dict[str, Any]) -> Any:
        return {"id": "mswindows"}

    def _guest_file_open(self, arguments: dict[str, Any]) -> Any:
        path = self.path(arguments["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        number = len(self.files) + 1
        self.files[number] = path.open(arguments["mode"])
        return number

    def _guest_file_write(self, arguments: dict[str, Any]) -> Any:
        return {"count": self.files[arguments["handle"]].write(base64.b64decode(arguments["buf-b64"]))}

    def _guest_file_close(self, arguments: dict[str, Any]) -> Any:
        self.files[arguments["handle"]].close()
        return {}

    def _guest_exec(self, arguments: dict[str, Any]) -> Any:
        program = [arguments["path"], *arguments["arg"]]
        self.started.append(program)
        number = len(self.started)
        result: dict[str, object] = {"exited": True, "exitcode": 0}
        if program[:3] == ["cmd.exe", "/c", "del"]:
            self.path(program[3]).unlink()
        else:
            text = self.path(program[2]).read_text().removeprefix("@echo off\n")
            done = subprocess.run(["/bin/sh", "-c", text], check=False, capture_output=True)
            result |= {
                "exitcode": done.returncode,
                "out-data": base64.b64encode(done.stdout).decode(),
                "err-data": base64.b64encode(done.stderr).decode(),
                "out-truncated": b"much" in done.stdout,
            }
        self.results[number] = result
        return {"pid": number}

    def _guest_exec_status(self, arguments: dict[str, Any]) -> Any:
        return self.results[arguments["pid"]]


@dataclass
class Client:
    """Connects to agents."""

    scratch: Path
    ui: RecordingUi = field(default_factory=RecordingUi)

    def __post_init__(self) -> None:
        self.context = fake_context(self.scratch, ui=self.ui)

    def connect(self, agent: Any, **options: Any) -> Communicator:
        made = configure(AgentConnector, {"agent_timeout": "20s"} | options)
        assert isinstance(made, AgentConnector)
        context = replace(self.context, agent=agent)
        return made.connect(context, lambda: Endpoint("", 0))


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RealAgent]:
    yield from _running(RealAgent(tmp_path))


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[Callable[..., RealAgent]]:
    """Starts agents with settings."""
    with contextlib.ExitStack() as stack:

        def start(**settings: Any) -> RealAgent:
            running = contextlib.contextmanager(_running)
            return stack.enter_context(running(RealAgent(tmp_path, **settings)))

        yield start


def _running(agent: RealAgent) -> Iterator[RealAgent]:
    if QEMU_GA is None:
        pytest.skip("needs QEMU's agent: apt-get install qemu-guest-agent")
    agent.start()
    yield agent
    agent.stop()


@pytest.fixture
def windows(tmp_path: Path) -> WindowsAgent:
    return WindowsAgent(tmp_path / "drive")
