"""Real counterparts for the communicators' tests: OpenSSH's server, a server whose logins can be scripted,
and sockets that misbehave."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
import pytest

from tests.fakes.openssh import SSHD, USER, OpenSsh
from vmforge.communicators import keys
from vmforge.communicators.ssh import SshConnector
from vmforge.communicators.ssh.login import load_key
from vmforge.sdk import BuildContext, Communicator, Endpoint
from vmforge.sdk.testing import RecordingUi, configure, fake_context


def _sshd(folder: Path, *settings: str) -> Iterator[OpenSsh]:
    if SSHD is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    server = OpenSsh(folder, settings=settings)
    server.prepare()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    """One server for all tests that leave it as it is."""
    yield from _sshd(tmp_path_factory.mktemp("sshd"), "Subsystem sftp internal-sftp")


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[OpenSsh]:
    """A server of the test's own, to stop and start."""
    yield from _sshd(tmp_path / "sshd", "Subsystem sftp internal-sftp")


@pytest.fixture(scope="session")
def bare_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    """A server without SFTP."""
    yield from _sshd(tmp_path_factory.mktemp("bare-sshd"))


@dataclass
class Client:
    """What a test needs around a connector: a context, and what the user was shown."""

    context: BuildContext
    ui: RecordingUi
    _open: list[Communicator] = field(default_factory=list)

    def connector(self, server: OpenSsh | None = None, **options: Any) -> SshConnector:
        """One that logs in with the server's key, unless the options say otherwise."""
        values = {"ssh_username": USER} | options
        if server is not None:
            values.setdefault("ssh_private_key_file", str(server.key))
        made = configure(SshConnector, values)
        assert isinstance(made, SshConnector)
        return made

    def connect(
        self,
        where: OpenSsh | Endpoint | Callable[[], Endpoint],
        *,
        server: OpenSsh | None = None,
        time_scale: float = 1.0,
        **options: Any,
    ) -> Communicator:
        """A connection to `where`; `server` is whose key opens it, if that is not the same."""
        if isinstance(where, OpenSsh):
            server, where = server or where, where.endpoint
        place = where
        endpoint = place if callable(place) else (lambda: place)
        connector = self.connector(server, **options)
        communicator = connector.connect(self.context, endpoint, time_scale=time_scale)
        self._open.append(communicator)
        return communicator

    def close(self) -> None:
        for communicator in self._open:
            communicator.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    ui = RecordingUi()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = Client(fake_context(scratch, ui=ui), ui)
    yield made
    made.close()


class Relay:
    """Passes connections on to a server, each treated as `treat` says: it gets the connection's number
    (from 0) and returns what to do with it.

    `pass` is to pass it on, `hang` to accept it and say nothing (as QEMU's user network does before the
    guest is up), `close` to close it at once, a number to wait so many seconds before passing it on.
    """

    def __init__(self, target: int, treat: Callable[[int], str | float]) -> None:
        self._target, self._treat = target, treat
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint("127.0.0.1", int(self._listener.getsockname()[1]))
        self._sockets: list[socket.socket] = []
        self.frozen = threading.Event()
        self.count = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(near)
            treatment, self.count = self._treat(self.count), self.count + 1
            if treatment == "close":
                near.close()
            elif treatment != "hang":
                delay = treatment if isinstance(treatment, float) else 0.0
                threading.Thread(target=self._pass_on, args=(near, delay), daemon=True).start()

    def _pass_on(self, near: socket.socket, delay: float) -> None:
        time.sleep(delay)
        try:
            far = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            near.close()
            return
        self._sockets.append(far)
        threading.Thread(target=self._pump, args=(far, near), daemon=True).start()
        self._pump(near, far)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.frozen.is_set():
                    time.sleep(0.05)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Break every connection."""
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.frozen.clear()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for end in self._sockets:
            end.close()


@pytest.fixture
def relay() -> Iterator[Callable[[int, Callable[[int], str | float]], Relay]]:
    """Make a relay to a port of this machine."""
    made: list[Relay] = []

    def make(target: int, treat: Callable[[int], str | float] = lambda number: "pass") -> Relay:
        made.append(Relay(target, treat))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Greeter:
    """Accepts connections, says a few bytes on each, and leaves it open or closes it."""

    def __init__(self, greeting: bytes, *, close: bool) -> None:
        self._greeting, self._close = greeting, close
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint("127.0.0.1", int(self._listener.getsockname()[1]))
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
                connection.sendall(self._greeting)
            except OSError:
                return
            if self._close:
                connection.close()
            else:
                self._held.append(connection)

    def close(self) -> None:
        """Stop listening; harmless when that has been done."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._held:
            connection.close()


@pytest.fixture
def greeter() -> Iterator[Callable[..., Greeter]]:
    made: list[Greeter] = []

    def make(greeting: bytes = b"", *, close: bool = False) -> Greeter:
        made.append(Greeter(greeting, close=close))
        return made[-1]

    yield make
    for one in made:
        one.close()


@dataclass
class Script:
    """What the server does. `late` is how many logins it refuses before it knows the user; `then` what it
    demands after a key, which it takes whatever it is."""

    user: str = "packer"
    password: str = "secret"
    methods: str = "publickey,password"
    late: int = 0
    then: str = ""
    ciphers: Sequence[str] = ()
    asked: list[str] = field(default_factory=list)


class _Logins(paramiko.ServerInterface):
    def __init__(self, script: Script) -> None:
        self._script = script

    def get_allowed_auths(self, username: str) -> str:
        return self._script.methods

    def check_auth_none(self, username: str) -> int:
        return paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._script.asked.append("publickey")
        if not self._script.then:
            return paramiko.AUTH_FAILED
        self._script.methods = self._script.then
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        self._script.asked.append("password")
        return self._judge(username, password)

    def check_auth_interactive(self, username: str, submethods: str) -> paramiko.InteractiveQuery:
        self._script.asked.append("keyboard-interactive")
        self._user = username
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return self._judge(self._user, responses[0])

    def _judge(self, user: str, password: str) -> int:
        if self._script.late > 0:
            self._script.late -= 1
            return paramiko.AUTH_FAILED
        right = (user, password) == (self._script.user, self._script.password)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED


class ScriptedServer:
    """An SSH server whose logins follow a script; beyond them it offers nothing."""

    def __init__(self, script: Script, host_key: paramiko.PKey) -> None:
        self.script, self._host_key = script, host_key
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint("127.0.0.1", int(self._listener.getsockname()[1]))
        self._transports: list[paramiko.Transport] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self._host_key)
            if self.script.ciphers:
                transport.get_security_options().ciphers = tuple(self.script.ciphers)
            transport.start_server(event=threading.Event(), server=_Logins(self.script))
            self._transports.append(transport)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for transport in self._transports:
            transport.packetizer.complete_handshake()
            transport.close()


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[..., ScriptedServer]]:
    """Make a server with the given `Script`."""
    pair = keys.generate(keys.KeyType.ECDSA, 256, "")
    pair.write_private(tmp_path / "scripted-host-key")
    host_key = load_key(tmp_path / "scripted-host-key")
    made: list[ScriptedServer] = []

    def make(**script: Any) -> ScriptedServer:
        made.append(ScriptedServer(Script(**script), host_key))
        return made[-1]

    yield make
    for one in made:
        one.close()
