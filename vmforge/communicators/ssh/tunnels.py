"""Ports of this machine that lead to the guest's side, and ports of the guest that lead to this one."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterable
from functools import partial

import paramiko

from vmforge.communicators.readiness import Deadline
from vmforge.communicators.ssh.addresses import Tunnel
from vmforge.communicators.ssh.joint import join
from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import Cancellation

_LIMIT = 30.0

# How long the guest's server may take to notice that a connection before this one has ended, and to give
# its ports back. It does not say when it has.
_RELEASE = 5.0

_Address = tuple[str, int]


class Tunnels:
    """The tunnels of one connection; they end with it, or with `close`."""

    def __init__(self, transport: paramiko.Transport, cancellation: Cancellation) -> None:
        self._transport, self._cancellation = transport, cancellation
        self._listeners: list[socket.socket] = []
        self._ends: dict[int, Tunnel] = {}

    def open_local(self, tunnels: Iterable[Tunnel]) -> None:
        """Listen here. Raises `HostError`."""
        for tunnel in tunnels:
            try:
                listener = socket.create_server((tunnel.bind, tunnel.port))
            except OSError as error:
                hint = "does another build use the port? choose another in `ssh_local_tunnels`"
                # not its own text, which repeats the address
                reason = os.strerror(error.errno) if error.errno else str(error)
                message = f"cannot listen for the tunnel `{tunnel}`: {reason}"
                raise HostError(message, hint=hint) from error
            self._listeners.append(listener)
            work = partial(self._accept, listener, tunnel)
            threading.Thread(target=work, daemon=True, name="vmforge-ssh-tunnel").start()

    def open_remote(self, tunnels: Iterable[Tunnel]) -> None:
        """Listen in the guest. Raises `CommunicatorError`."""
        deadline = Deadline(_RELEASE)
        for tunnel in tunnels:
            self._ends[tunnel.port] = tunnel
            while not self._listen_there(tunnel, deadline):
                self._cancellation.wait(_RELEASE / 50)

    def _listen_there(self, tunnel: Tunnel, deadline: Deadline) -> bool:
        try:
            self._transport.request_port_forward(tunnel.bind, tunnel.port, self._arrived)
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._cancellation.check()
            if deadline.passed or not self._transport.is_active():
                raise CommunicatorError(
                    f"the guest's SSH server does not listen for the tunnel `{tunnel}`: {error}",
                    hint="is the port free in the guest, and does `AllowTcpForwarding` in its `sshd_config` "
                    "allow it?",
                ) from error
            return False
        return True

    def close(self) -> None:
        """Stop listening here; what runs through a tunnel ends with the connection."""
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket, tunnel: Tunnel) -> None:
        while True:
            try:
                connection, origin = listener.accept()
            except OSError:
                return
            work = partial(self._lead_in, connection, origin[:2], tunnel)
            threading.Thread(target=work, daemon=True, name="vmforge-ssh-tunnel").start()

    def _lead_in(self, connection: socket.socket, origin: _Address, tunnel: Tunnel) -> None:
        try:
            channel = self._transport.open_channel(
                "direct-tcpip", (tunnel.host, tunnel.host_port), origin, timeout=_LIMIT
            )
        except (paramiko.SSHException, EOFError, OSError):
            connection.close()  # as a port that nobody listens at would do
        else:
            join(channel, connection, half_close=True)

    def _arrived(self, channel: paramiko.Channel, origin: _Address, server: _Address) -> None:
        # called by paramiko's only thread, which must go on
        work = partial(self._lead_out, channel, self._ends.get(server[1]))
        threading.Thread(target=work, daemon=True, name="vmforge-ssh-tunnel").start()

    def _lead_out(self, channel: paramiko.Channel, tunnel: Tunnel | None) -> None:
        try:
            if tunnel is None:
                raise ConnectionRefusedError
            connection = socket.create_connection((tunnel.host, tunnel.host_port), _LIMIT)
        except OSError:
            channel.close()
        else:
            connection.settimeout(None)
            join(channel, connection, half_close=True)
