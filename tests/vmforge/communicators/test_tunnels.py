"""Ports that lead through the connection to a guest, one way and the other."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest

from vmforge.errors import CommunicatorError, HostError


@pytest.fixture
def web() -> Iterator[int]:
    """A web server's port; it answers with a megabyte."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 1_000_000)

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def fetch(port: int) -> int:
    with urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return len(answer.read())


@pytest.mark.parametrize("option", ["ssh_local_tunnels", "ssh_remote_tunnels"])
def test_tunnel(option: str, client: Any, sshd: Any, web: int) -> None:
    port = free_port()
    communicator = client.connect(sshd, **{option: [f"127.0.0.1:{port}:127.0.0.1:{web}"]})
    assert fetch(port) == 1_000_000
    communicator.reconnect(1)
    assert fetch(port) == 1_000_000
    communicator.close()
    with pytest.raises(OSError):
        fetch(port)


def test_tunnel_names_the_http_server(client: Any, sshd: Any, web: int) -> None:
    client.context.data.update(HTTPIP="127.0.0.1", HTTPPort=str(web))
    first, second = free_port(), free_port()
    tunnels = [f"127.0.0.1:{port}:{{{{ .HTTPIP }}}}:{{{{ .HTTPPort }}}}" for port in (first, second)]
    client.connect(sshd, ssh_remote_tunnels=tunnels)
    assert [fetch(first), fetch(second)] == [1_000_000, 1_000_000]


@pytest.mark.parametrize("option", ["ssh_local_tunnels", "ssh_remote_tunnels"])
def test_tunnel_to_where_nobody_listens(option: str, client: Any, sshd: Any) -> None:
    port = free_port()
    communicator = client.connect(sshd, **{option: [f"127.0.0.1:{port}:127.0.0.1:{free_port()}"]})
    with pytest.raises(OSError):
        fetch(port)
    assert communicator.run("true") == 0


def test_port_that_is_taken_here(client: Any, sshd: Any, web: int) -> None:
    with pytest.raises(HostError) as caught:
        client.connect(sshd, ssh_local_tunnels=[f"127.0.0.1:{web}:localhost:80"])
    assert caught.value.message == (
        f"cannot listen for the tunnel `{web}:localhost:80`: Address already in use"
    )


def test_port_that_is_taken_in_the_guest(
    client: Any, sshd: Any, web: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmforge.communicators.ssh.tunnels._RELEASE", 0.2)
    with pytest.raises(CommunicatorError) as caught:
        client.connect(sshd, ssh_remote_tunnels=[f"127.0.0.1:{web}:localhost:80"])
    assert caught.value.message == (
        f"the guest's SSH server does not listen for the tunnel `{web}:localhost:80`: TCP forwarding request "
        "denied"
    )


def test_tunnel_that_makes_no_sense_once_rendered(client: Any, sshd: Any) -> None:
    client.context.data.update(HTTPPort="none")
    with pytest.raises(
        CommunicatorError, match=r"an SSH tunnel cannot be opened: `80:here:none` is no tunnel"
    ):
        client.connect(sshd, ssh_remote_tunnels=["80:here:{{ .HTTPPort }}"])
