"""Answers the requests of one of the guest's connections to the proxy."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from http_server.ranges import ByteRange, Unsatisfiable, parse_range
from vmforge.package_cache.counts import Tally
from vmforge.package_cache.fetch import Answered, Broken, Failed, Fetch
from vmforge.package_cache.headers import is_unchanged_for, range_applies
from vmforge.package_cache.request import Request
from vmforge.package_cache.shelf import Kept, Ready
from vmforge.package_cache.upstream import UpstreamFailed
from vmforge.package_cache.urls import Refused, Target, parse_authority, parse_target

if TYPE_CHECKING:
    from socketserver import BaseServer

    from vmforge.package_cache.proxy import Proxy

log = logging.getLogger("vmforge.package_cache")

# The most that one call of sendfile is given, which then looks whether the client is still there.
_PIECE = 8 * 1024 * 1024
# What is worth knowing offline: a file, or that there is none.
_TELLING = (HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
# What guests have no business with, tunnelled or not: mail, shells, file shares.
_LOWEST_FREE_PORT, _TLS_PORT = 1024, 443


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "vmforge"
    sys_version = ""
    disable_nagle_algorithm = True

    def __init__(
        self, connection: Any, address: tuple[str, int], server: BaseServer, *, proxy: Proxy
    ) -> None:
        self._proxy = proxy
        self._tally = proxy.tally
        self._began = False
        super().__init__(connection, address, server)

    # -- methods ------------------------------------------------------------------------------

    def do_GET(self) -> None:
        self._began = False
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body, which nobody reads, would pass for the next request
        self._tally = self._proxy.tally
        try:
            target = parse_target(self.path)
            if target.host in self._proxy.aliases:
                self._tally = Tally()  # what this machine serves to its guest saves and costs nothing
            self._check_loop(target.host, target.port)
            self._answer(target)
        except Refused as refused:
            if refused.status == HTTPStatus.GATEWAY_TIMEOUT:
                self._proxy.note_missing(target.url)
            elif refused.status == HTTPStatus.NOT_FOUND:
                self._proxy.note_used(target.url)
            self._refuse(refused)
        except Broken as broken:
            log.debug("%s: %s", self.path, broken)
            self.close_connection = True
        finally:
            self._tally.add(requests=1)

    do_HEAD = do_GET

    def do_CONNECT(self) -> None:
        self._began = False
        self._tally = self._proxy.tally
        self._tally.add(requests=1)
        self.close_connection = True
        try:
            host, port = parse_authority(self.path)
            self._check_loop(host, port)
            far = self._dig(host, port)
        except Refused as refused:
            self._refuse(refused)
            return
        except UpstreamFailed as failure:
            self._refuse(Refused(502, str(failure)))
            return
        self._proxy.tally.add(tunnels=1)
        self.send_response_only(HTTPStatus.OK, "Connection established")
        self.end_headers()
        self._proxy.tunnels.relay(
            self.rfile.read1,  # beginning with what came right behind the request
            self.connection,
            far,
            lambda count: self._proxy.tally.add(tunnelled=count),
        )

    def _dig(self, host: str, port: int) -> socket.socket:
        if self._proxy.cache.network.offline and host not in self._proxy.aliases:
            self._proxy.note_missing(f"https://{host}/" if port == _TLS_PORT else f"https://{host}:{port}/")
            raise Refused(504, f"this build is offline: there is no way to `{host}:{port}`")
        if port < _LOWEST_FREE_PORT and port != _TLS_PORT:
            raise Refused(403, f"no tunnel leads to port {port}; use {_TLS_PORT}, or one from 1024")
        proxy = self._proxy
        return proxy.tunnels.dig(lambda: proxy.cache.upstream.tunnel(host, port, proxy.aliases))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class found wrong with a request: a bad line, an unknown method."""
        self.close_connection = True
        status, headers = HTTPStatus(code), {}
        if status is HTTPStatus.NOT_IMPLEMENTED:
            status, headers = HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD, CONNECT"}
        if getattr(self, "command", None) is None:
            self.command = ""
        self._answer_text(status, message or status.phrase, headers)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s " + format, self.client_address[0], *args)

    # -- answers ------------------------------------------------------------------------------

    def _check_loop(self, host: str, port: int) -> None:
        """Raise Refused for a request that went through this proxy already."""
        own = self._proxy.cache.name in ",".join(self.headers.get_all("Via", []))
        if own or self._proxy.is_itself(host, port):
            raise Refused(508, "the request leads back to this proxy")

    def _answer(self, target: Target) -> None:
        proxy = self._proxy
        request = Request(self.command, target, self.headers, proxy.aliases, self._tally)
        found = proxy.cache.obtain(request)
        if isinstance(found, Ready):
            with found.body:
                self._hit(found.kept, found.body.fileno())
            return
        try:
            self._answer_fetched(target, found)
        finally:
            found.leave()

    def _answer_fetched(self, target: Target, fetch: Fetch) -> None:
        outcome = fetch.outcome(self._proxy.stopped)
        if isinstance(outcome, Failed):
            raise Refused(outcome.status, f"{outcome.reason} (`{target.url}`)")
        if isinstance(outcome, Answered):
            self._tally.add(misses=1)
            if fetch.wanted.keeps and outcome.status in _TELLING:
                self._proxy.note_used(target.url)
            self._answer_whole(fetch, outcome)
            return
        if outcome.why:
            log.warning("%s is sent as it is kept: %s", target.url, outcome.why)
        self._tally.add(**{"stale" if outcome.why else "revalidated": 1})
        body = self._proxy.cache.open_kept(outcome.kept)
        if body is None:
            raise Refused(502, f"`{target.url}` was deleted from the package cache meanwhile")
        with body:
            self._hit(outcome.kept, body.fileno(), "STALE" if outcome.why else "REVALIDATED")

    def _hit(self, kept: Kept, file: int, how: str = "HIT") -> None:
        self._tally.add(hits=1)
        self._proxy.note_used(kept.url)
        headers = {**kept.headers, "X-Cache": how}
        self._send_file(_Whole(file, kept.size), HTTPStatus.OK, headers, kept.size)

    def _answer_whole(self, fetch: Fetch, outcome: Answered) -> None:
        headers = {**outcome.headers, "X-Cache": "MISS"}
        self._send_file(_Growing(fetch, self._proxy), outcome.status, headers, outcome.size)

    def _send_file(
        self, source: _Whole | _Growing, status: int, headers: dict[str, str], size: int | None
    ) -> None:
        """Send a body, or what the client wants of it."""
        start, end = 0, size
        if status == HTTPStatus.OK and is_unchanged_for(self.headers, headers):
            status = HTTPStatus.NOT_MODIFIED
        elif status == HTTPStatus.OK and size is not None:
            headers["Accept-Ranges"] = "bytes"
            try:
                part = self._wanted_part(headers, size)
            except Unsatisfiable:
                unsatisfiable = {"Content-Range": f"bytes */{size}"}
                text = "the range begins behind the end of the file"
                self._answer_text(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, text, unsatisfiable)
                return
            if part is not None:
                status, headers["Content-Range"] = HTTPStatus.PARTIAL_CONTENT, str(part)
                start, end = part.start, part.start + part.length
        bodiless = self.command == "HEAD" or status in _BODILESS or status < 200
        chunked = self._send_head(status, headers, None if end is None else end - start, bodiless)
        if not bodiless:
            self._send_body(source, start, end, chunked=chunked)

    def _wanted_part(self, headers: Mapping[str, str], size: int) -> ByteRange | None:
        wanted = self.headers.get("Range")
        if wanted is None or self.command != "GET" or not range_applies(self.headers, headers):
            return None
        return parse_range(wanted, size)

    def _send_head(self, status: int, headers: Mapping[str, str], length: int | None, bodiless: bool) -> bool:
        """Returns whether the body is to be sent in chunks: its length is not known."""
        self._began = True
        self.send_response_only(status)
        chunked = length is None and not bodiless and self.request_version >= "HTTP/1.1"
        if length is None and not bodiless and not chunked:
            self.close_connection = True
        for name, value in headers.items():
            self.send_header(name, value)
        if "Date" not in headers:
            self.send_header("Date", self.date_time_string())
        self.send_header("Via", f"1.1 {self._proxy.cache.name}")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif length is not None and status not in _BODILESS and "Content-Length" not in _titled(headers):
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        return chunked

    def _send_body(self, source: _Whole | _Growing, start: int, end: int | None, *, chunked: bool) -> None:
        """Send bytes as they come. Raises Broken when they end too early."""
        offset = start
        while end is None or offset < end:
            there = source.available(offset)
            if there <= offset:
                break
            until = there if end is None else min(there, end)
            if chunked:
                self.wfile.write(f"{until - offset:x}\r\n".encode())
            self._send_piece(source.fileno(), offset, until)
            if chunked:
                self.wfile.write(b"\r\n")
            offset = until
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send_piece(self, file: int, offset: int, until: int) -> None:
        while offset < until:
            sent = os.sendfile(self.connection.fileno(), file, offset, min(until - offset, _PIECE))
            if sent == 0:
                raise Broken("the kept file is shorter than it was")
            offset += sent
            self._tally.add(served=sent)

    def _refuse(self, refused: Refused) -> None:
        """Say why there is no answer, if one has not begun."""
        if self._began:
            self.close_connection = True
            return
        self._tally.add(refused=1)
        self._answer_text(HTTPStatus(refused.status), refused.reason)

    def _answer_text(self, status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> None:
        body = f"{status.value} {status.phrase}: {text}\n".encode(errors="replace")
        self.send_response_only(status)
        for name, value in {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Whole:
    """A body that is all there."""

    def __init__(self, file: int, size: int) -> None:
        self._file, self._size = file, size

    def available(self, offset: int) -> int:
        return self._size

    def fileno(self) -> int:
        return self._file


class _Growing:
    """A body that is being fetched."""

    def __init__(self, fetch: Fetch, proxy: Proxy) -> None:
        self._fetch, self._proxy = fetch, proxy

    def available(self, offset: int) -> int:
        return self._fetch.available(offset, self._proxy.stopped)

    def fileno(self) -> int:
        return self._fetch.fileno()


def _titled(headers: Mapping[str, str]) -> set[str]:
    return {name.title() for name in headers}
