"""Commands over a real SSH server: output, status, and the ways in which they end."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from paramiko.common import MSG_CHANNEL_EOF

from vmforge.communicators.ssh import commands
from vmforge.errors import CommunicatorError, Interrupted


def collect(communicator: Any, command: str, **options: Any) -> tuple[int, list[tuple[str, bool]]]:
    lines: list[tuple[str, bool]] = []
    status = communicator.run(command, lambda line, error: lines.append((line, error)), **options)
    return status, lines


def test_both_streams_come_by_line_with_the_status(client: Any, sshd: Any) -> None:
    status, lines = collect(client.connect(sshd), "echo one; echo two >&2; printf three; exit 7")
    assert status == 7
    assert sorted(lines) == [("one", False), ("three", False), ("two", True)]


def test_lines_come_while_the_command_runs(client: Any, sshd: Any, tmp_path: Any) -> None:
    communicator = client.connect(sshd)
    flag = tmp_path / "go"
    # the command goes on only after its first line has been seen here
    status = communicator.run(
        f"echo first; while [ ! -e {flag} ]; do sleep 0.01; done",
        lambda line, error: flag.touch(),
        timeout=20,
    )
    assert status == 0


def test_much_output_arrives_whole(client: Any, sshd: Any) -> None:
    status, lines = collect(client.connect(sshd), "seq 1 200000; seq 1 50000 >&2")
    assert status == 0
    assert [line for line, error in lines if not error] == [str(n) for n in range(1, 200001)]
    assert [line for line, error in lines if error] == [str(n) for n in range(1, 50001)]


def test_standard_input_is_empty(client: Any, sshd: Any) -> None:
    assert client.connect(sshd).run("cat", timeout=20) == 0


def test_terminal_only_with_pty(client: Any, sshd: Any) -> None:
    assert client.connect(sshd).run("test -t 1") == 1
    status, lines = collect(client.connect(sshd, ssh_pty=True), "test -t 1 && echo a terminal")
    assert (status, lines) == (0, [("a terminal", False)])


def test_status_that_comes_after_the_output_has_ended(client: Any, sshd: Any) -> None:
    status, _ = collect(client.connect(sshd), "exec >&- 2>&-; sleep 0.3; exit 4")
    assert status == 4


def test_process_left_behind_does_not_hold_the_build_up(
    client: Any, sshd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_LINGER", 0.2)
    status, lines = collect(client.connect(sshd), "echo started; sleep 30 & exit 0", timeout=60)
    assert (status, lines) == (0, [("started", False)])


def test_time_out(client: Any, sshd: Any) -> None:
    communicator = client.connect(sshd)
    with pytest.raises(CommunicatorError) as caught:
        communicator.run("sleep 30", timeout=0.3)
    assert caught.value.message == "`sleep 30` did not end within 0.3 s"
    assert communicator.run("true") == 0  # the connection is as good as before


def test_killed_command_has_no_status(client: Any, sshd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_LAST_GASP", 0.2)
    with pytest.raises(CommunicatorError, match="without an exit status: something in the guest killed it"):
        client.connect(sshd).run("kill -9 $$")


def test_connection_that_breaks(client: Any, sshd: Any, relay: Any) -> None:
    line = relay(sshd.port)
    communicator = client.connect(line.endpoint, server=sshd)
    with pytest.raises(CommunicatorError) as caught:
        communicator.run("echo up; sleep 30", lambda text, error: line.cut())
    assert caught.value.message == "the connection to the guest broke while `echo up; sleep 30` ran"
    assert "expect_disconnect" in caught.value.hint


def test_silent_connection_is_given_up_on_request(client: Any, sshd: Any, relay: Any) -> None:
    line = relay(sshd.port)
    options = {"ssh_read_write_timeout": "500ms", "ssh_keep_alive_interval": "100ms"}
    communicator = client.connect(line.endpoint, server=sshd, **options)
    assert communicator.run("sleep 1.2") == 0  # quiet, but the keep-alives are answered
    with pytest.raises(CommunicatorError, match="broke while"):
        communicator.run("echo up; sleep 30", lambda text, error: line.frozen.set())


def test_cancellation_ends_a_command_at_once(client: Any, sshd: Any) -> None:
    communicator = client.connect(sshd)
    began = threading.Event()
    threading.Thread(target=lambda: (began.wait(), client.context.cancellation.cancel())).start()
    with pytest.raises(Interrupted):
        communicator.run("echo up; sleep 30", lambda line, error: began.set())
    with pytest.raises(Interrupted):
        communicator.run("true")


def test_close_from_another_thread_ends_a_command(client: Any, sshd: Any) -> None:
    communicator = client.connect(sshd)
    began = threading.Event()
    threading.Thread(target=lambda: (began.wait(), communicator.close())).start()
    with pytest.raises(CommunicatorError):
        communicator.run("echo up; sleep 30", lambda line, error: began.set())
    communicator.reconnect(20)
    assert communicator.run("true") == 0


def test_threads_are_gone_after_close(client: Any, sshd: Any) -> None:
    before = set(threading.enumerate())
    communicator = client.connect(sshd)
    communicator.run("true")
    communicator.close()
    end = time.monotonic() + 20
    while set(threading.enumerate()) - before:
        assert time.monotonic() < end
        time.sleep(0.01)


def discreet(client: Any, sshd: Any, **options: Any) -> Any:
    client.context = replace(client.context, hide=lambda text: text.replace("CANARY", "<sensitive>"))
    return client.connect(sshd, **options)


@pytest.mark.parametrize("pty", [False, True])
def test_command_with_a_secret_is_on_no_command_line(pty: bool, client: Any, sshd: Any) -> None:
    communicator = discreet(client, sshd, ssh_pty=pty)
    command = "X='CANARY'; tr '\\0' ' ' < /proc/$$/cmdline; tr '\\0' ' ' < /proc/$PPID/cmdline; echo; "
    for _ in range(2):
        status, lines = collect(communicator, f'{command} echo "${{#X}}"; exit 7', timeout=20)
        assert (status, lines[-1]) == (7, ("6", False))
        assert "CANARY" not in str(lines)
        assert "eval" in lines[0][0]


def test_command_with_a_secret_has_an_empty_standard_input(client: Any, sshd: Any) -> None:
    status, lines = collect(discreet(client, sshd), ": CANARY; cat; echo end", timeout=20)
    assert (status, lines) == (0, [("end", False)])


def test_long_command_with_a_secret(client: Any, sshd: Any) -> None:
    text = "x" * 100_000
    _, lines = collect(discreet(client, sshd), f": CANARY; echo {text}")
    assert "".join(line for line, _ in lines) == text


def test_half_a_secret_is_not_shown(client: Any, sshd: Any) -> None:
    with pytest.raises(CommunicatorError) as caught:
        discreet(client, sshd).run("x" * 40 + " = 1; y=12345678CANARY; sleep 30", timeout=0.3)
    assert "CAN" not in caught.value.message


def test_shell_that_does_not_read_commands_gets_them_as_they_are(
    client: Any, sshd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmforge.communicators.ssh.discretion._FROM_INPUT", "no-such-command")
    assert collect(discreet(client, sshd), "echo CANARY")[1] == [("CANARY", False)]


def test_an_end_of_input_that_is_late_breaks_nothing(
    client: Any, sshd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command has ended, and its channel is closed, before it is told that no input comes."""
    communicator = client.connect(sshd)
    transport = communicator._session.transport
    send = transport._send_user_message

    def send_late(message: Any) -> None:
        if message.asbytes()[0] == MSG_CHANNEL_EOF:
            time.sleep(0.3)
        send(message)

    monkeypatch.setattr(transport, "_send_user_message", send_late)
    assert communicator.run("true") == 0
    assert communicator.run("true") == 0
    assert transport.is_active()
