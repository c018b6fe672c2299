"""The server: a listening socket, a thread per connection, and an end that comes at once."""

from __future__ import annotations

import errno
import functools
import logging
import selectors
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from http_server.handler import Handler, Request
from http_server.site import ContentSite, FolderSite, Site

log = logging.getLogger("http_server")


class PortsInUse(OSError):
    """Every port that the server may use is taken."""

    def __init__(self, host: str, ports: range) -> None:
        which = f"port {ports[0]}" if len(ports) == 1 else f"every port from {ports[0]} to {ports[-1]}"
        super().__init__(f"{which} of {host} is in use")
        self.host = host
        self.ports = ports


class Server:
    """Serves a folder, or contents by path, for as long as the `with` block runs.

    Listens on `host` only (an address, or a name that stands for one), on the first free port of
    `ports`, or on one that the kernel chooses. `on_request` is told of every request after its
    answer was sent, on the connection's thread, and no more once the block is left.

    Raises ValueError for a folder and contents, or neither, and for no ports; FileNotFoundError or
    NotADirectoryError for a folder that is none; PortsInUse, or another OSError where `host` is not
    this machine's.
    """

    def __init__(
        self,
        directory: Path | None = None,
        content: Mapping[str, str | bytes] | None = None,
        *,
        host: str = "127.0.0.1",
        ports: range | None = None,
        on_request: Callable[[Request], None] = lambda request: None,
    ) -> None:
        if (directory is None) == (content is None):
            raise ValueError("a server needs either a directory or contents")
        if ports is not None and not ports:
            raise ValueError("the range of ports is empty")
        self._directory = directory
        self._content = content
        self._ports = ports
        self._on_request = on_request
        self._listener: _Listener | None = None
        self.host = host
        self.port = 0

    @property
    def url(self) -> str:
        """The server's root, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def paths(self) -> Iterator[str]:
        """The paths of what is offered, each beginning with a slash."""
        return self._site().paths()

    def __enter__(self) -> Server:
        handler = functools.partial(Handler, site=self._site(), on_request=self._on_request)
        self._listener = _listen(self.host, self._ports, handler)
        self.port = self._listener.server_port
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def _site(self) -> Site:
        return (
            FolderSite(self._directory) if self._directory is not None else ContentSite(self._content or {})
        )


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128
    timeout = 0  # `handle_request` is called when somebody is there

    def __init__(self, address: tuple[str, int], family: int, handler: Callable[..., Handler]) -> None:
        self.address_family = family
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._workers: set[threading.Thread] = set()
        super().__init__(address, handler)
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._accept_all, name="http-server", daemon=True)

    def server_bind(self) -> None:
        # the base class looks up the host's full name, which may wait for a name server
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, cut every connection, and wait for their threads."""
        self._wake.close()
        self._thread.join()
        self._woken.close()
        self.server_close()
        with self._lock:
            workers = self._workers - {threading.current_thread()}
            for connection in self._connections:
                _cut(connection)
        for worker in workers:
            worker.join()

    def _accept_all(self) -> None:
        """Accept until `stop`; `serve_forever` would look only twice a second whether to end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not any(key.fileobj is self._woken for key, _ in selector.select()):
                self.handle_request()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        # the base class joins no daemon threads, and others would keep a dying process alive
        worker = threading.Thread(
            target=self._work, args=(request, client_address), name="http-connection", daemon=True
        )
        with self._lock:
            self._workers.add(worker)
        worker.start()

    def _work(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._workers.discard(threading.current_thread())

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exception(), ConnectionError):
            log.debug("%s hung up", client_address)
        else:
            log.exception("a request of %s failed", client_address)


def _listen(host: str, ports: range | None, handler: Callable[..., Handler]) -> _Listener:
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    candidates: Iterable[int] = [0] if ports is None else ports
    for port in candidates:
        try:
            return _Listener((str(address[0]), port), family, handler)
        except OSError as error:
            if ports is None or error.errno != errno.EADDRINUSE:
                raise
    raise PortsInUse(host, ports or range(1))


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the client was quicker
