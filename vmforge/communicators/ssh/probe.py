"""Finds the moment at which a guest's SSH server answers, with plain sockets and no fixed waits.

Connections are raced: while one hangs, others are begun beside it, and the first that brings a banner
wins. So a connection that can never answer costs nothing (QEMU's user network accepts the forwarded
port before the guest exists, and such a connection may hang for good), and a guest that is slow to
send its banner is still waited for on the connection that it has.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from vmforge.communicators.readiness import Deadline, Readiness, Requirement, Sighting
from vmforge.communicators.ssh.login import TryFailed
from vmforge.communicators.ssh.routes import Opening, Route
from vmforge.errors import CommunicatorError
from vmforge.sdk import Cancellation, Endpoint

# Seconds until the next connection: after one that was refused, and beside those that hang.
_PAUSE_FIRST, _PAUSE_MOST = 0.1, 0.5
_PATIENCE_FIRST, _PATIENCE_MOST = 0.3, 1.0
_GROWTH = 1.5

# OpenSSH starts to drop connections that have not logged in when there are 10 (`MaxStartups`). Of those
# that hang, the oldest stay: one of them may be in the hands of a slow guest.
_MOST_PENDING, _KEPT_PENDING = 8, 4
_LONGEST_LIFE = 60.0

# Connections by way of others are opened by threads, a second one beside the first when that takes long.
_MOST_OPENINGS, _OPENING_PATIENCE = 2, 5.0

# How long a connection is given before its silence is worth a word.
_SILENCE = 1.0

_Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]

_NOT_LISTENING = (
    "look at the guest's console: is the installation over, is an SSH server installed and started? If it "
    "only needs longer, raise `ssh_timeout`"
)
_REFUSED = Sighting(
    Requirement.PORT,
    "connection refused",
    _NOT_LISTENING,
)
_CLOSED = Sighting(
    Requirement.PORT,
    "connection closed at once, nothing listens in the guest yet",
    _NOT_LISTENING,
)
_NO_ROUTE = Sighting(
    Requirement.ADDRESS,
    "no route to the guest",
    "check that the guest has the address and is on a network that this machine reaches; set `ssh_host`",
)
_NO_ANSWER = Sighting(
    Requirement.ADDRESS,
    "no answer to the connection, packets are lost",
    "check the guest's address and firewall; set `ssh_host`",
)
_SILENT = Sighting(
    Requirement.SERVICE,
    "connected, but no SSH banner yet",
    "look at the guest's console: does it boot, has it a network, does its firewall let SSH in? If it only "
    "needs longer, raise `ssh_timeout`",
)


@dataclass(eq=False)
class _Connection:
    """One connection in the race."""

    socket: socket.socket
    began: float = field(default_factory=time.monotonic)
    connected: bool = False

    @property
    def age(self) -> float:
        return time.monotonic() - self.began


class BannerRace:
    """Waits for an SSH banner from wherever `endpoint` says that the guest is, by way of `route` if there
    is one.

    As a context manager: leaving it closes every connection but the one that was handed out.
    """

    def __init__(
        self,
        endpoint: Callable[[], Endpoint],
        readiness: Readiness,
        cancellation: Cancellation,
        route: Route | None = None,
    ) -> None:
        self._endpoint, self._readiness, self._cancellation = endpoint, readiness, cancellation
        self._route = route
        self._openings: list[Opening] = []
        self._where: Endpoint | None = None
        self._addresses: list[_Address] = []
        self._pending: list[_Connection] = []
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._pause, self._patience = _PAUSE_FIRST, _PATIENCE_FIRST
        self._heard = time.monotonic()

    def __enter__(self) -> BannerRace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop_all()
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def run(self, deadline: Deadline) -> socket.socket:
        """A connection on which a banner waits to be read.

        Raises `CommunicatorError` at the deadline and when the route leads nowhere, `Interrupted`, and what
        `endpoint` raises when there is no guest any more.
        """
        with self._cancellation.on_cancel(self._wake):
            while not deadline.passed:
                self._cancellation.check()
                begun = self._begin(deadline)
                winner = self._watch(self._patience if begun else self._pause, deadline)
                if winner is not None:
                    return winner
        raise self._readiness.failure()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the race may be over by now
            self._wake_out.send(b"!")

    def _begin(self, deadline: Deadline) -> bool:
        """Start one more connection, and make room for it; returns whether it is under way."""
        try:
            where = self._endpoint()
        except CommunicatorError as error:
            self._saw(Sighting(Requirement.ADDRESS, error.message, error.hint))
            return False
        if where != self._where:
            self._drop_all()
            self._where, self._addresses = where, []
            self._look_often()
        if self._route is not None:
            return self._begin_opening(self._route, where)
        self._readiness.trying(where)
        self._retire()
        if not self._addresses:
            self._resolve(where, deadline)
            if not self._addresses:
                return False
        # the next connection goes to the next address: `localhost` has two
        family, address = self._addresses[self._readiness.tries % len(self._addresses)]
        connection = _Connection(socket.socket(family, socket.SOCK_STREAM))
        connection.socket.setblocking(False)
        code = connection.socket.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            connection.socket.close()
            self._saw(_sighting_of(code))
            return False
        self._pending.append(connection)
        self._selector.register(connection.socket, selectors.EVENT_WRITE, connection)
        return True

    def _begin_opening(self, route: Route, where: Endpoint) -> bool:
        patient = any(opening.age < _OPENING_PATIENCE for opening in self._openings)
        if patient or len(self._openings) >= _MOST_OPENINGS:
            return True
        self._readiness.trying(where)
        self._retire()
        self._openings.append(Opening(route, where, self._wake))
        return True

    def _collect(self) -> bool:
        """Take what the threads have opened; returns whether one of them failed."""
        self._wake_in.recv(64)
        failed = False
        for opening in [o for o in self._openings if o.over]:
            self._openings.remove(opening)
            try:
                connection = _Connection(opening.result(), connected=True)
            except TryFailed as failure:
                self._saw(failure.sighting)
                failed = True
            else:
                connection.socket.setblocking(False)
                self._pending.append(connection)
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        return failed

    def _resolve(self, where: Endpoint, deadline: Deadline) -> None:
        try:
            self._addresses = resolve(where, deadline, self._cancellation)
        except OSError as error:
            text = f"the name `{where.host}` cannot be resolved: {error.strerror or error}"
            self._saw(Sighting(Requirement.ADDRESS, text, "correct `ssh_host`, or write an address"))

    def _watch(self, seconds: float, deadline: Deadline) -> socket.socket | None:
        """Look after the connections until one wins or it is time for another: after `seconds`, or
        sooner when one ends."""
        start_next = time.monotonic() + seconds
        self._patience = min(_PATIENCE_MOST, self._patience * _GROWTH)
        while True:
            for key, _ in self._selector.select(deadline.cap(start_next - time.monotonic())):
                if key.data is None:
                    self._cancellation.check()
                    if self._collect():
                        start_next = min(start_next, time.monotonic() + self._pause)
                elif self._advance(key.data):
                    return self._hand_out(key.data)
                elif key.data not in self._pending:
                    start_next = min(start_next, time.monotonic() + self._pause)
            if deadline.passed or time.monotonic() >= start_next:
                self._tell_silence()
                return None

    def _advance(self, connection: _Connection) -> bool:
        """Take in what happened on a connection; returns whether it has a banner."""
        try:
            if not connection.connected:
                code = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
                connection.connected = True
                self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
                return False
            text = connection.socket.recv(256, socket.MSG_PEEK)
        except OSError as error:
            self._drop(connection)
            reset = connection.connected and error.errno == errno.ECONNRESET
            self._saw(_CLOSED if reset else _sighting_of(error.errno or 0))
            return False
        # a prefix of "SSH-" counts, should the first packet be that small
        if text and (text.startswith(b"SSH-") or b"SSH-".startswith(text)):
            self._readiness.greeted(_first_line(text))
            return True
        self._drop(connection)
        self._saw(_stranger(text) if text else _CLOSED)
        return False

    def _tell_silence(self) -> None:
        """Silence is news only while nothing else happens: old connections may hang for good."""
        if time.monotonic() - self._heard < _SILENCE:
            return
        hanging = [c for c in self._pending if c.age > _SILENCE]
        if any(c.connected for c in hanging):
            self._readiness.saw(_SILENT)
        elif hanging:
            self._readiness.saw(_NO_ANSWER)

    def _saw(self, sighting: Sighting) -> None:
        """Something new means that the guest moves: look often again."""
        self._heard = time.monotonic()
        if self._readiness.saw(sighting):
            self._look_often()
        else:
            self._pause = min(_PAUSE_MOST, self._pause * _GROWTH)

    def _look_often(self) -> None:
        self._pause, self._patience = _PAUSE_FIRST, _PATIENCE_FIRST

    def _retire(self) -> None:
        for connection in [c for c in self._pending if c.age > _LONGEST_LIFE]:
            self._drop(connection)
        if len(self._pending) >= _MOST_PENDING:
            self._drop(self._pending[_KEPT_PENDING])

    def _hand_out(self, connection: _Connection) -> socket.socket:
        self._forget(connection)
        self._drop_all()
        if connection.socket.family != socket.AF_UNIX:  # a joint to a bastion's channel
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection.socket

    def _drop_all(self) -> None:
        for opening in self._openings:
            opening.abandon()
        self._openings.clear()
        for connection in list(self._pending):
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._forget(connection)
        connection.socket.close()

    def _forget(self, connection: _Connection) -> None:
        self._selector.unregister(connection.socket)
        self._pending.remove(connection)


def resolve(where: Endpoint, deadline: Deadline, cancellation: Cancellation) -> list[_Address]:
    """The addresses of an endpoint. Raises OSError when its name is unknown.

    A resolver can block for long and cannot be interrupted, so it runs in a thread that is left alone
    when the wait ends.
    """
    try:
        version = ipaddress.ip_address(where.host).version
    except ValueError:
        pass
    else:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        return [(family, (where.host, where.port))]
    found: list[_Address] = []
    failed: list[OSError] = []
    done = threading.Event()

    def look_up() -> None:
        try:
            for family, _, _, _, address in socket.getaddrinfo(
                where.host, where.port, type=socket.SOCK_STREAM
            ):
                if family in (socket.AF_INET, socket.AF_INET6):
                    found.append((family, (str(address[0]), where.port)))
        except OSError as error:
            failed.append(error)
        finally:
            done.set()

    threading.Thread(target=look_up, daemon=True, name="vmforge-resolver").start()
    with cancellation.on_cancel(done.set):
        done.wait(deadline.cap(30.0))
    cancellation.check()
    if failed:
        raise failed[0]
    if not done.is_set():
        raise TimeoutError(errno.ETIMEDOUT, "the resolver does not answer")
    return found


def _sighting_of(code: int) -> Sighting:
    if code == errno.ECONNREFUSED:
        return _REFUSED
    if code in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN):
        return _NO_ROUTE
    if code == errno.ETIMEDOUT:
        return _NO_ANSWER
    return Sighting(
        Requirement.PORT, f"cannot connect: {os.strerror(code)}", "check `ssh_host` and `ssh_port`"
    )


def _stranger(text: bytes) -> Sighting:
    """Something else than SSH answered, or SSH refused in plain words before its banner."""
    return Sighting(
        Requirement.SERVICE,
        f"`{_first_line(text)}` came in place of an SSH banner",
        "check `ssh_port`: is the SSH server on another one?",
    )


def _first_line(text: bytes) -> str:
    line, _, _ = text.partition(b"\n")
    return "".join(c for c in line.decode("utf-8", "replace") if c.isprintable())[:60]
