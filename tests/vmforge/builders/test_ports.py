"""Ports held for QEMU: nobody else's, and still QEMU's to listen on."""

from __future__ import annotations

import socket

import pytest

from vmforge.builders.ports import PortReservation, check_ports
from vmforge.errors import HostError


def listen(port: int, host: str = "127.0.0.1", *, reuse: bool) -> socket.socket:
    """Listen as a program does; QEMU's user network sets SO_REUSEADDR."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_qemu_can_listen_on_a_reserved_port_again_and_again(host: str) -> None:
    with PortReservation() as port:
        for _ in range(2):
            with (
                listen(port, host, reuse=True) as listener,
                socket.create_connection(("127.0.0.1", port)) as client,
            ):
                client.sendall(b"x")
                connection, _ = listener.accept()
                with connection:
                    assert connection.recv(1) == b"x"


def test_a_reserved_port_is_nobody_elses() -> None:
    with PortReservation() as port:
        with pytest.raises(OSError, match="in use"):
            listen(port, reuse=False)
        with (
            pytest.raises(HostError, match=f"no free port from {port} to {port}"),
            PortReservation(range(port, port + 1)),
        ):
            pass


def test_the_port_is_free_afterwards() -> None:
    with PortReservation() as port:
        pass
    with listen(port, reuse=False):
        pass


def test_the_first_free_port_of_a_range() -> None:
    with PortReservation() as taken, PortReservation(range(taken, taken + 20)) as port:
        assert taken < port < taken + 20


def test_a_server_in_the_way_is_stepped_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with PortReservation(range(taken, taken + 20)) as port:
            assert port > taken


@pytest.mark.parametrize(
    ("ports", "options"),
    [
        (None, []),
        (range(8000, 9001), []),
        (range(1, 65536), []),
        (range(65537), ["x_min", "x_max"]),
        (range(9, 9), ["x_max"]),
    ],
)
def test_check_ports(ports: range | None, options: list[str]) -> None:
    assert [problem.option for problem in check_ports("x", ports)] == options
