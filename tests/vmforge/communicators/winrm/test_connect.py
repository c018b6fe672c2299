"""The wait for a guest's WinRM service, against a service that really speaks the protocol."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from vmforge.communicators.winrm import WinRmConfig, WinRmConnector
from vmforge.errors import CommunicatorError, Interrupted
from vmforge.sdk import Duration, Endpoint, Secret
from vmforge.sdk.testing import configure


def test_basic_over_http(server: Any, client: Any) -> None:
    assert client.connect(server).run("exit 3") == 3
    assert client.ui.texts("message") == [f"WinRM: `Administrator` is logged in ({server.endpoint})"]
    assert server.shells == set()


def test_ntlm_encrypts_what_http_carries(ntlm_server: Any, client: Any) -> None:
    lines: list[str] = []
    guest = client.connect(ntlm_server, winrm_use_ntlm=True)
    assert guest.run("echo hello", lambda line, error: lines.append(line)) == 0
    assert lines == ["hello"]
    assert ntlm_server.plain_messages == 0


def test_https_with_a_certificate_that_nobody_knows(tls_server: Any, client: Any) -> None:
    guest = client.connect(tls_server, winrm_use_ssl=True, winrm_insecure=True)
    assert guest.run("exit 4") == 4


def test_a_certificate_is_judged_unless_told_not_to(tls_server: Any, client: Any) -> None:
    with pytest.raises(CommunicatorError, match=r"last seen: TLS: .*certificate") as caught:
        client.connect(tls_server, winrm_use_ssl=True, winrm_timeout="400ms")
    assert caught.value.hint == "set `winrm_insecure = true` to accept it"


def test_a_wrong_password_says_which_settings_to_look_at(server: Any, client: Any) -> None:
    with pytest.raises(
        CommunicatorError, match=r"last seen: `Administrator` was refused \(Basic\)"
    ) as caught:
        client.connect(server, winrm_password="wrong", winrm_timeout="400ms")
    assert "`winrm_use_ntlm = true`" in caught.value.hint
    assert "wrong" not in str(caught.value)


def test_a_wrong_password_of_ntlm(ntlm_server: Any, client: Any) -> None:
    with pytest.raises(CommunicatorError, match=r"was refused \(NTLM\)"):
        client.connect(ntlm_server, winrm_use_ntlm=True, winrm_password="wrong", winrm_timeout="400ms")


def test_a_user_who_gets_no_shell(server: Any, client: Any) -> None:
    server.refuses_shells = True
    with pytest.raises(CommunicatorError, match=r"no shell: Access is denied\. \(code 5\)"):
        client.connect(server, winrm_timeout="400ms")


def test_who_may_not_ask_for_the_envelope_is_let_in(server: Any, client: Any) -> None:
    server.admin = False
    assert client.connect(server).run("exit 0") == 0


def test_a_guest_that_comes_up_late(server: Any, client: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = Endpoint("127.0.0.1", silent.getsockname()[1])
        places = iter([Endpoint("127.0.0.1", 1), slow])
        client.connect(lambda: next(places, server.endpoint))
    assert client.ui.texts("message") == [
        "WinRM: connection refused (127.0.0.1:1)",
        f"WinRM: connected, but nothing answers yet ({slow})",
        f"WinRM: `Administrator` is logged in ({server.endpoint})",
    ]


def test_an_address_that_is_not_known_yet_is_waited_for(server: Any, client: Any) -> None:
    answers = iter([CommunicatorError("no address yet")])

    def endpoint() -> Endpoint:
        for error in answers:
            raise error
        where: Endpoint = server.endpoint
        return where

    client.connect(endpoint)
    assert client.ui.texts("message")[0] == "WinRM: no address yet"


@pytest.fixture
def speaker() -> Iterator[Any]:
    """Servers that answer each connection with the same bytes."""
    open_servers: list[socket.socket] = []

    def speak(text: bytes) -> Endpoint:
        listening = socket.create_server(("127.0.0.1", 0))
        open_servers.append(listening)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    if text:
                        connection.recv(4096)
                        connection.sendall(text)

        threading.Thread(target=serve, daemon=True).start()
        return Endpoint("127.0.0.1", listening.getsockname()[1])

    yield speak
    for listening in open_servers:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "`SSH-2.0-OpenSSH_9.2` came in place of HTTP"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "a web server without WinRM answers"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "the WinRM service is not up yet"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "the connection broke"),
        (b"", "connection closed at once, nothing listens in the guest yet"),
    ],
)
def test_what_else_may_answer(client: Any, speaker: Any, text: bytes, seen: str) -> None:
    with pytest.raises(CommunicatorError) as caught:
        client.connect(speaker(text), winrm_timeout="400ms")
    assert seen in str(caught.value)


def test_plain_http_where_tls_is_asked_for(server: Any, client: Any) -> None:
    with pytest.raises(CommunicatorError, match="TLS: ") as caught:
        client.connect(server, winrm_use_ssl=True, winrm_timeout="400ms")
    assert "`winrm_use_ssl`" in caught.value.hint


def test_the_wait_ends_with_the_build(client: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Timer(0.2, client.context.cancellation.cancel).start()
        with pytest.raises(Interrupted):
            client.connect(Endpoint("127.0.0.1", silent.getsockname()[1]), winrm_timeout="1h")


def test_a_pause_before_connecting(server: Any, client: Any) -> None:
    client.connect(server, pause_before_connecting="100ms")
    assert "WinRM: waiting 0.1 s before connecting anew" in client.ui.texts("message")


@pytest.mark.parametrize("no_proxy", [False, True])
def test_the_environments_proxy(
    server: Any, client: Any, monkeypatch: pytest.MonkeyPatch, no_proxy: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    if no_proxy:
        assert client.connect(server, winrm_no_proxy=True).run("exit 5") == 5
    else:
        with pytest.raises(CommunicatorError, match="the connection broke"):
            client.connect(server, winrm_timeout="500ms")


def test_ports() -> None:
    def port(**options: Any) -> int:
        made = configure(WinRmConnector, {"winrm_username": "u"} | options)
        assert isinstance(made, WinRmConnector)
        return made.port

    assert (port(), port(winrm_use_ssl=True), port(winrm_port=15985)) == (5985, 5986, 15985)


def test_what_the_template_gets_to_know(client: Any) -> None:
    connector = client.connector(winrm_host="10.0.0.9")
    assert connector.host == "10.0.0.9"
    values = connector.prepare(client.context)
    assert values["ConnType"] == "winrm"
    assert values["User"] == "Administrator"
    assert values["WinRMPassword"] == values["Password"] == "s3cret-Pass"
    assert connector.config.winrm_password == Secret("s3cret-Pass")
    assert "s3cret" not in str(connector.config)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"winrm_username": ""}, "`winrm_username` is empty"),
        ({"winrm_port": 70000}, "`winrm_port` is 70000"),
        ({"winrm_timeout": Duration(-1)}, "`winrm_timeout` is negative"),
        ({"winrm_insecure": True}, "`winrm_insecure` has no effect without `winrm_use_ssl`"),
    ],
)
def test_what_is_wrong_with_the_options(options: dict[str, Any], problem: str) -> None:
    changed = WinRmConfig(**{"winrm_username": "u"} | options)
    assert [p for p in WinRmConnector.check(changed) if problem in p.summary]
