"""The ways to log in, and the algorithms that are offered."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators import keys
from vmforge.errors import CommunicatorError

needs_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


def authorize(server: Any, public: str) -> None:
    with server.authorized_keys.open("a") as file:
        file.write(f"{public}\n")


@pytest.mark.parametrize("methods", ["password", "keyboard-interactive", "publickey,password"])
def test_password(methods: str, client: Any, scripted: Any) -> None:
    server = scripted(methods=methods)
    client.connect(server.endpoint, ssh_username="packer", ssh_password="secret")
    assert server.script.asked == [methods.rpartition(",")[2]]


def test_password_is_asked_for_once_where_there_are_two_ways(client: Any, scripted: Any) -> None:
    server = scripted(methods="password,keyboard-interactive", late=1)
    client.connect(server.endpoint, ssh_username="packer", ssh_password="secret")
    assert server.script.asked == ["password", "password"]


def test_key_goes_before_the_password(client: Any, scripted: Any, sshd: Any) -> None:
    server = scripted()
    client.connect(server.endpoint, server=sshd, ssh_username="packer", ssh_password="secret")
    assert server.script.asked == ["publickey", "password"]


def test_server_that_demands_both(client: Any, scripted: Any, sshd: Any) -> None:
    server = scripted(methods="publickey", then="password")
    client.connect(server.endpoint, server=sshd, ssh_username="packer", ssh_password="secret")
    assert server.script.asked[-2:] == ["publickey", "password"]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_temporary_key(kind: str, client: Any, own_sshd: Any) -> None:
    connector = client.connector(temporary_key_pair_type=kind, temporary_key_pair_bits=2048 * (kind == "rsa"))
    values = connector.prepare(client.context)
    authorize(own_sshd, values["SSHPublicKey"])
    communicator = connector.connect(client.context, lambda: own_sshd.endpoint)
    assert communicator.run("true") == 0
    communicator.close()


@needs_keygen
@pytest.mark.parametrize(
    "arguments",
    [("-t", "rsa", "-b", "2048", "-m", "PEM"), ("-t", "ecdsa", "-m", "PKCS8"), ("-t", "ecdsa", "-b", "384")],
    ids=" ".join,
)
def test_key_files_of_every_format(
    arguments: tuple[str, ...], client: Any, own_sshd: Any, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", str(path), *arguments], check=True)
    authorize(own_sshd, Path(f"{path}.pub").read_text())
    assert client.connect(own_sshd, ssh_private_key_file=str(path)).run("true") == 0


@needs_keygen
def test_key_with_a_passphrase(client: Any, sshd: Any, tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "words", "-f", str(path)], check=True)
    with pytest.raises(CommunicatorError) as caught:
        client.connect(sshd, ssh_private_key_file=str(path))
    assert caught.value.message == f"the private key `{path}` is protected by a passphrase"
    assert caught.value.hint == "load it into an agent (`ssh-add`) and set `ssh_agent_auth = true`"


def test_file_that_is_no_key(client: Any, sshd: Any, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("ssh-ed25519 AAAA a public key\n")
    with pytest.raises(CommunicatorError, match="holds no private key that can be read"):
        client.connect(sshd, ssh_private_key_file=str(path))


def trust_authority(server: Any, folder: Path) -> Path:
    """A key with a certificate beside it that opens the server."""
    authority, key = folder / "authority", folder / "key"
    for path in (authority, key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", "-n", getpass.getuser(), f"{key}.pub"]
    subprocess.run(sign, check=True)
    server.stop()
    server.settings = (*server.settings, f"TrustedUserCAKeys {authority}.pub")
    server.start()
    return key


@needs_keygen
def test_certificate(client: Any, own_sshd: Any, tmp_path: Path) -> None:
    key = trust_authority(own_sshd, tmp_path)
    options = {"ssh_private_key_file": str(key), "ssh_certificate_file": f"{key}-cert.pub"}
    assert client.connect(own_sshd, **options).run("true") == 0
    with pytest.raises(CommunicatorError, match="is no certificate for the key"):
        client.connect(own_sshd, **(options | {"ssh_certificate_file": str(own_sshd.key)}))


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An SSH agent of the test's own, empty."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("needs ssh-agent")
    address = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", address)
    while not Path(address).exists():
        assert process.poll() is None
    yield
    process.terminate()
    process.wait()


@pytest.mark.usefixtures("agent")
def test_agent(client: Any, sshd: Any) -> None:
    options = {"ssh_agent_auth": True, "ssh_timeout": "1s"}
    with pytest.raises(CommunicatorError) as caught:
        client.connect(sshd.endpoint, **options)
    assert caught.value.hint == "load a key into your agent with `ssh-add`"
    subprocess.run(["ssh-add", "-q", str(sshd.key)], check=True)
    assert client.connect(sshd.endpoint, **options).run("true") == 0


@needs_keygen
@pytest.mark.usefixtures("agent")
def test_certificate_that_the_agent_has(client: Any, own_sshd: Any, tmp_path: Path) -> None:
    trust_authority(own_sshd, tmp_path)
    (tmp_path / "key.pub").unlink()  # the agent finds the certificate beside the key
    subprocess.run(["ssh-add", "-q", str(tmp_path / "key")], check=True)
    assert client.connect(own_sshd.endpoint, ssh_agent_auth=True).run("true") == 0


@pytest.mark.usefixtures("agent")
def test_agent_is_forwarded_unless_told_otherwise(client: Any, sshd: Any) -> None:
    subprocess.run(["ssh-add", "-q", str(sshd.key)], check=True)
    lines: list[str] = []
    status = client.connect(sshd).run("ssh-add -l", lambda line, error: lines.append(line))
    assert (status, len(lines)) == (0, 1)
    assert "ED25519" in lines[0]
    assert client.connect(sshd, ssh_disable_agent_forwarding=True).run("ssh-add -l") != 0


def test_algorithms_of_the_template(client: Any, sshd: Any) -> None:
    communicator = client.connect(
        sshd,
        ssh_ciphers=["rot13", "aes256-ctr"],
        ssh_key_exchange_algorithms=["ecdh-sha2-nistp521"],
    )
    transport = communicator._session.transport
    assert transport.local_cipher == "aes256-ctr"
    assert transport.get_security_options().kex == ("ecdh-sha2-nistp521",)


def test_fastest_cipher_comes_first(client: Any, sshd: Any) -> None:
    assert client.connect(sshd)._session.transport.local_cipher == "aes128-gcm@openssh.com"


def test_fastest_cipher_of_an_emulated_guest_comes_first(client: Any, sshd: Any) -> None:
    transport = client.connect(sshd, time_scale=10)._session.transport
    assert transport.local_cipher == transport.remote_cipher == "chacha20-poly1305@openssh.com"


def test_algorithms_that_nobody_knows(client: Any, sshd: Any) -> None:
    with pytest.raises(CommunicatorError) as caught:
        client.connect(sshd, ssh_ciphers=["rot13"])
    assert caught.value.message == "`ssh_ciphers` names nothing that vmforge can use"
    assert "`aes128-gcm@openssh.com`" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "bits", "start"),
    [
        (keys.KeyType.ED25519, 0, "ssh-ed25519 "),
        (keys.KeyType.ECDSA, 0, "ecdsa-sha2-nistp521 "),
        (keys.KeyType.ECDSA, 256, "ecdsa-sha2-nistp256 "),
        (keys.KeyType.RSA, 2048, "ssh-rsa "),
    ],
)
def test_generated_keys(kind: keys.KeyType, bits: int, start: str, tmp_path: Path) -> None:
    pair = keys.generate(kind, bits, "a comment")
    assert pair.public.startswith(start)
    assert pair.public.endswith(" a comment")
    pair.write_private(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    read = keys.read_private(tmp_path / "key")
    assert keys.kind_of(read) is kind
    assert keys.as_pair(read, "a comment").public == pair.public
    assert pair.private.value not in repr(pair)
