"""A mirror that does what a test tells it, and a proxy in front of it. Real sockets throughout."""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vmforge.cache import Store
from vmforge.package_cache import PackageCache
from vmforge.package_cache.proxy import Proxy
from vmforge.sdk.network import Mirrors, Network

MIRROR = "http://mirror.test"


@dataclass
class Page:
    """What the mirror has at a path. `cuts` are where it breaks off, one answer after the other; `gate`
    holds it up after the first half of the body."""

    body: bytes = b"body"
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    chunked: bool = False
    cuts: list[int] = field(default_factory=list)
    gate: threading.Event | None = None
    knows_ranges: bool = True


@dataclass
class Mirror:
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, str, Message]] = field(default_factory=list)
    connections: list[Any] = field(default_factory=list)
    port: int = 0
    page: type[Page] = Page

    @property
    def asked(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.requests]


class _MirrorHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, mirror: Mirror) -> None:
        self.mirror = mirror
        mirror.connections.append(arguments[0])
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.mirror.requests.append((self.command, self.path, self.headers))
        path = self.path.removeprefix(MIRROR)
        page = self.mirror.pages.get(path, Page(b"", status=404))
        if page.status == 200 and self._has(page):
            self._head(304, page.headers, None)
            return
        body, status, headers = page.body, page.status, dict(page.headers)
        wanted = self.headers.get("Range")
        if wanted and page.knows_ranges and status == 200:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        self._head(status, headers, None if page.chunked else len(body))
        if self.command != "HEAD":
            self._body(page, body)

    do_HEAD = do_GET

    def _has(self, page: Page) -> bool:
        tag, modified = self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")
        if tag:
            return tag == page.headers.get("ETag")
        return modified is not None and modified == page.headers.get("Last-Modified")

    def _head(self, status: int, headers: Mapping[str, str], length: int | None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        elif status != 304:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _body(self, page: Page, body: bytes) -> None:
        cut = page.cuts.pop(0) if page.cuts else None
        half = len(body) // 2
        for part in (body[:half], body[half:]) if cut is None else (body[:cut],):
            if page.chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if part else b"")
            else:
                self.wfile.write(part)
            if page.gate is not None:
                page.gate.wait(30)
        if cut is not None:
            self.close_connection = True
        elif page.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _MirrorServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A mirror that is asked for `http://mirror.test/`."""
    made = Mirror()
    server = _MirrorServer(("127.0.0.1", 0), partial(_MirrorHandler, mirror=made))
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    for page in made.pages.values():
        if page.gate is not None:
            page.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Answer:
    status: int
    headers: Message
    body: bytes


Start = Callable[..., Proxy]


@pytest.fixture
def start(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts another run's proxy over the same store; `network` options are those of `Network`."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    open_ones: list[tuple[PackageCache, Proxy]] = []

    def make(*, reaches: bool = True, aliases: Mapping[str, str] | None = None, **options: Any) -> Proxy:
        if reaches:
            options["mirrors"] = Mirrors.of([(f"{MIRROR}/", f"http://127.0.0.1:{mirror.port}/")])
        cache = PackageCache(Store(tmp_path / "cache"), network=Network(**options)).__enter__()
        proxy = cache.serve("127.0.0.1", aliases=aliases, used_by="a build").__enter__()
        open_ones.append((cache, proxy))
        return proxy

    yield make
    for cache, proxy in reversed(open_ones):
        proxy.__exit__(None, None, None)
        cache.__exit__(None, None, None)


@pytest.fixture
def proxy(start: Start) -> Proxy:
    return start()


@pytest.fixture
def settle() -> Callable[[Proxy], None]:
    return _settle


@pytest.fixture
def ask() -> Callable[..., Answer]:
    return _ask


def _settle(proxy: Proxy) -> None:
    """Wait until what was fetched is kept; whoever fetched it has it earlier."""
    cache = proxy.cache
    with cache._lock:
        assert cache._idle.wait_for(lambda: not cache._running, timeout=30)


def _ask(proxy: Proxy, url: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Answer:
    """One request through the proxy. Paths are the mirror's."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    try:
        target = f"{MIRROR}{url}" if url.startswith("/") else url
        connection.request(method, target, headers=dict(headers or {}))
        response = connection.getresponse()
        body = response.read()
        answer = Answer(response.status, response.headers, body)
    finally:
        connection.close()
    _settle(proxy)
    return answer
