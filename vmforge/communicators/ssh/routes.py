"""The way to a guest that is not reached directly: through a proxy, through bastions, or both in a row."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import paramiko

from vmforge.communicators.readiness import Requirement, Sighting
from vmforge.communicators.ssh.addresses import Hop, parse_hops, parse_proxy
from vmforge.communicators.ssh.config import SshConfig
from vmforge.communicators.ssh.host_keys import KnownHosts, fingerprint
from vmforge.communicators.ssh.joint import as_socket
from vmforge.communicators.ssh.login import (
    Algorithms,
    Credentials,
    TryFailed,
    abandon,
    hang_up,
    log_in,
    shake_hands,
)
from vmforge.communicators.ssh.proxies import Proxy
from vmforge.errors import CommunicatorError
from vmforge.sdk import BuildContext, Cancellation, Endpoint, Ui

# How long a connection's next step may take, in seconds. Bastions and proxies are no guests: they run.
_LIMIT = 20.0

_KEEP_ALIVE = 15

# RFC 4254, section 5.1
_PROHIBITED = 1


class Route:
    """Opens connections to the guest by way of others. Safe to use from several threads.

    The bastions' connections are made when they are first needed, and made anew when they break.
    """

    def __init__(self, proxy: Proxy | None, bastions: Sequence[Bastion], cancellation: Cancellation) -> None:
        self._proxy, self._bastions, self._cancellation = proxy, tuple(bastions), cancellation
        self._lock = threading.Lock()
        self._transports: list[paramiko.Transport] = []
        self._closed = False

    @classmethod
    def of(cls, config: SshConfig, context: BuildContext) -> Route | None:
        """The way that the options describe; None where the guest is reached directly. Raises
        `CommunicatorError` when a key is no good."""
        proxy, bastions = None, list[Bastion]()
        if config.ssh_proxy_host:
            address = parse_proxy(config.ssh_proxy_host, config.ssh_proxy_port)
            proxy = Proxy(address, config.ssh_proxy_username, config.ssh_proxy_password)
        if config.ssh_bastion_host:
            credentials = Credentials.of_bastion(config, partial(_put_to_user, context.ui))
            for hop in parse_hops(config.ssh_bastion_host, config.ssh_bastion_port):
                own = replace(credentials, user=hop.user or credentials.user)
                bastions.append(Bastion(hop, own, context.ui))
        return cls(proxy, bastions, context.cancellation) if proxy or bastions else None

    def open(self, where: Endpoint) -> socket.socket:
        """A connection to the guest. Raises `TryFailed` for what may pass, and `CommunicatorError` for what
        will not: a login that is refused, say."""
        if not self._bastions:
            return self._first_leg(where)
        with self._lock:
            transport = self._last_transport()
        return as_socket(_open_channel(transport, self._bastions[-1].hop, where))

    def reopen(self) -> None:
        """Connections are wanted again after a `close`."""
        self._closed = False

    def close(self) -> None:
        """End the bastions' connections, also those that are being made; harmless when there are none."""
        self._closed = True
        self._hang_up()

    def _hang_up(self) -> None:
        # without the lock: whoever holds it waits for one of these
        for transport in reversed(self._transports):
            hang_up(transport)

    def _first_leg(self, where: Endpoint) -> socket.socket:
        if self._proxy is not None:
            return self._proxy.open(where, _LIMIT)
        try:
            connection = socket.create_connection((where.host, where.port), _LIMIT)
        except OSError as error:
            text = f"the bastion `{where}` cannot be reached: {error.strerror or error}"
            raise TryFailed(Sighting(Requirement.ADDRESS, text, "check `ssh_bastion_host`")) from error
        connection.settimeout(None)
        return connection

    def _last_transport(self) -> paramiko.Transport:
        """The connection to the last bastion, with all those before it."""
        if not all(transport.is_active() for transport in self._transports):
            self._hang_up()
            self._transports.clear()
        for index in range(len(self._transports), len(self._bastions)):
            bastion = self._bastions[index]
            where = Endpoint(bastion.hop.host, bastion.hop.port)
            line = (
                _open_channel(self._transports[-1], self._bastions[index - 1].hop, where)
                if self._transports
                else self._first_leg(where)
            )
            self._transports.append(bastion.log_in(line, self._cancellation))
            if self._closed:
                self._hang_up()
        return self._transports[-1]


@dataclass(frozen=True)
class Bastion:
    """One SSH server on the way."""

    hop: Hop
    credentials: Credentials
    ui: Ui

    def log_in(
        self, line: socket.socket | paramiko.Channel, cancellation: Cancellation
    ) -> paramiko.Transport:
        """Raises like `Route.open`; `line` is closed then."""
        known = KnownHosts(self.hop.host, self.hop.port)
        try:
            algorithms = Algorithms(order_host_keys=known.order)
            transport = shake_hands(line, algorithms, _LIMIT, cancellation)
            self._check_key(transport, known)
            log_in(transport, self.credentials, cancellation)
        except TryFailed as failed:
            seen = failed.sighting
            text = f"bastion `{self.hop}`: {seen.text}"
            if seen.missing is Requirement.LOGIN:
                # it runs, so it will not think better of it; and trying on might lock the user out
                raise CommunicatorError(text, hint=seen.hint) from failed
            raise TryFailed(Sighting(seen.missing, text, seen.hint.replace("guest", "bastion"))) from failed
        transport.set_keepalive(_KEEP_ALIVE)
        return transport

    def _check_key(self, transport: paramiko.Transport, known: KnownHosts) -> None:
        key = transport.get_remote_server_key()
        try:
            if not known.check(key):
                self.ui.message(f"SSH: the bastion `{self.hop}` is not in `known_hosts`; {fingerprint(key)}")
        except CommunicatorError:
            abandon(transport)
            raise


def _open_channel(transport: paramiko.Transport, hop: Hop, where: Endpoint) -> paramiko.Channel:
    try:
        channel = transport.open_channel(
            "direct-tcpip", (where.host, where.port), ("127.0.0.1", 0), timeout=_LIMIT
        )
    except paramiko.ChannelException as error:
        if error.code == _PROHIBITED:
            raise CommunicatorError(
                f"the bastion `{hop}` does not pass connections on to {where}",
                hint="allow it in the bastion's `sshd_config`: `AllowTcpForwarding`, `PermitOpen`",
            ) from error
        text = f"the bastion `{hop}` cannot connect to {where}"
        hint = "does the guest run, and does the bastion reach its network?"
        raise TryFailed(Sighting(Requirement.PORT, text, hint)) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        text = f"the bastion `{hop}` does not answer: {error}"
        raise TryFailed(Sighting(Requirement.ADDRESS, text, "look at the bastion's log")) from error
    return channel


def _put_to_user(ui: Ui, question: str, hidden: bool) -> str:
    return ui.ask(f"the bastion asks: {question} ", hidden=hidden)


class Opening:
    """A connection that a route is opening, in a thread of its own. `wake` is called when that has ended."""

    def __init__(self, route: Route, where: Endpoint, wake: Callable[[], None]) -> None:
        self._route, self._where, self._wake = route, where, wake
        self._lock = threading.Lock()
        self._abandoned = False
        self._began = time.monotonic()
        self._error: BaseException | None = None
        self._connection: socket.socket | None = None
        threading.Thread(target=self._open, daemon=True, name="vmforge-ssh-opening").start()

    @property
    def age(self) -> float:
        return time.monotonic() - self._began

    @property
    def over(self) -> bool:
        return self._connection is not None or self._error is not None

    def result(self) -> socket.socket:
        """The connection, once it is `over`. Raises what the route raised."""
        if self._error is not None:
            raise self._error
        assert self._connection is not None
        return self._connection

    def abandon(self) -> None:
        """Nobody wants it any more; it is closed should it come."""
        with self._lock:
            self._abandoned = True
            if self._connection is not None:
                self._connection.close()

    def _open(self) -> None:
        error, connection = None, None
        try:
            connection = self._route.open(self._where)
        except BaseException as caught:  # raised again where the result is asked for
            error = caught
        with self._lock:
            self._error, self._connection = error, connection
            if self._abandoned and connection is not None:
                connection.close()
        with contextlib.suppress(OSError):
            self._wake()
