"""The network between vmforge and the guest is cut for some seconds, in the middle of an upload and of a
command: it says nothing any more, or resets every connection. The guest is an SSH server on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.openssh import SSHD, USER, OpenSsh
from tests.integration.conftest import Running, Vmforge

SIZE = 24 << 20
QUICK, REAL = 1.5, 10.0

TEMPLATE = """
source "null" "host" {{
  ssh_host             = "127.0.0.1"
  ssh_port             = {port}
  ssh_username         = "{user}"
  ssh_private_key_file = "{key}"
}}
build {{
  sources = ["null.host"]
  provisioner {provisioner}
}}
"""


class Line:
    """Passes connections on to a server on this machine, unless it is cut."""

    def __init__(self, server: OpenSsh) -> None:
        self._target, self.key = server.port, server.key
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._ends: list[socket.socket] = []
        self._timers: list[threading.Timer] = []
        self._resets = False
        self.sent = 0  # bytes to the server
        self.at_byte: tuple[int, Callable[[], None]] | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self, seconds: float) -> None:
        """Pass nothing on for a while. No byte is lost, and nobody is told."""
        self._resets = False
        self._cut(seconds)

    def reset(self, seconds: float) -> None:
        """Reset all connections, and for a while every new one."""
        self._resets = True
        self._cut(seconds)
        for end in self._ends:
            _reset(end)

    def _cut(self, seconds: float) -> None:
        self._whole.clear()
        self._timers.append(threading.Timer(seconds, self._whole.set))
        self._timers[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._resets and not self._whole.is_set():
                _reset(near)
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._ends += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                target.sendall(data)
                if target.getpeername()[1] == self._target:
                    self.sent += len(data)
                    self._look()
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _look(self) -> None:
        if self.at_byte is not None and self.sent >= self.at_byte[0]:
            act, self.at_byte = self.at_byte[1], None
            act()

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._whole.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            end.close()


def _reset(end: socket.socket) -> None:
    """Close a connection with a RST, also one that another thread reads from."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
        end.close()


@pytest.fixture
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    if SSHD is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    server = OpenSsh(tmp_path_factory.mktemp("sshd"), settings=("Subsystem sftp internal-sftp",))
    server.prepare()
    server.start()
    made = Line(server)
    yield made
    made.close()
    server.stop()


def build(vmforge: Vmforge, line: Line, provisioner: str) -> Running:
    text = TEMPLATE.format(port=line.port, user=USER, key=line.key, provisioner=provisioner)
    (vmforge.folder / "host.pkr.hcl").write_text(text)
    return vmforge.start("build", "host.pkr.hcl")


LENGTHS = [QUICK, pytest.param(REAL, marks=pytest.mark.slow)]
KINDS = ["silence", "reset"]


@pytest.mark.parametrize("seconds", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_upload(kind: str, seconds: float, vmforge: Vmforge, line: Line) -> None:
    content = os.urandom(SIZE)
    (vmforge.folder / "large").write_bytes(content)
    line.at_byte = (SIZE // 3, lambda: getattr(line, kind)(seconds))
    there = vmforge.folder / "there"
    running = build(vmforge, line, f'"file" {{\n source = "large"\n destination = "{there}"\n}}')
    ended = running.finish()
    assert ended.status == 0, ended.out + ended.err
    assert line.at_byte is None, "the line was never cut"
    assert hashlib.sha256(there.read_bytes()).digest() == hashlib.sha256(content).digest()
    assert (" went on after its first " in ended.out) == (kind == "reset")
    # what was on its way when the line was reset is sent again, and not more
    assert line.sent < SIZE * 1.4


def command(*inline: str) -> str:
    return f'"shell" {{\n inline = {list(inline)}\n valid_exit_codes = [7]\n}}'.replace("'", '"')


@pytest.mark.parametrize("seconds", LENGTHS)
def test_command_outlives_silence(seconds: float, vmforge: Vmforge, line: Line) -> None:
    running = build(vmforge, line, command("echo up", f"sleep {seconds / 2}", "echo down", "exit 7"))
    running.wait_for("null.host: up")
    line.silence(seconds)
    ended = running.finish()
    assert ended.status == 0, ended.out + ended.err
    assert "null.host: down" in ended.out


@pytest.mark.parametrize("seconds", LENGTHS)
@pytest.mark.parametrize(
    ("command_seconds", "fate"),
    [
        (60.0, "; it still runs in the guest"),
        (0.5, "; it no longer runs in the guest, and with which status it ended is not known"),
    ],
    ids=["long", "short"],
)
def test_command_whose_connection_is_reset(
    command_seconds: float, fate: str, seconds: float, vmforge: Vmforge, line: Line
) -> None:
    running = build(vmforge, line, command("echo up", f"sleep {command_seconds}", "exit 7"))
    running.wait_for("null.host: up")
    line.reset(seconds)
    ended = running.finish()
    assert ended.status == 1
    assert "failed: the inline script lost its connection: the connection to the guest broke" in ended.err
    assert fate in ended.err
    end_sleep(vmforge.folder, command_seconds)


def end_sleep(folder: Path, seconds: float) -> None:
    """A command that was left behind goes on; its `sleep` is the only one of so many seconds."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                os.kill(int(process.name), 15)
