"""A registry of boxes on this machine: it answers as its API's documentation says, and remembers."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

Answer = tuple[int, Any]


@dataclass(frozen=True)
class Call:
    """A request as it came."""

    method: str
    path: str
    token: str
    body: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Registry:
    """What is there, by path, and what to say to a request that is no plain reading, by its line.

    An answer may be a function of the request. `failures` are given first, once each.
    """

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    failures: list[Answer] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [call.line for call in self.calls]

    def call(self, line: str) -> Call:
        return next(call for call in self.calls if call.line == line)

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        if self.failures:
            return self.failures.pop(0)
        if call.path.startswith("/storage/"):
            return 200, {}
        found = self.answers.get(call.line)
        if found is None:
            return (404, {"errors": ["not found"]}) if call.method == "GET" else (200, {})
        return 200, found


@pytest.fixture
def registry() -> Iterator[Registry]:
    kept = Registry()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            token = self.headers.get("Authorization", "")
            status, document = kept.answer(Call(self.command, self.path, token, body))
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = answer

        def log_message(self, format: str, *arguments: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


MakeBox = Callable[..., Path]


@pytest.fixture
def make_box(tmp_path: Path) -> MakeBox:
    """A box as another tool may have made it, with this metadata."""

    def make(name: str = "x.box", member: str = "./metadata.json", **metadata: str) -> Path:
        data = json.dumps(metadata).encode()
        with tarfile.open(tmp_path / name, "w:gz") as archive:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        return tmp_path / name

    return make
