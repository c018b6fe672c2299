"""The `http` and `null` data sources, against a small server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vmforge.data_sources.http import HttpConfig, HttpDataSource
from vmforge.data_sources.null import NullConfig, NullDataSource
from vmforge.errors import DownloadError


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked; `/404` is missing, `/latin` and `/binary` are no UTF-8."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = f"{self.command} {self.path} {self.headers.get('X-Key')} ".encode() + self.rfile.read(length)
        kind = "text/plain"
        if self.path == "/latin":
            kind, body = "text/plain; charset=iso-8859-1", b"\xe9"
        elif self.path == "/binary":
            body = b"\xff\xfe\x00"
        elif self.path == "/strange":
            kind = "text/plain; charset=klingon"
        self.send_response(404 if self.path == "/404" else 204 if self.path == "/204" else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", "0" if self.path == "/204" else str(len(body)))
        self.end_headers()
        if self.path != "/204":
            self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_a_page_is_read(server: str) -> None:
    read = HttpDataSource(HttpConfig(url=f"{server}/a", request_headers={"X-Key": "k"})).read()
    assert read["url"] == f"{server}/a"
    assert read["body"] == "GET /a k "
    headers = read["response_headers"]
    assert isinstance(headers, dict)
    assert headers["Content-Type"] == "text/plain"


def test_a_text_is_sent(server: str) -> None:
    config = HttpConfig(url=f"{server}/a", method="post", request_body="hello")
    assert HttpDataSource(config).read()["body"] == "POST /a None hello"


def test_the_answer_says_how_it_is_encoded(server: str) -> None:
    assert HttpDataSource(HttpConfig(url=f"{server}/latin")).read()["body"] == "é"


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/404", "answers 404"), ("/204", "answers 204"), ("/binary", "is no text"), ("/strange", "`klingon`")],
)
def test_what_is_no_text_is_an_error(server: str, path: str, reason: str) -> None:
    with pytest.raises(DownloadError, match=reason):
        HttpDataSource(HttpConfig(url=server + path)).read()


def test_a_server_that_is_not_there_is_an_error() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as gone:
        url = f"http://127.0.0.1:{gone.server_port}"
    with pytest.raises(DownloadError, match=r"cannot read .*[Rr]efused"):
        HttpDataSource(HttpConfig(url=url)).read()


@pytest.mark.parametrize(
    ("config", "option"),
    [(HttpConfig(url="file:///etc/passwd"), "url"), (HttpConfig(url="http://a", method="BREW"), "method")],
)
def test_what_no_server_can_answer_is_refused(config: HttpConfig, option: str) -> None:
    assert [problem.option for problem in HttpDataSource.check(config)] == [option]


def test_null_hands_its_input_on() -> None:
    assert NullDataSource(NullConfig(input="x")).read() == {"output": "x"}
