"""A listening socket, a thread per connection, and an end that comes at once."""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable
from http.server import ThreadingHTTPServer
from socketserver import BaseRequestHandler
from typing import Any

log = logging.getLogger("http_server")


class PortsInUse(OSError):
    """Every port that the server may use is taken."""

    def __init__(self, host: str, ports: range) -> None:
        which = f"port {ports[0]}" if len(ports) == 1 else f"every port from {ports[0]} to {ports[-1]}"
        super().__init__(f"{which} of {host} is in use")
        self.host = host
        self.ports = ports


class Listener(ThreadingHTTPServer):
    """Answers with `handler`, called with a connection, the client's address and this server, on a thread of
    the connection's own. Accepts from `start` to `stop`."""

    request_queue_size = 128
    timeout = 0  # `handle_request` is called when somebody is there

    def __init__(
        self, address: tuple[str, int], family: int, handler: Callable[..., BaseRequestHandler]
    ) -> None:
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


def listen(host: str, ports: range | None, handler: Callable[..., BaseRequestHandler]) -> Listener:
    """A listener on the first free port of `ports`, or on one that the kernel chooses. Raises PortsInUse, or
    another OSError where `host` is not this machine's."""
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    candidates: Iterable[int] = [0] if ports is None else ports
    for port in candidates:
        try:
            return Listener((str(address[0]), port), family, handler)
        except OSError as error:
            if ports is None or error.errno != errno.EADDRINUSE:
                raise
    raise PortsInUse(host, ports or range(1))


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the client was quicker
