from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from http_server import Server

Answer = tuple[http.client.HTTPResponse, bytes]
Ask = Callable[..., Answer]


def ask(server: Server, target: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """The answer to one request. The target goes out as it is, `..` and all."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    try:
        connection.request(method, target, headers=dict(headers or {}))
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.fixture
def get() -> Ask:
    return ask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of answer files, beside a file that must never be served."""
    (tmp_path / "secret.txt").write_text("out of bounds")
    root = tmp_path / "http"
    (root / "deep" / "site").mkdir(parents=True)
    (root / "preseed.cfg").write_text("d-i debian-installer/locale string en_US\n")
    (root / "user-data").write_text("#cloud-config\n")
    (root / "big.bin").write_bytes(bytes(range(256)) * 4096)
    (root / "deep" / "a b&c.txt").write_text("spaces")
    (root / "deep" / "site" / "index.html").write_text("<p>index</p>")
    return root
