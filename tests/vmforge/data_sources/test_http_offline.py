"""The `http` data source offline, and from mirrors."""

from __future__ import annotations

import pytest

from http_server import Server
from vmforge.data_sources.http import HttpConfig, HttpDataSource
from vmforge.errors import DownloadError
from vmforge.sdk.network import Mirrors, Network, NetworkRefused

URL = "https://keys.example/key"


def read(url=URL, *pairs, offline=True):
    source = HttpDataSource(HttpConfig(url=url))
    source.network = Network(offline=offline, mirrors=Mirrors.of(pairs))
    return source.read()


@pytest.fixture
def server(tmp_path):
    (tmp_path / "key").write_text("a key")
    with Server(tmp_path, None) as running:
        yield running


def test_a_server_elsewhere_is_not_asked():
    with pytest.raises(NetworkRefused, match=r"offline: `https://keys\.example/key` is not asked"):
        read()


def test_a_mirror_on_this_machine_is(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    answer = read(URL, ("https://keys.example/", f"{server.url}/"))
    assert (answer["url"], answer["body"]) == (URL, "a key")


@pytest.mark.parametrize("offline", [True, False])
def test_a_mirrors_file_is_read(tmp_path, server, offline):
    answer = read(URL, ("https://keys.example/", f"{tmp_path.as_uri()}/"), offline=offline)
    assert answer == {"url": URL, "body": "a key", "response_headers": {}}
    with pytest.raises(DownloadError, match="no such file"):
        read("https://keys.example/none", ("https://keys.example/", f"{tmp_path.as_uri()}/"), offline=offline)


def test_a_redirect_is_not_followed(tmp_path):
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", "http://192.0.2.1/")
            self.end_headers()

        def log_message(self, *arguments):
            return None

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(DownloadError, match="the server answers 302"):
            read(f"http://127.0.0.1:{server.server_port}/key")
        thread.join()


def test_only_the_body_is_what_a_lock_file_holds():
    assert HttpDataSource.lasting({"url": URL, "body": "x", "response_headers": {"Date": "now"}}) == {
        "body": "x"
    }
