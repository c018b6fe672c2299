"""Talks a proxy into passing a connection on: SOCKS5 (RFC 1928, RFC 1929) and HTTP's CONNECT (RFC 9110)."""

from __future__ import annotations

import base64
import ipaddress
import socket
import struct
from dataclasses import dataclass

from vmforge.communicators.readiness import Requirement, Sighting
from vmforge.communicators.ssh.addresses import ProxyAddress, ProxyKind
from vmforge.communicators.ssh.login import TryFailed
from vmforge.errors import CommunicatorError
from vmforge.sdk import Endpoint, Secret

_LONGEST_HEAD = 16 * 1024

_SOCKS = 5
_NO_LOGIN, _BY_PASSWORD = 0, 2
_REPLIES = {
    1: "general failure",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
}
_FORBIDDEN = 2
_IPV4, _NAME, _IPV6 = 1, 3, 4


@dataclass(frozen=True)
class Proxy:
    """A proxy and who may pass it; without a user name, anybody."""

    address: ProxyAddress
    username: str
    password: Secret

    def open(self, where: Endpoint, limit: float) -> socket.socket:
        """A connection to `where` through the proxy, which resolves names. `limit` is in seconds, for each
        answer. Raises `TryFailed` for what may pass, `CommunicatorError` for what will not."""
        try:
            connection = socket.create_connection((self.address.host, self.address.port), limit)
        except OSError as error:
            text = f"the proxy `{self.address}` cannot be reached: {error.strerror or error}"
            raise TryFailed(Sighting(Requirement.ADDRESS, text, "check `ssh_proxy_host`")) from error
        try:
            ask = _ask_socks if self.address.kind is ProxyKind.SOCKS5 else _ask_http
            ask(self, connection, where)
        except OSError as error:
            connection.close()
            text = f"the proxy `{self.address}` does not answer as one of its kind: {error.strerror or error}"
            hint = "check the kind and the port in `ssh_proxy_host`"
            raise TryFailed(Sighting(Requirement.ADDRESS, text, hint)) from error
        except BaseException:
            connection.close()
            raise
        connection.settimeout(None)
        return connection

    def cannot_connect(self, where: Endpoint, reason: str) -> TryFailed:
        text = f"the proxy `{self.address}` cannot connect to {where}: {reason}"
        hint = "does the guest run, and does the proxy reach its network?"
        return TryFailed(Sighting(Requirement.PORT, text, hint))

    def refuses(self, what: str) -> CommunicatorError:
        return CommunicatorError(
            f"the proxy `{self.address}` refuses {what}",
            hint="check `ssh_proxy_username` and `ssh_proxy_password`, and what the proxy allows",
        )


def _ask_socks(proxy: Proxy, connection: socket.socket, where: Endpoint) -> None:
    methods = bytes([_NO_LOGIN, _BY_PASSWORD] if proxy.username else [_NO_LOGIN])
    connection.sendall(bytes([_SOCKS, len(methods)]) + methods)
    version, method = _receive(connection, 2)
    if version != _SOCKS:
        raise ConnectionError("it speaks no SOCKS5")
    if method == _BY_PASSWORD and proxy.username:
        user, password = proxy.username.encode(), proxy.password.value.encode()
        connection.sendall(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if _receive(connection, 2)[1] != 0:
            raise proxy.refuses(f"the user `{proxy.username}`")
    elif method != _NO_LOGIN:
        raise proxy.refuses("every way to log in that is given")
    connection.sendall(bytes([_SOCKS, 1, 0]) + _socks_address(where.host) + struct.pack(">H", where.port))
    _, reply, _, kind = _receive(connection, 4)
    if reply == _FORBIDDEN:
        raise proxy.refuses(f"connections to {where}")
    if reply != 0:
        raise proxy.cannot_connect(where, _REPLIES.get(reply, f"reply {reply}"))
    # the address that the proxy connects from: of no use, but the guest's bytes come after it
    length = _receive(connection, 1)[0] if kind == _NAME else 16 if kind == _IPV6 else 4
    _receive(connection, length + 2)


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return bytes([_NAME, len(name)]) + name
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed


def _ask_http(proxy: Proxy, connection: socket.socket, where: Endpoint) -> None:
    host = f"[{where.host}]" if ":" in where.host else where.host
    lines = [f"CONNECT {host}:{where.port} HTTP/1.1", f"Host: {host}:{where.port}"]
    if proxy.username:
        login = base64.b64encode(f"{proxy.username}:{proxy.password.value}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {login}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    head = b""
    # by single bytes: what follows the head belongs to the SSH server
    while not head.endswith(b"\r\n\r\n"):
        head += _receive(connection, 1)
        if len(head) > _LONGEST_HEAD:
            raise ConnectionError("it speaks no HTTP")
    version, status, *reason = head.split(b"\r\n")[0].decode("latin-1").split(" ", 2)
    if not version.startswith("HTTP/1."):
        raise ConnectionError("it speaks no HTTP")
    if status in ("401", "403", "407"):
        raise proxy.refuses(f"connections to {where} ({' '.join([status, *reason])})")
    if not status.startswith("2"):
        raise proxy.cannot_connect(where, " ".join([status, *reason]))


def _receive(connection: socket.socket, count: int) -> bytes:
    """Exactly so many bytes. Raises OSError when the connection ends before."""
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("it hung up")
        data += part
    return data
