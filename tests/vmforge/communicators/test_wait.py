"""The wait for a guest: what each state of a guest looks like, and that nothing is waited for too long."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from vmforge.communicators.ssh import probe
from vmforge.communicators.ssh.dialer import Attempts
from vmforge.errors import CommunicatorError, Interrupted, MachineError
from vmforge.sdk import Endpoint


def told(client: Any) -> list[str]:
    """What the user was told, with ports left out."""
    return [re.sub(r":\d+\)", ":PORT)", text) for text in client.ui.texts("message")]


@pytest.fixture
def refusing() -> Endpoint:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Endpoint("127.0.0.1", int(listener.getsockname()[1]))


@pytest.fixture
def compare(client: Any, golden: Any) -> Callable[[str, CommunicatorError], None]:
    """Compares what was told during a wait, and the error at its end, with the recorded text."""

    def compare(name: str, error: CommunicatorError) -> None:
        message = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", error.message)
        message = re.sub(r"\((\d+ tries|1 try)\)", "(N tries)", message)
        message = re.sub(r"within [\d.]+ s", "within N s", message)
        shown = "\n".join([*told(client), f"error: {message}", f"hint: {error.hint}", ""])
        golden(f"ssh/{name}.txt", re.sub(r"SSH-2\.0-paramiko_[0-9.]+", "SSH-2.0-SERVER", shown))

    return compare


def in_vain(client: Any, endpoint: Any, **options: Any) -> CommunicatorError:
    values = {"ssh_timeout": "400ms", "ssh_password": "wrong", "ssh_username": "packer"} | options
    with pytest.raises(CommunicatorError) as caught:
        client.connect(endpoint, **values)
    return caught.value


# The states of a guest that never lets us in


def test_refused(client: Any, refusing: Endpoint, compare: Any) -> None:
    compare("refused", in_vain(client, refusing))


def test_closed_at_once(client: Any, greeter: Any, compare: Any) -> None:
    error = in_vain(client, greeter(close=True).endpoint)
    compare("closed-at-once", error)


def test_silent(client: Any, greeter: Any, compare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_SILENCE", 0.2)
    compare("silent", in_vain(client, greeter().endpoint, ssh_timeout="1s"))


def test_another_service(client: Any, greeter: Any, compare: Any) -> None:
    error = in_vain(client, greeter(b"HTTP/1.1 400 Bad Request\r\n").endpoint)
    compare("another-service", error)


def test_hangs_up_after_the_banner(client: Any, greeter: Any, compare: Any) -> None:
    error = in_vain(client, greeter(b"SSH-2.0-Fickle_1.0\r\n", close=True).endpoint)
    compare("hangs-up", error)


def test_unknown_name(client: Any) -> None:
    error = in_vain(client, Endpoint("no-such-host.invalid", 22))
    text = re.sub(r"resolved: [^;\n(]*", "resolved: REASON", error.message)
    assert text.partition("; ")[2] == "last seen: the name `no-such-host.invalid` cannot be resolved: REASON"
    assert error.hint == "correct `ssh_host`, or write an address"


def test_no_algorithm_in_common(client: Any, scripted: Any, compare: Any) -> None:
    server = scripted(ciphers=["aes256-ctr"])
    error = in_vain(client, server.endpoint, ssh_ciphers=["aes128-ctr"])
    compare("no-algorithm", error)


@pytest.mark.parametrize(
    ("name", "script", "options"),
    [
        ("wrong-password", {"methods": "publickey,password"}, {}),
        ("wrong-password-of-root", {"methods": "publickey,password"}, {"ssh_username": "root"}),
        ("password-not-taken", {"methods": "publickey"}, {}),
        ("temporary-key-unknown", {"methods": "publickey,password"}, {"ssh_password": None}),
    ],
)
def test_refused_login(
    name: str, script: Any, options: Any, client: Any, scripted: Any, compare: Any
) -> None:
    error = in_vain(client, scripted(**script).endpoint, **options)
    compare(name, error)


def test_login_with_the_wrong_key(client: Any, sshd: Any, own_sshd: Any) -> None:
    error = in_vain(client, sshd.endpoint, ssh_password=None, ssh_private_key_file=str(own_sshd.key))
    assert f"tried the key `{own_sshd.key}`, the server takes `publickey`" in error.message
    assert error.hint == "check `ssh_username` and the guest's `authorized_keys` (and its owner and mode)"


def test_what_was_reached_before_is_remembered(client: Any, greeter: Any) -> None:
    server = greeter(b"SSH-2.0-Fickle_1.0\r\n", close=True)
    asked: list[int] = []

    def endpoint() -> Endpoint:
        asked.append(1)
        if len(asked) == 3:
            server.close()
        return server.endpoint

    error = in_vain(client, endpoint, ssh_timeout="2s")
    assert "last seen: connection refused; earlier: `SSH-2.0-Fickle_1.0` hung up" in error.message


# Guests that come up in the end


def test_guest_that_comes_up_late(client: Any, own_sshd: Any) -> None:
    own_sshd.stop()
    threading.Timer(0.5, own_sshd.start).start()
    assert client.connect(own_sshd).run("true") == 0
    assert told(client)[0] == "SSH: connection refused (127.0.0.1:PORT)"


def test_connections_that_hang_are_left_behind(client: Any, sshd: Any, relay: Any) -> None:
    # QEMU's user network: what was accepted before the guest was up never answers
    line = relay(sshd.port, lambda number: "hang" if number < 2 else "pass")
    assert client.connect(line.endpoint, server=sshd).run("true") == 0
    assert line.count == 3


def test_banner_that_comes_late_is_waited_for(client: Any, sshd: Any, relay: Any) -> None:
    # every connection takes longer than the time until the next is begun: the first must not be given up
    line = relay(sshd.port, lambda number: 1.5)
    assert client.connect(line.endpoint, server=sshd).run("true") == 0
    assert line.count < 10  # OpenSSH drops connections when 10 have not logged in


def test_oldest_connections_are_kept_when_there_are_many(
    client: Any, sshd: Any, relay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_PATIENCE_FIRST", 0.03)
    monkeypatch.setattr(probe, "_PATIENCE_MOST", 0.03)
    line = relay(sshd.port, lambda number: 1.0 if number == 0 else "hang")
    assert client.connect(line.endpoint, server=sshd).run("true") == 0
    assert line.count > 10


def test_user_who_is_created_late(client: Any, scripted: Any) -> None:
    server = scripted(late=2)
    client.connect(server.endpoint, ssh_username="packer", ssh_password="secret")
    refusals = [text for text in told(client) if "refused" in text]
    assert len(refusals) == 1  # the same news is told once


def test_guest_that_moves(client: Any, sshd: Any, refusing: Endpoint) -> None:
    answers = iter([refusing, refusing])
    assert client.connect(lambda: next(answers, sshd.endpoint), server=sshd).run("true") == 0


def test_address_that_is_known_late(client: Any, sshd: Any) -> None:
    answers = iter([CommunicatorError("the guest has no address yet")] * 2)

    def endpoint() -> Endpoint:
        for error in answers:
            raise error
        return sshd.endpoint

    assert client.connect(endpoint, server=sshd).run("true") == 0
    assert told(client)[0] == "SSH: the guest has no address yet"


def test_address_that_is_never_known(client: Any) -> None:
    def endpoint() -> Endpoint:
        raise CommunicatorError("the guest has no address yet", hint="set `ssh_host`")

    error = in_vain(client, endpoint)
    assert re.sub(r"[\d.]+ s", "N s", error.message) == (
        "no SSH connection within N s; last seen: the guest has no address yet"
    )
    assert error.hint == "set `ssh_host`"


def test_name_with_several_addresses(client: Any, sshd: Any) -> None:
    # `localhost` may be ::1 first, where nothing listens
    assert client.connect(Endpoint("localhost", sshd.port), server=sshd).run("true") == 0


def test_dead_machine_ends_the_wait(client: Any, refusing: Endpoint) -> None:
    asked: list[int] = []

    def endpoint() -> Endpoint:
        asked.append(1)
        if len(asked) > 2:
            raise MachineError("the machine died")
        return refusing

    with pytest.raises(MachineError):
        client.connect(endpoint, ssh_password="x")


# Time, attempts, cancellation


@pytest.mark.parametrize("state", ["refused", "silent", "handshake", "login"])
def test_cancellation_ends_the_wait_at_once(
    state: str, client: Any, refusing: Endpoint, greeter: Any, scripted: Any
) -> None:
    places: dict[str, Callable[[], Endpoint]] = {
        "refused": lambda: refusing,
        "silent": lambda: greeter().endpoint,
        "handshake": lambda: greeter(b"SSH-2.0-Stuck_1.0\r\n").endpoint,
        "login": lambda: scripted().endpoint,
    }
    threading.Timer(0.7, client.context.cancellation.cancel).start()
    with pytest.raises(Interrupted):
        client.connect(places[state](), ssh_username="packer", ssh_password="wrong", ssh_timeout="10m")


def test_attempts_end_the_wait(client: Any, scripted: Any) -> None:
    error = in_vain(client, scripted().endpoint, ssh_handshake_attempts=1, ssh_timeout="10m")
    assert error.message.startswith(
        "`packer` was refused as often as `ssh_handshake_attempts` allows at 127.0.0.1:"
    )


@pytest.mark.parametrize(
    ("limit", "refused_at", "exhausted_at"),
    [
        (1, [0.0], 0.0),
        (2, [0.0, 1.0, 6.9, 7.1], 7.1),
        (3, [0.0, 1.0, 8.0, 9.0, 14.9, 15.5], 15.5),
        (None, [float(n) for n in range(100)], None),
        (0, [float(n) for n in range(100)], None),
    ],
)
def test_an_attempt_lasts_as_long_as_with_packer(
    limit: int | None, refused_at: list[float], exhausted_at: float | None
) -> None:
    attempts = Attempts(limit)
    assert next((now for now in refused_at if attempts.refused(now)), None) == exhausted_at


def test_time_scale_stretches_the_limit(client: Any, own_sshd: Any) -> None:
    own_sshd.stop()
    threading.Timer(1.0, own_sshd.start).start()
    assert client.connect(own_sshd, ssh_timeout="600ms", time_scale=20).run("true") == 0


def test_pause_before_connecting(client: Any, own_sshd: Any) -> None:
    restarted = threading.Event()

    def restart() -> None:
        own_sshd.stop()
        own_sshd.start()
        restarted.set()

    threading.Timer(0.3, restart).start()
    communicator = client.connect(own_sshd, pause_before_connecting="1500ms")
    assert restarted.is_set()
    assert communicator.run("true") == 0
    assert "SSH: waiting 1.5 s before connecting anew" in told(client)


# Reconnecting


def test_reconnect_waits_for_the_old_server_to_go(client: Any, own_sshd: Any) -> None:
    communicator = client.connect(own_sshd)
    communicator.upload(own_sshd.key, f"{own_sshd.folder}/copy")
    # the old server would still let us in: only the end of the old connection shows the restart
    went = threading.Event()
    threading.Timer(0.5, lambda: (went.set(), own_sshd.stop(), own_sshd.start())).start()
    communicator.reconnect(30)
    assert went.is_set()
    assert communicator.run("true") == 0
    communicator.upload(own_sshd.key, f"{own_sshd.folder}/copy")


def test_reconnect_to_a_guest_that_does_not_restart(client: Any, sshd: Any) -> None:
    communicator = client.connect(sshd)
    communicator.reconnect(1)
    assert communicator.run("true") == 0


def test_reconnect_in_vain(client: Any, own_sshd: Any) -> None:
    communicator = client.connect(own_sshd)
    own_sshd.stop()
    with pytest.raises(CommunicatorError, match=r"no SSH connection within [\d.]+ s .*connection refused"):
        communicator.reconnect(1)
