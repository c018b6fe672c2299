"""Ways to the guest: bastions in a row, SOCKS5 and HTTP proxies, and what they refuse."""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators import keys
from vmforge.errors import CommunicatorError, Interrupted
from vmforge.sdk import Endpoint


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without `known_hosts`."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    return folder


def logins(server: Any) -> int:
    return (server.folder / "log").read_text().count("Accepted ")


def through(server: Any, **options: Any) -> dict[str, Any]:
    """The options for a bastion that one logs in to with its own key."""
    values = {
        "ssh_bastion_host": "127.0.0.1",
        "ssh_bastion_port": server.port,
        "ssh_bastion_private_key_file": str(server.key),
    }
    return values | options


def normal(text: str) -> str:
    return re.sub(r":\d+", ":PORT", text)


# Bastions


def test_bastion(client: Any, own_sshd: Any, sshd: Any, tmp_path: Path) -> None:
    communicator = client.connect(sshd, **through(own_sshd))
    assert communicator.run("true") == 0
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    communicator.upload(tmp_path / "file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "file").read_bytes()
    communicator.reconnect(1)
    assert communicator.run("true") == 0
    assert logins(own_sshd) == 1  # one connection to the bastion serves them all
    told = [normal(text) for text in client.ui.texts("message")]
    assert re.fullmatch(
        r"SSH: the bastion `127.0.0.1:PORT` is not in `known_hosts`; `ssh-ed25519 SHA256:.*`", told[0]
    )


def test_bastions_in_a_row(client: Any, own_sshd: Any, bare_sshd: Any, sshd: Any) -> None:
    keys_of_both = own_sshd.authorized_keys.read_text() + bare_sshd.authorized_keys.read_text()
    own_sshd.authorized_keys.write_text(keys_of_both)
    before = logins(bare_sshd)
    row = f"127.0.0.1:{own_sshd.port},localhost:{bare_sshd.port}"
    options = {"ssh_bastion_host": row, "ssh_bastion_private_key_file": str(bare_sshd.key)}
    assert client.connect(sshd, **options).run("true") == 0
    assert (logins(own_sshd), logins(bare_sshd) - before) == (1, 1)


def test_bastion_that_restarts_is_connected_to_anew(client: Any, own_sshd: Any, sshd: Any) -> None:
    communicator = client.connect(sshd, **through(own_sshd))
    own_sshd.stop()
    own_sshd.start()
    communicator.reconnect(20)
    assert communicator.run("true") == 0
    assert logins(own_sshd) == 2


def test_guest_behind_a_bastion_that_comes_up_late(client: Any, own_sshd: Any, sshd: Any, relay: Any) -> None:
    own_sshd.stop()  # this one plays the guest
    threading.Timer(0.5, own_sshd.start).start()
    assert client.connect(own_sshd, **through(sshd)).run("true") == 0
    told = [normal(text) for text in client.ui.texts("message")]
    assert told[1] == "SSH: the bastion `127.0.0.1:PORT` cannot connect to 127.0.0.1:PORT (127.0.0.1:PORT)"


def test_guest_that_hangs_behind_a_bastion(client: Any, own_sshd: Any, sshd: Any, relay: Any) -> None:
    line = relay(sshd.port, lambda number: "hang" if number == 0 else "pass")
    communicator = client.connect(line.endpoint, server=sshd, **through(own_sshd))
    assert communicator.run("true") == 0


def test_key_of_the_guest_opens_the_bastion_too(client: Any, own_sshd: Any) -> None:
    options = {"ssh_bastion_host": f"127.0.0.1:{own_sshd.port}"}
    assert client.connect(own_sshd, **options).run("true") == 0


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
def test_certificate_for_the_bastion(client: Any, own_sshd: Any, sshd: Any, tmp_path: Path) -> None:
    authority, key = tmp_path / "authority", tmp_path / "key"
    for path in (authority, key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    user = client.connector().config.ssh_username
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", "-n", user, f"{key}.pub"]
    subprocess.run(sign, check=True)
    own_sshd.stop()
    own_sshd.settings = (*own_sshd.settings, f"TrustedUserCAKeys {authority}.pub")
    own_sshd.start()
    options = through(
        own_sshd, ssh_bastion_private_key_file=str(key), ssh_bastion_certificate_file=f"{key}-cert.pub"
    )
    assert client.connect(sshd, **options).run("true") == 0


def test_agent_for_the_bastion(
    client: Any, own_sshd: Any, sshd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("ssh-agent") is None:
        pytest.skip("needs ssh-agent")
    address = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", address)
    while not Path(address).exists():
        assert process.poll() is None
    try:
        subprocess.run(["ssh-add", "-q", str(own_sshd.key)], check=True)
        options = {
            "ssh_bastion_host": "127.0.0.1",
            "ssh_bastion_port": own_sshd.port,
            "ssh_bastion_agent_auth": True,
        }
        assert client.connect(sshd, **options).run("true") == 0
    finally:
        process.terminate()
        process.wait()


def test_refused_by_the_bastion_is_final(client: Any, scripted: Any) -> None:
    bastion = scripted(user="me", password="right")
    options = {"ssh_bastion_username": "me", "ssh_bastion_password": "wrong", "ssh_timeout": "10m"}
    with pytest.raises(CommunicatorError) as caught:
        client.connect(
            Endpoint("127.0.0.1", 9),
            ssh_password="x",
            ssh_bastion_host=f"127.0.0.1:{bastion.endpoint.port}",
            **options,
        )
    assert normal(caught.value.message) == (
        "bastion `127.0.0.1:PORT`: login of `me` refused: tried the password, the server takes `publickey`, "
        "`password`"
    )
    assert caught.value.hint == "check `ssh_bastion_username` and what goes with it"
    assert bastion.script.asked == ["password"]


def test_bastions_questions_are_put_to_the_user(client: Any, scripted: Any) -> None:
    bastion = scripted(methods="keyboard-interactive", user="me", password="123456")
    client.ui.answers.append("123456")
    options = {"ssh_bastion_host": f"me@127.0.0.1:{bastion.endpoint.port}", "ssh_bastion_interactive": True}
    # it lets us in, and passes nothing on
    with pytest.raises(CommunicatorError) as caught:
        client.connect(Endpoint("127.0.0.1", 9), ssh_password="x", ssh_timeout="10m", **options)
    assert client.ui.texts("ask") == ["the bastion asks: Password: "]
    assert normal(caught.value.message) == (
        "the bastion `127.0.0.1:PORT` does not pass connections on to 127.0.0.1:PORT"
    )
    assert "`AllowTcpForwarding`" in caught.value.hint


def test_bastion_that_is_not_there_is_waited_for(client: Any, sshd: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = {"ssh_bastion_host": f"127.0.0.1:{port}", "ssh_timeout": "500ms"}
    with pytest.raises(CommunicatorError) as caught:
        client.connect(sshd, **options)
    assert normal(caught.value.message).endswith(
        "last seen: the bastion `127.0.0.1:PORT` cannot be reached: Connection refused"
    )
    assert caught.value.hint == "check `ssh_bastion_host`"


def test_key_of_the_bastion_is_held_against_known_hosts(
    client: Any, own_sshd: Any, sshd: Any, home: Path
) -> None:
    known, name = home / ".ssh" / "known_hosts", f"[127.0.0.1]:{own_sshd.port}"
    right = keys.as_pair(keys.read_private(own_sshd.folder / "host-key")).public
    known.write_text(f"{name} {right}\n")
    assert client.connect(sshd, **through(own_sshd)).run("true") == 0
    assert not [text for text in client.ui.texts("message") if "known_hosts" in text]
    known.write_text(f"{name} {keys.generate(keys.KeyType.ED25519, 0, '').public}\n")
    with pytest.raises(CommunicatorError) as caught:
        client.connect(sshd, **through(own_sshd))
    assert re.fullmatch(
        r"the bastion `\[127.0.0.1\]:\d+` shows the host key `ssh-ed25519 SHA256:\S+`, but "
        r"`~/.ssh/known_hosts` has `ssh-ed25519 SHA256:\S+`",
        caught.value.message,
    )
    assert caught.value.hint.endswith(f"`ssh-keygen -R '{name}'`")


def test_cancellation_ends_the_wait_for_a_bastion(client: Any, greeter: Any, sshd: Any) -> None:
    where = greeter(b"SSH-2.0-Stuck_1.0\r\n").endpoint
    threading.Timer(0.3, client.context.cancellation.cancel).start()
    with pytest.raises(Interrupted):
        client.connect(sshd, ssh_bastion_host=f"127.0.0.1:{where.port}")


def test_nothing_of_a_bastion_is_left(client: Any, own_sshd: Any, sshd: Any) -> None:
    before = set(threading.enumerate())
    communicator = client.connect(sshd, **through(own_sshd))
    communicator.run("true")
    communicator.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()


# Proxies


class Proxy:
    """A proxy for the tests. `kind` is `socks` or `http`; with `login` ("user:password") it lets nobody else
    through; `answer` is what it answers to a request in place of connecting."""

    def __init__(self, kind: str, login: str = "", answer: bytes = b"") -> None:
        self._serve = {"socks": self._socks, "http": self._http}[kind]
        self._login, self._answer = login, answer
        self.asked: list[str] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._sockets.append(near)
                threading.Thread(target=self._run, args=(near,), daemon=True).start()

    def _run(self, near: socket.socket) -> None:
        # a client that goes away leaves less than is read for
        with contextlib.suppress(OSError, ValueError), near, near.makefile("rb", buffering=0) as words:
            self._serve(near, words)

    def _socks(self, near: socket.socket, words: Any) -> None:
        _, count = words.read(2)
        methods = words.read(count)
        wanted = 2 if self._login else 0
        near.sendall(bytes([5, wanted if wanted in methods else 255]))
        if self._login:
            _, length = words.read(2)
            user = words.read(length)
            right = user + b":" + words.read(words.read(1)[0]) == self._login.encode()
            near.sendall(bytes([1, 0 if right else 1]))
        _, _, _, kind = words.read(4)
        host = words.read(words.read(1)[0]).decode() if kind == 3 else socket.inet_ntoa(words.read(4))
        self._go_on(near, host, int.from_bytes(words.read(2), "big"), b"\5\0\0\1\0\0\0\0\0\0")

    def _http(self, near: socket.socket, words: Any) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += words.read(1)
        login = base64.b64encode(self._login.encode())
        if self._login and b"Proxy-Authorization: Basic " + login not in head:
            near.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        self._go_on(near, host, int(port), b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")

    def _go_on(self, near: socket.socket, host: str, port: int, greeting: bytes) -> None:
        self.asked.append(host)
        if self._answer:
            near.sendall(self._answer)
            return
        far = socket.create_connection(("127.0.0.1", port))
        self._sockets.append(far)
        near.sendall(greeting)
        threading.Thread(target=self._pump, args=(far, near), daemon=True).start()
        self._pump(near, far)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._sockets):
            one.close()


@pytest.fixture
def proxy() -> Iterator[Callable[..., Proxy]]:
    made: list[Proxy] = []

    def make(kind: str, **options: Any) -> Proxy:
        made.append(Proxy(kind, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def by_way_of(proxy: Proxy, kind: str, **options: Any) -> dict[str, Any]:
    host = "127.0.0.1" if kind == "socks" else f"http://127.0.0.1:{proxy.port}"
    return {"ssh_proxy_host": host, "ssh_proxy_port": proxy.port} | options


LOGIN = {"ssh_proxy_username": "me", "ssh_proxy_password": "hush"}


@pytest.mark.parametrize("kind", ["socks", "http"])
@pytest.mark.parametrize("login", [False, True])
def test_proxy(kind: str, login: bool, client: Any, sshd: Any, proxy: Any) -> None:
    gate = proxy(kind, login="me:hush" if login else "")
    # the name means something to the proxy only
    where = Endpoint("guest.invalid", sshd.port)
    options = by_way_of(gate, kind, **(LOGIN if login else {}))
    assert client.connect(where, server=sshd, **options).run("true") == 0
    assert set(gate.asked) == {"guest.invalid"}


def test_proxy_gets_addresses_as_such(client: Any, sshd: Any, proxy: Any) -> None:
    gate = proxy("socks")
    assert client.connect(sshd, **by_way_of(gate, "socks")).run("true") == 0
    assert set(gate.asked) == {"127.0.0.1"}


def test_bastion_behind_a_proxy(client: Any, own_sshd: Any, sshd: Any, proxy: Any) -> None:
    gate = proxy("socks")
    options = by_way_of(gate, "socks") | through(own_sshd, ssh_bastion_host="gate.invalid")
    assert client.connect(sshd, **options).run("true") == 0
    assert (gate.asked, logins(own_sshd)) == (["gate.invalid"], 1)


@pytest.mark.parametrize("kind", ["socks", "http"])
@pytest.mark.parametrize("options", [{}, LOGIN | {"ssh_proxy_password": "wrong"}])
def test_proxy_that_lets_us_not_through(kind: str, options: Any, client: Any, sshd: Any, proxy: Any) -> None:
    gate = proxy(kind, login="me:hush")
    with pytest.raises(CommunicatorError, match=r"^the proxy `.*` refuses ") as caught:
        client.connect(sshd, ssh_timeout="10m", **by_way_of(gate, kind), **options)
    assert "`ssh_proxy_username` and `ssh_proxy_password`" in caught.value.hint
    assert "wrong" not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        ("socks", b"\5\5\0\1\0\0\0\0\0\0", "cannot connect to 127.0.0.1:PORT: connection refused"),
        ("http", b"HTTP/1.1 503 Down\r\n\r\n", "cannot connect to 127.0.0.1:PORT: 503 Down"),
        ("http", b"", "does not answer as one of its kind: "),
        (
            "http",
            b"220 mail ESMTP\r\n\r\n",
            "does not answer as one of its kind: it speaks no HTTP",
        ),
    ],
)
def test_proxy_that_cannot_connect_is_tried_again(
    kind: str, answer: bytes, reason: str, client: Any, sshd: Any, proxy: Any, greeter: Any
) -> None:
    gate = proxy(kind, answer=answer) if answer else greeter(close=True)
    port = gate.port if answer else gate.endpoint.port
    host = f"{'socks5' if kind == 'socks' else 'http'}://127.0.0.1:{port}"
    with pytest.raises(CommunicatorError) as caught:
        client.connect(sshd, ssh_proxy_host=host, ssh_timeout="500ms")
    message = normal(caught.value.message)
    assert f"the proxy `{host.replace(str(port), 'PORT')}` {reason}" in message
    assert "tries)" in message


def test_proxy_that_forbids_the_guest(client: Any, sshd: Any, proxy: Any) -> None:
    gate = proxy("socks", answer=b"\5\2\0\1\0\0\0\0\0\0")
    with pytest.raises(CommunicatorError, match=r"refuses connections to 127.0.0.1:"):
        client.connect(sshd, ssh_timeout="10m", **by_way_of(gate, "socks"))
