"""The way to the mirrors: connections that are kept, redirects that are followed, proxies of the user's own.

Exceptions of sockets, TLS and http.client end here, as UpstreamFailed.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from vmforge.package_cache.addresses import Address, check_literal, resolve
from vmforge.package_cache.urls import Refused, Target, parse_target
from vmforge.sdk.network import Network, NetworkRefused, is_loopback

CONNECT_SECONDS: Final = 20.0
READ_SECONDS: Final = 60.0
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTS: Final = 10
_MOST_IDLE: Final = 4
_CHUNK: Final = 256 * 1024
_ENDED: Final = "the proxy is being closed"


class UpstreamFailed(Exception):
    """A mirror could not be reached, or what it said breaks off or makes no sense."""


@dataclass(frozen=True, slots=True)
class Via:
    """A proxy between this machine and the mirrors, from the user's environment."""

    host: str
    port: int
    authorization: str

    @classmethod
    def parse(cls, text: str) -> Via:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
        encoded = "Basic " + base64.b64encode(login.encode()).decode() if login else ""
        return cls(parts.hostname or "", parts.port or 80, encoded)


class Answer:
    """A mirror's answer. `read` it to the end, or `close` it."""

    def __init__(self, upstream: Upstream, key: object, connection: http.client.HTTPConnection) -> None:
        self._upstream, self._key, self._connection = upstream, key, connection
        with translated():
            self._response = connection.getresponse()
        self.status = self._response.status
        self.headers = self._response.headers

    @property
    def size(self) -> int | None:
        """How many bytes the body has, if the mirror says so."""
        return self._response.length

    @property
    def is_chunked(self) -> bool:
        return bool(self._response.chunked)

    def read(self) -> bytes:
        """The next bytes of the body as they arrive; none at its end. Raises UpstreamFailed."""
        with translated():
            chunk = self._response.read1(_CHUNK)
        if not chunk and self._response.length not in (None, 0):
            raise UpstreamFailed("the mirror ended the connection in the middle")
        return chunk

    def finish(self) -> None:
        """The body was read: keep the connection for the next request."""
        reusable = not self._response.will_close and self._response.length in (None, 0)
        self._response.close()
        if reusable:
            self._upstream.put_back(self._key, self._connection)
        else:
            self.close()

    def close(self) -> None:
        self._response.close()
        self._upstream.drop(self._connection)


@dataclass
class Upstream:
    """Asks mirrors, as the `network` allows. Those that the user named may be anywhere; so may `aliases`,
    names of this machine and their addresses."""

    network: Network = field(default_factory=Network)
    environment: Mapping[str, str] = field(default_factory=getproxies_environment)
    _idle: dict[object, list[http.client.HTTPConnection]] = field(default_factory=dict, init=False)
    _open: set[socket.socket] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _closed: bool = field(default=False, init=False)

    def ask(
        self, method: str, target: Target, headers: Mapping[str, str], aliases: Mapping[str, str]
    ) -> Answer:
        """The answer of a mirror, redirects followed. Raises UpstreamFailed, Refused."""
        asked, trusted = self._located(target, aliases)
        for _ in range(_MOST_REDIRECTS):
            answer = self._ask_once(method, asked, headers, aliases.get(asked.host, asked.host), trusted)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            answer.close()
            following = parse_target(urljoin(asked.asked, location))
            if (following.host, following.port) != (asked.host, asked.port):
                following, trusted = self._located(following, {})
                headers = {name: value for name, value in headers.items() if name not in _PRIVATE}
            asked = following
        raise UpstreamFailed(f"more than {_MOST_REDIRECTS} redirects")

    def tunnel(self, host: str, port: int, aliases: Mapping[str, str]) -> socket.socket:
        """A connection to a host, for bytes that nobody looks into. Raises UpstreamFailed, Refused."""
        via = None if host in aliases else self._via("https", host)
        with translated():
            if via is not None:
                check_literal(host)
                tunnel = self._connect_through(via, host, port)
            else:
                tunnel = self._connect(aliases.get(host, host), port, trusted=host in aliases)
        tunnel.settimeout(None)
        return tunnel

    def close(self) -> None:
        """Cut every connection; what waits for one ends with UpstreamFailed."""
        with self._lock:
            self._closed = True
            connections = list(self._open)
        for connection in connections:
            cut(connection)

    # -- connections --------------------------------------------------------------------------

    def put_back(self, key: object, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            idle = self._idle.setdefault(key, [])
            if not self._closed and len(idle) < _MOST_IDLE:
                idle.append(connection)
                return
        self.drop(connection)

    def drop(self, connection: http.client.HTTPConnection) -> None:
        self.forget(connection.sock)
        connection.close()

    def forget(self, connection: socket.socket) -> None:
        """It is about to be closed."""
        with self._lock:
            self._open.discard(connection)

    def _located(self, target: Target, aliases: Mapping[str, str]) -> tuple[Target, bool]:
        """Where to ask, and whether that may be this machine. Raises Refused."""
        if target.host in aliases:
            return target, True
        try:
            place = self.network.locate(target.asked)
        except NetworkRefused as refused:
            raise Refused(504, refused.message) from None
        return parse_target(place), place != target.asked

    def _ask_once(
        self, method: str, asked: Target, headers: Mapping[str, str], host: str, trusted: bool
    ) -> Answer:
        """One request, on a connection of an earlier one if there is one: the mirror may have closed that,
        which shows only now."""
        via = self._via(asked.scheme, host)
        key = (asked.scheme, host, asked.port, via)
        while True:
            connection = self._take_idle(key)
            was_idle = connection is not None
            if connection is None:
                with translated():
                    connection = self._connected(asked, host, trusted, via)
            try:
                self._send(connection, method, asked, headers, via)
                return Answer(self, key, connection)
            except UpstreamFailed:
                self.drop(connection)
                if not was_idle or self._closed:
                    raise

    def _take_idle(self, key: object) -> http.client.HTTPConnection | None:
        with self._lock:
            idle = self._idle.get(key)
            return idle.pop() if idle else None

    def _connected(
        self, asked: Target, host: str, trusted: bool, via: Via | None
    ) -> http.client.HTTPConnection:
        if via is not None:
            check_literal(asked.host)
        if asked.scheme == "https":
            if via is None:
                plain = self._connect(host, asked.port, trusted=trusted)
            else:
                plain = self._connect_through(via, asked.host, asked.port)
            link = self._track(ssl.create_default_context().wrap_socket(plain, server_hostname=asked.host))
        elif via is not None:
            link = self._connect(via.host, via.port, trusted=True)
        else:
            link = self._connect(host, asked.port, trusted=trusted)
        connection = http.client.HTTPConnection(asked.host, asked.port)
        connection.auto_open = 0  # it would connect to whatever the name means by then
        connection.sock = link
        return connection

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        asked: Target,
        headers: Mapping[str, str],
        via: Via | None,
    ) -> None:
        through = via is not None and asked.scheme == "http"
        if self._closed:
            raise UpstreamFailed(_ENDED)
        with translated():
            connection.putrequest(
                method, asked.asked if through else asked.path, skip_host=True, skip_accept_encoding=True
            )
            connection.putheader("Host", asked.authority)
            if through and via is not None and via.authorization:
                connection.putheader("Proxy-Authorization", via.authorization)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()

    def _connect(self, host: str, port: int, *, trusted: bool) -> socket.socket:
        failure: OSError | None = None
        for address in resolve(host, port, trusted=trusted):
            try:
                return self._connect_to(address)
            except OSError as error:
                failure = error
        assert failure is not None
        raise failure

    def _connect_to(self, address: Address) -> socket.socket:
        link = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            link.settimeout(CONNECT_SECONDS)
            self._track(link)
            link.connect(address.sockaddr)
            link.settimeout(READ_SECONDS)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.forget(link)
            link.close()
            raise
        return link

    def _track(self, link: socket.socket) -> socket.socket:
        with self._lock:
            if self._closed:
                link.close()
                raise UpstreamFailed(_ENDED)
            self._open = {other for other in self._open if other.fileno() >= 0} | {link}
        return link

    def _connect_through(self, via: Via, host: str, port: int) -> socket.socket:
        link = self._connect(via.host, via.port, trusted=True)
        written = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        login = f"Proxy-Authorization: {via.authorization}\r\n" if via.authorization else ""
        link.sendall(f"CONNECT {written} HTTP/1.1\r\nHost: {written}\r\n{login}\r\n".encode("ascii"))
        head = b""
        while not head.endswith(b"\r\n\r\n") and len(head) < 65536:
            # byte by byte: what follows belongs to the tunnel
            if not (byte := link.recv(1)):
                break
            head += byte
        if head.split(b" ", 2)[1:2] != [b"200"]:
            link.close()
            said = head.partition(b"\r\n")[0].decode("latin-1", "replace")
            raise UpstreamFailed(f"the proxy `{via.host}:{via.port}` gives no tunnel: `{said}`")
        return link

    def _via(self, scheme: str, host: str) -> Via | None:
        proxy = self.environment.get(scheme) or self.environment.get("all")
        if not proxy or self.network.offline or is_loopback(host):
            return None
        with translated():
            return None if proxy_bypass(host, dict(self.environment)) else Via.parse(proxy)


# Not for another host than the one that they were meant for.
_PRIVATE: Final = ("Authorization", "Cookie")


def cut(link: socket.socket) -> None:
    """Wake whoever waits on a socket."""
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # closed, or never connected


@contextmanager
def translated() -> Iterator[None]:
    """Turn what sockets, TLS and http.client raise into UpstreamFailed."""
    try:
        yield
    except TimeoutError:
        raise UpstreamFailed("the mirror did not answer in time") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UpstreamFailed(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"the mirror cannot be reached: {text[:1].lower()}{text[1:]}"
