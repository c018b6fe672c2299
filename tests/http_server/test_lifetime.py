"""Where a server listens, and how it ends."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from http_server import PortsInUse, Request, Server


def test_the_kernel_chooses_a_port(folder, get):
    with Server(folder) as first, Server(folder) as second:
        assert first.port != second.port
        assert first.url == f"http://127.0.0.1:{first.port}"
        assert get(first, "/preseed.cfg")[0].status == 200


def test_the_first_free_port_of_a_range(folder):
    with Server(folder) as other, Server(folder, ports=range(other.port, other.port + 20)) as server:
        assert other.port < server.port < other.port + 20


def test_no_free_port(folder):
    with Server(folder) as other:
        ports = range(other.port, other.port + 1)
        with pytest.raises(PortsInUse, match=f"port {other.port} of 127.0.0.1 is in use") as caught:
            Server(folder, ports=ports).__enter__()
        assert caught.value.ports == ports


def test_ports_are_named_as_a_range():
    assert (
        str(PortsInUse("127.0.0.1", range(8000, 9001)))
        == "every port from 8000 to 9000 of 127.0.0.1 is in use"
    )


def test_only_the_given_host_is_bound(folder):
    with Server(folder, host="127.0.0.2") as server:
        with socket.create_connection(("127.0.0.2", server.port), timeout=20):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=20)


def test_an_address_of_another_machine(folder):
    with pytest.raises(OSError, match="assign requested address"):
        Server(folder, host="192.0.2.1").__enter__()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6(folder, get):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 address")
    with Server(folder, host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        assert get(server, "/preseed.cfg")[0].status == 200


def test_what_cannot_be_served(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        Server(tmp_path / "missing").__enter__()
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        Server(tmp_path / "file").__enter__()
    with pytest.raises(ValueError, match="either"):
        Server()
    with pytest.raises(ValueError, match="either"):
        Server(tmp_path, {"/a": "b"})
    with pytest.raises(ValueError, match="empty"):
        Server(tmp_path, ports=range(5, 5))


def test_the_end_cuts_open_connections(folder):
    """An idle connection and one in the middle of a download neither delay the end nor outlive it."""
    (folder / "huge").write_bytes(bytes(64 * 1024 * 1024))
    told: list[Request] = []
    before = threading.active_count()
    with Server(folder, on_request=told.append) as server:
        idle = socket.create_connection((server.host, server.port), timeout=20)
        slow = socket.create_connection((server.host, server.port), timeout=20)
        slow.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
    assert threading.active_count() == before
    assert idle.recv(1) == b""
    idle.close()
    slow.close()
    (request,) = told
    assert (request.path, request.status) == ("/huge", 200)
    assert request.bytes_sent < 64 * 1024 * 1024
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=20)


def test_a_server_can_be_left_from_its_own_callback(folder, get):
    """`on_request` may be what ends the build."""
    left = threading.Event()

    def leave(request: Request) -> None:
        server.__exit__(None, None, None)
        left.set()

    server = Server(folder, on_request=leave)
    with server:
        get(server, "/preseed.cfg")
        assert left.wait(20)


def test_a_failing_callback_does_not_end_the_server(folder, get, caplog):
    def fail(request: Request) -> None:
        raise RuntimeError("callback")

    with Server(folder, on_request=fail) as server:
        for _ in range(2):
            assert get(server, "/preseed.cfg")[0].status == 200
    assert "callback" in caplog.text


def test_many_at_once(folder):
    def fetch(results: list[int], server: Server) -> None:
        with socket.create_connection((server.host, server.port), timeout=20) as client:
            client.sendall(b"GET /big.bin HTTP/1.1\r\nConnection: close\r\n\r\n")
            results.append(len(b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")[2]))

    results: list[int] = []
    with Server(folder) as server:
        threads = [threading.Thread(target=fetch, args=(results, server)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [1024 * 1024] * 16


def test_more_is_offered_while_it_runs(folder, get):
    with Server(folder) as server:
        _, before = get(server, "/preseed.cfg")
        server.offer({"/preseed.cfg": "not this", "/late.cfg": "late"})
        assert get(server, "/preseed.cfg")[1] == before
        assert get(server, "/late.cfg")[1] == b"late"
        assert "/late.cfg" in server.paths()
        server.offer({"/later.cfg": "later"})
        assert get(server, "/late.cfg")[0].status == 404
        assert get(server, "/deep/../../secret.txt")[0].status == 404
