"""The SSH adapter against OpenSSH's own clients."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmforge.communicators import keys
from vmforge.communicators.ssh.adapter import SshAdapter
from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import Output
from vmforge.sdk.adapter import AdapterKeyType, AdapterLogin, AdapterSettings, ssh_adapter
from vmforge.sdk.testing import FakeCommunicator, fake_context

pytestmark = pytest.mark.skipif(
    shutil.which("sftp") is None, reason="needs OpenSSH's clients: apt-get install openssh-client"
)


class LocalGuest(FakeCommunicator):
    """A guest whose commands run on this machine, in a folder of its own."""

    def __init__(self, home: Path) -> None:
        super().__init__(Path("/"))
        self.home = home

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        self.commands.append(command)
        if command == "lose the guest":
            raise CommunicatorError("the guest is gone")
        done = subprocess.run(
            ["sh", "-c", command], check=False, capture_output=True, text=True, cwd=self.home
        )
        for text, error in ((done.stdout, False), (done.stderr, True)):
            for line in text.splitlines():
                if output is not None:
                    output(line, error)
        return done.returncode


@pytest.fixture
def guest(tmp_path: Path) -> LocalGuest:
    (tmp_path / "home").mkdir()
    return LocalGuest(tmp_path / "home")


def options(login: AdapterLogin, key: Path | None = None) -> list[str]:
    return [
        *(
            "-F",
            "/dev/null",
            "-i",
            str(key or login.key_file),
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
        ),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
    ]


def ssh(login: AdapterLogin, command: str, key: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ssh", *options(login, key), "-p", str(login.port), f"anybody@{login.host}", command],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def sftp(login: AdapterLogin, batch: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sftp", *options(login), "-P", str(login.port), "-b", "-", f"anybody@{login.host}"],
        input=batch,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def login(guest: LocalGuest, tmp_path: Path) -> Iterator[AdapterLogin]:
    (tmp_path / "scratch").mkdir()
    with ssh_adapter(fake_context(tmp_path / "scratch"), guest, AdapterSettings()) as made:
        yield made


def test_commands_are_the_guests(guest: LocalGuest, login: AdapterLogin) -> None:
    done = ssh(login, "pwd; echo oops >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{guest.home}\n", "oops\n")


def test_a_guest_that_is_lost_is_told(login: AdapterLogin) -> None:
    done = ssh(login, "lose the guest")
    assert done.returncode == 255 and "the guest is gone" in done.stderr


def test_files_travel_both_ways(guest: LocalGuest, login: AdapterLogin, tmp_path: Path) -> None:
    big = os.urandom(3 * 1024 * 1024)
    (tmp_path / "up").write_bytes(big)
    (tmp_path / "up").chmod(0o750)
    batch = f"put -p {tmp_path}/up made\nmkdir folder\nrename made folder/made\nls -1 folder\n"
    done = sftp(login, f"{batch}get folder/made {tmp_path}/down\nchmod 600 folder/made\n")
    assert done.returncode == 0, done.stderr
    made = guest.home / "folder" / "made"
    assert made.read_bytes() == big == (tmp_path / "down").read_bytes()
    assert made.stat().st_mode & 0o777 == 0o600
    assert "folder/made" in done.stdout
    assert sftp(login, "rm folder/made\nrmdir folder\n").returncode == 0
    assert list(guest.home.iterdir()) == []


def test_files_that_cannot_travel(login: AdapterLogin, tmp_path: Path) -> None:
    (tmp_path / "up").write_text("x")
    for batch in (f"get none {tmp_path}/down\n", f"put {tmp_path}/up no/such/folder/x\n", "ls none\n"):
        assert sftp(login, batch).returncode != 0


def test_only_the_right_key_opens_it(login: AdapterLogin, tmp_path: Path) -> None:
    keys.generate(keys.KeyType.ED25519, 0, "other").write_private(tmp_path / "other")
    assert ssh(login, "true", tmp_path / "other").returncode == 255
    assert login.key_file is not None and login.key_file.stat().st_mode & 0o777 == 0o600


def test_keys_of_the_users_own(guest: LocalGuest, tmp_path: Path) -> None:
    pair = keys.generate(keys.KeyType.ED25519, 0, "mine")
    pair.write_private(tmp_path / "mine")
    (tmp_path / "mine.pub").write_text(pair.public)
    keys.generate(keys.KeyType.ED25519, 0, "host").write_private(tmp_path / "host")
    settings = AdapterSettings(
        key_type=AdapterKeyType.RSA,
        host_key_file=tmp_path / "host",
        authorized_key_file=tmp_path / "mine.pub",
    )
    with SshAdapter(fake_context(tmp_path), guest, settings) as login:
        assert login.key_file is None
        assert ssh(login, "echo hello", tmp_path / "mine").stdout == "hello\n"
        scan = ["ssh-keyscan", "-p", str(login.port), "-t", "ed25519", login.host]
        assert "ssh-ed25519" in subprocess.run(scan, check=True, capture_output=True, text=True).stdout


def test_it_ends_with_the_provisioner(guest: LocalGuest, tmp_path: Path) -> None:
    with SshAdapter(fake_context(tmp_path), guest, AdapterSettings()) as login:
        port = login.port
    with pytest.raises(OSError):
        socket.create_connection((login.host, port), 1)


def test_what_it_cannot_use(guest: LocalGuest, tmp_path: Path) -> None:
    context = fake_context(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = AdapterSettings(port=taken.getsockname()[1])
        with pytest.raises(HostError, match="cannot listen"):
            SshAdapter(context, guest, settings).__enter__()
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(CommunicatorError, match="`ssh_host_key_file`"):
        SshAdapter(context, guest, AdapterSettings(host_key_file=tmp_path / "junk")).__enter__()
    with pytest.raises(CommunicatorError, match="`ssh_authorized_key_file`"):
        SshAdapter(context, guest, AdapterSettings(authorized_key_file=tmp_path / "none")).__enter__()
