"""Answers the requests of one connection."""

from __future__ import annotations

import email.utils
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, BinaryIO

from http_server.ranges import ByteRange, Unsatisfiable, parse_range
from http_server.site import Redirect, Refused, Resource, Site, clean_path, nearest

if TYPE_CHECKING:
    from socketserver import BaseServer

_CHUNK = 256 * 1024

log = logging.getLogger("http_server")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was answered. `client` is the address that asked, `bytes_sent` counts the body.

    `path` is decoded and clean, `nearest` the offered path most like it where nothing was found.
    """

    method: str
    path: str
    status: int
    bytes_sent: int
    client: str
    nearest: str | None = None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "http_server"
    sys_version = ""

    def __init__(
        self,
        connection: Any,
        address: tuple[str, int],
        server: BaseServer,
        *,
        site: Site,
        on_request: Callable[[Request], None],
    ) -> None:
        self._site = site
        self._on_request = on_request
        super().__init__(connection, address, server)

    def do_GET(self) -> None:
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body, which nobody reads, would pass for the next request
        path = clean_path(self.path)
        if path is None:
            self._answer_text(self.path, HTTPStatus.NOT_FOUND, f"`{self.path}` cannot be the name of a file")
            return
        found = self._site.find(path)
        if isinstance(found, Resource):
            with found.stream:
                self._answer_resource(path, found)
        elif isinstance(found, Redirect):
            self._answer_text(path, HTTPStatus.MOVED_PERMANENTLY, "a folder", {"Location": found.location})
        else:
            self._answer_refused(path, found)

    do_HEAD = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class found wrong with a request: a bad line, an unknown method."""
        self.close_connection = True
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        headers = {"Connection": "close"}
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET, HEAD"
        if not hasattr(self, "command") or self.command is None:
            self.command = ""
        self._answer_text(getattr(self, "path", ""), status, message or status.phrase, headers)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s " + format, self.client_address[0], *args)

    def _answer_refused(self, path: str, refused: Refused) -> None:
        near = nearest(self._site, path) if refused.status == HTTPStatus.NOT_FOUND else None
        text = refused.reason + (f"\ndid you mean `{near}`?" if near else "")
        self._answer_text(path, HTTPStatus(refused.status), text, near=near)

    def _answer_resource(self, path: str, resource: Resource) -> None:
        headers = {"Accept-Ranges": "bytes", "ETag": resource.tag}
        if resource.modified is not None:
            headers["Last-Modified"] = email.utils.formatdate(resource.modified, usegmt=True)
        try:
            part = self._wanted_part(resource, headers)
        except Unsatisfiable:
            headers["Content-Range"] = f"bytes */{resource.size}"
            text = "the range begins behind the end of the file"
            self._answer_text(path, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, text, headers)
            return
        headers["Content-Type"] = resource.content_type
        status = HTTPStatus.OK
        if part is not None:
            status, headers["Content-Range"] = HTTPStatus.PARTIAL_CONTENT, str(part)
        start, length = (part.start, part.length) if part else (0, resource.size)
        resource.stream.seek(start)
        self._answer(path, status, headers, resource.stream, length)

    def _wanted_part(self, resource: Resource, headers: Mapping[str, str]) -> ByteRange | None:
        wanted = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        if wanted is None or (condition and condition not in (headers["ETag"], headers.get("Last-Modified"))):
            return None
        return parse_range(wanted, resource.size)

    def _answer_text(
        self,
        path: str,
        status: HTTPStatus,
        text: str,
        headers: Mapping[str, str] | None = None,
        *,
        near: str | None = None,
    ) -> None:
        body = f"{status.value} {status.phrase}: {text}\n".encode(errors="replace")
        all_headers = {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}
        self._answer(path, status, all_headers, _Bytes(body), len(body), near=near)

    def _answer(
        self,
        path: str,
        status: HTTPStatus,
        headers: Mapping[str, str],
        body: BinaryIO | _Bytes,
        length: int,
        *,
        near: str | None = None,
    ) -> None:
        """Send an answer and tell of it, also when the client hung up in the middle."""
        sent = 0
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            while (
                self.command != "HEAD" and sent < length and (chunk := body.read(min(_CHUNK, length - sent)))
            ):
                self.wfile.write(chunk)
                sent += len(chunk)
        finally:
            if sent < length and self.command != "HEAD":
                self.close_connection = True
            client = str(self.client_address[0])
            self._on_request(Request(self.command, _shown(path), status.value, sent, client, near))


def _shown(path: str) -> str:
    """The path without what could upset a terminal or an encoder."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in path
    )


class _Bytes:
    """A body in memory, read as a file is."""

    def __init__(self, body: bytes) -> None:
        self._rest = body

    def read(self, count: int) -> bytes:
        chunk, self._rest = self._rest[:count], self._rest[count:]
        return chunk
