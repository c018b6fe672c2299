"""Tunnels (CONNECT): bytes that nobody looks into, most often TLS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError

from vmforge.package_cache.upstream import UpstreamFailed, cut

_CHUNK = 64 * 1024
_ENDED = "the proxy is being closed"


class Tunnels:
    """The open tunnels of one proxy, which end together with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._begun: set[Future[socket.socket]] = set()
        self._closed = False

    def dig(self, connect: Callable[[], socket.socket]) -> socket.socket:
        """The far end, for which `connect` may wait long: for a name server, for a host that is silent. It
        ends at once when the tunnels are closed, with UpstreamFailed."""
        far: Future[socket.socket] = Future()
        with self._lock:
            self._begun.add(far)
            if self._closed:
                far.set_exception(UpstreamFailed(_ENDED))
        threading.Thread(target=_connect, args=(connect, far), name="package-tunnel", daemon=True).start()
        try:
            return far.result()
        finally:
            with self._lock:
                self._begun.discard(far)

    def relay(
        self,
        read_client: Callable[[int], bytes],
        client: socket.socket,
        far: socket.socket,
        on_bytes: Callable[[int], None],
    ) -> None:
        """Pass bytes both ways until both ends are done; closes `far`. `on_bytes` is told of what came from
        there."""
        with self._lock:
            self._ends.add(far)
            if self._closed:
                cut(far)
        backwards = threading.Thread(
            target=_pour, args=(far.recv, client, on_bytes), name="package-tunnel", daemon=True
        )
        backwards.start()
        try:
            _pour(read_client, far, lambda count: None)
            backwards.join()
        finally:
            with self._lock:
                self._ends.discard(far)
            far.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for end in self._ends:
                cut(end)
            for far in self._begun:
                _settle(far, UpstreamFailed(_ENDED))


def _connect(connect: Callable[[], socket.socket], far: Future[socket.socket]) -> None:
    try:
        end = connect()
    except Exception as error:
        _settle(far, error)
        return
    try:
        far.set_result(end)
    except InvalidStateError:
        end.close()  # nobody waits for it any more


def _settle(far: Future[socket.socket], error: Exception) -> None:
    try:
        far.set_exception(error)
    except InvalidStateError:
        pass  # it was quicker


def _pour(read: Callable[[int], bytes], into: socket.socket, on_bytes: Callable[[int], None]) -> None:
    """Copy until the source ends, then tell the other side so."""
    try:
        while chunk := read(_CHUNK):
            into.sendall(chunk)
            on_bytes(len(chunk))
    except OSError:
        cut(into)
    else:
        try:
            into.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was quicker
