"""The answer files, fetched as an installer would."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.answer_files import AnswerFileServer
from vmforge.builders.qemu.config import QemuConfig
from vmforge.errors import HostError
from vmforge.sdk.testing import RecordingUi, fake_context

MakeConfig = Callable[..., QemuConfig]
Serve = Callable[..., AnswerFileServer]

LOOPBACK = "127.0.0.1"


@pytest.fixture
def ui() -> RecordingUi:
    return RecordingUi()


@pytest.fixture
def serve(qemu: MakeConfig, ui: RecordingUi, tmp_path: Path) -> Serve:
    def make(**options: Any) -> AnswerFileServer:
        return AnswerFileServer(qemu(**options), fake_context(tmp_path, ui=ui), LOOPBACK)

    return make


def fetch(port: int, path: str, host: str = LOOPBACK) -> bytes:
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as answer:
        body: bytes = answer.read()
        return body


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_http_content(serve: Serve, ui: RecordingUi) -> None:
    with serve(http_content={"/preseed.cfg": "d-i"}) as port:
        assert fetch(port, "/preseed.cfg") == b"d-i"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(port, "/preseed.txt")
    assert ui.events == [
        ("message", "installer fetched /preseed.cfg"),
        ("warn", "installer asked for /preseed.txt: 404; the nearest is /preseed.cfg"),
    ]


def test_http_directory(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "http").mkdir()
    (tmp_path / "http" / "ks.cfg").write_text("install")
    with serve(http_directory=str(tmp_path / "http")) as port:
        assert fetch(port, "/ks.cfg") == b"install"


def test_the_server_ends_with_the_build(serve: Serve) -> None:
    with serve(http_content={"/a": "b"}) as port:
        fetch(port, "/a")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port))


def test_nothing_to_serve(serve: Serve) -> None:
    with serve() as port:
        assert port == 0


def test_ports_are_tried_in_order(serve: Serve) -> None:
    first = free_port()
    with socket.create_server((LOOPBACK, first)):
        with serve(http_content={"/a": "b"}, http_port_min=first, http_port_max=first + 20) as port:
            assert first < port <= first + 20
        with pytest.raises(HostError, match=f"port {first} of 127.0.0.1 is in use") as caught:
            serve(http_content={"/a": "b"}, http_port_min=first, http_port_max=first).__enter__()
    assert "`http_port_min`" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "ports"),
    [
        ({}, None),
        ({"http_port_min": 8500}, range(8500, 9001)),
        ({"http_port_max": 8010}, range(8000, 8011)),
        ({"http_port_min": 8500, "http_port_max": 8500}, range(8500, 8501)),
    ],
)
def test_ports(options: dict[str, int], ports: range | None, qemu: MakeConfig) -> None:
    assert qemu(**options).ports == ports


def test_http_bind_address(serve: Serve) -> None:
    with serve(http_content={"/a": "b"}, http_bind_address="127.0.0.2") as port:
        assert fetch(port, "/a", "127.0.0.2") == b"b"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, port))


def test_an_address_that_is_not_this_machines(serve: Serve) -> None:
    with pytest.raises(HostError, match="cannot serve the answer files"):
        serve(http_content={"/a": "b"}, http_bind_address="192.0.2.1").__enter__()


@pytest.mark.parametrize(
    ("bound", "called"),
    [
        ("", "10.0.2.2"),
        ("0.0.0.0", "10.0.2.2"),
        ("::", "10.0.2.2"),
        # the user network leads 10.0.2.2 to the loopback address, which the guest cannot name itself
        ("127.0.0.1", "10.0.2.2"),
        ("localhost", "10.0.2.2"),
        ("192.0.2.7", "192.0.2.7"),
    ],
)
def test_what_the_guest_calls_the_server(bound: str, called: str, qemu: MakeConfig) -> None:
    assert qemu(http_bind_address=bound).address_for_guest("10.0.2.2") == called


def test_more_comes_when_the_address_is_known(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "preseed.cfg").write_text("mine")
    server = replace(serve(http_directory=str(tmp_path)), expects_more=True)
    with server as port:
        server.offer({"/preseed.cfg": "theirs", "/finish.sh": f"fetch from {port}"})
        assert fetch(port, "/preseed.cfg") == b"mine"
        assert fetch(port, "/finish.sh") == f"fetch from {port}".encode()
        assert {"/preseed.cfg", "/finish.sh"} <= set(server.offered())


def test_a_server_that_only_expects_more(serve: Serve) -> None:
    server = replace(serve(), expects_more=True)
    with server as port:
        assert port
        server.offer({"/a": "b"})
        assert fetch(port, "/a") == b"b"


def test_texts_beside_a_folder(serve: Serve, qemu: MakeConfig, tmp_path: Path) -> None:
    """As cloud-init's seed is served beside the template's folder."""
    (tmp_path / "preseed.cfg").write_text("mine")
    options = replace(qemu(http_directory=str(tmp_path)), http_content={"/seed": "seed"})
    with replace(serve(), options=options) as port:
        assert fetch(port, "/preseed.cfg") == b"mine"
        assert fetch(port, "/seed") == b"seed"
