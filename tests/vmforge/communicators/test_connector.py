"""The components as the pipeline sees them: options, checks, run-time values, tidying up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators.none import NoneConnector
from vmforge.communicators.ssh import SshConnector
from vmforge.errors import CommunicatorError
from vmforge.sdk import Endpoint
from vmforge.sdk.options import options_of, secrets_of
from vmforge.sdk.testing import configure, fake_context


def problems_of(**values: Any) -> list[tuple[str, bool]]:
    config = configure(SshConnector, {"ssh_username": "root"}).config
    made = type(config)(**({"ssh_username": "root"} | values))
    return [(problem.summary, problem.warning) for problem in SshConnector.check(made)]


def test_validating_loads_no_library() -> None:
    code = (
        "import sys, vmforge.communicators.none, vmforge.communicators.ssh as ssh\n"
        "from vmforge.sdk.testing import configure\n"
        "configure(ssh.SshConnector, {'ssh_username': 'root'})\n"
        "print([name for name in ('paramiko', 'cryptography') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "[]\n"


def test_defaults() -> None:
    config = configure(SshConnector, {"ssh_username": "root"}).config
    assert not list(SshConnector.check(config))
    assert config.time_limit.seconds == 300
    assert config.makes_key_pair


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({}, 300),
        ({"ssh_timeout": "20m"}, 1200),
        ({"ssh_handshake_attempts": 50}, None),
        ({"ssh_handshake_attempts": 50, "ssh_timeout": "20m"}, 1200),
        ({"ssh_handshake_attempts": 0}, 300),
    ],
)
def test_time_limit_depends_on_the_attempts(values: Any, seconds: float | None) -> None:
    limit = configure(SshConnector, {"ssh_username": "root"} | values).config.time_limit
    assert (limit and limit.seconds) == seconds


def test_old_name_of_the_time_limit() -> None:
    assert options_of(SshConnector.config_type)["ssh_timeout"].info.aliases == ("ssh_wait_timeout",)


@pytest.mark.parametrize(
    ("values", "summary"),
    [
        ({"ssh_username": ""}, "`ssh_username` is empty"),
        ({"ssh_port": 0}, "`ssh_port` is 0, and ports go from 1 to 65535"),
        ({"ssh_timeout": "-1s"}, "`ssh_timeout` is negative"),
        ({"ssh_read_write_timeout": "-1s"}, "`ssh_read_write_timeout` is negative"),
        ({"pause_before_connecting": "-1s"}, "`pause_before_connecting` is negative"),
        ({"ssh_handshake_attempts": -1}, "`ssh_handshake_attempts` is negative"),
        ({"ssh_private_key_file": "/no/key"}, "`ssh_private_key_file`: there is no file `/no/key`"),
        ({"temporary_key_pair_type": "dsa"}, "SSH servers no longer accept `dsa` keys"),
        ({"temporary_key_pair_bits": 1024}, "an RSA key of 1024 bits is too weak; SSH servers refuse it"),
        (
            {"temporary_key_pair_type": "ecdsa", "temporary_key_pair_bits": 512},
            "an ECDSA key cannot have 512 bits",
        ),
        (
            {"ssh_certificate_file": "/etc/passwd"},
            "`ssh_certificate_file` needs the key that it is for",
        ),
        (
            {"ssh_local_tunnels": ["8080:80"]},
            "`ssh_local_tunnels`: `8080:80` is no tunnel; write `PORT:HOST:HOSTPORT`, as in "
            "`8080:localhost:80`",
        ),
        (
            {"ssh_remote_tunnels": ["99999:localhost:80"]},
            "`ssh_remote_tunnels`: 99999 is no port; ports go from 1 to 65535",
        ),
        (
            {"ssh_proxy_host": "ftp://proxy"},
            "`ssh_proxy_host`: a proxy of the kind `ftp` is not known; write `socks5://` or `http://`",
        ),
        (
            {"ssh_proxy_host": "http://me:pass@proxy"},
            "`ssh_proxy_host`: a proxy's address holds no user; set `ssh_proxy_username` and "
            "`ssh_proxy_password`",
        ),
        ({"ssh_proxy_port": 0}, "`ssh_proxy_port` is 0, and ports go from 1 to 65535"),
        ({"ssh_bastion_port": 0}, "`ssh_bastion_port` is 0, and ports go from 1 to 65535"),
        (
            {"ssh_bastion_host": "a,,b", "ssh_bastion_password": "p"},
            "`ssh_bastion_host`: `` names no bastion; write `HOST`, `HOST:PORT` or `USER@HOST:PORT`",
        ),
        ({"ssh_bastion_host": "gate"}, "nothing to log in to the bastion with is given"),
        (
            {"ssh_bastion_host": "gate", "ssh_bastion_private_key_file": "/no/key"},
            "`ssh_bastion_private_key_file`: there is no file `/no/key`",
        ),
        (
            {
                "ssh_bastion_host": "gate",
                "ssh_bastion_certificate_file": "/etc/passwd",
                "ssh_bastion_agent_auth": True,
            },
            "`ssh_bastion_certificate_file` needs the key that it is for",
        ),
    ],
)
def test_problems(values: Any, summary: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(SshConnector, {"ssh_username": "root"} | values)
    assert str(caught.value) == summary


def test_tunnels_are_rendered_when_the_build_runs() -> None:
    values = {"ssh_username": "root", "ssh_remote_tunnels": ["8000:{{ .HTTPIP }}:{{ .HTTPPort }}"]}
    configure(SshConnector, values)
    with pytest.raises(ValueError, match="`ssh_remote_tunnels`"):
        configure(SshConnector, values | {"ssh_remote_tunnels": ["8000:{{ .Nonsense }}:80"]})


def test_secrets_are_known() -> None:
    values = {
        "ssh_username": "root",
        "ssh_password": "hush",
        "ssh_proxy_password": "p",
        "ssh_bastion_password": "b",
    }
    assert set(secrets_of(configure(SshConnector, values).config)) == {"hush", "p", "b"}


def test_host_and_port() -> None:
    connector = configure(SshConnector, {"ssh_username": "root", "ssh_host": "10.0.0.5", "ssh_port": 2222})
    assert isinstance(connector, SshConnector)
    assert (connector.host, connector.port, connector.needs_network) == ("10.0.0.5", 2222, True)


# Run-time values


def test_values_with_a_password(client: Any) -> None:
    values = client.connector(ssh_username="packer", ssh_password="hush").prepare(client.context)
    assert values == {"ConnType": "ssh", "User": "packer", "Password": "hush", "SSHAgentAuth": "false"}
    assert list(client.context.scratch.iterdir()) == []


def test_values_with_a_temporary_key(client: Any) -> None:
    connector = client.connector(temporary_key_pair_name="for-packer")
    values = connector.prepare(client.context)
    path = Path(values["SSHPrivateKeyFile"])
    assert path.parent == client.context.scratch
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == values["SSHPrivateKey"]
    assert values["SSHPublicKey"].startswith("ssh-ed25519 ")
    assert values["SSHPublicKey"].endswith(" for-packer")
    assert connector.prepare(client.context) == values  # made once


def test_bits_alone_mean_rsa(client: Any) -> None:
    values = client.connector(temporary_key_pair_bits=2048).prepare(client.context)
    assert values["SSHPublicKey"].startswith("ssh-rsa ")


def test_values_with_a_key_of_the_users(client: Any, sshd: Any) -> None:
    values = client.connector(sshd).prepare(client.context)
    assert values["SSHPrivateKeyFile"] == str(sshd.key)
    assert values["SSHPublicKey"] in sshd.authorized_keys.read_text()


# Tidying up


def test_temporary_key_is_taken_out_of_the_guest(client: Any, own_sshd: Any) -> None:
    connector = client.connector(ssh_clear_authorized_keys=True)
    public = connector.prepare(client.context)["SSHPublicKey"]
    before = own_sshd.authorized_keys.read_text()
    own_sshd.authorized_keys.write_text(f'# mine\n{before}{public}\nfrom="*" {public}\n')
    own_sshd.authorized_keys.chmod(0o640)
    communicator = connector.connect(client.context, lambda: own_sshd.endpoint)
    connector.finish(client.context, communicator)
    communicator.close()
    assert own_sshd.authorized_keys.read_text() == f"# mine\n{before}"
    assert own_sshd.authorized_keys.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in own_sshd.authorized_keys.parent.iterdir()] == ["authorized_keys"]
    assert client.ui.texts("warn") == []


def test_last_key_is_taken_out_too(client: Any, own_sshd: Any) -> None:
    connector = client.connector(ssh_clear_authorized_keys=True)
    own_sshd.authorized_keys.write_text(connector.prepare(client.context)["SSHPublicKey"])
    communicator = connector.connect(client.context, lambda: own_sshd.endpoint)
    connector.finish(client.context, communicator)
    communicator.close()
    assert own_sshd.authorized_keys.read_text() == ""


def test_other_keys_stay(client: Any, own_sshd: Any) -> None:
    connector = client.connector(own_sshd, ssh_clear_authorized_keys=True)
    before = own_sshd.authorized_keys.read_text()
    communicator = connector.connect(client.context, lambda: own_sshd.endpoint)
    connector.finish(client.context, communicator)
    communicator.close()
    assert own_sshd.authorized_keys.read_text() == before


def test_key_that_cannot_be_taken_out_is_a_warning(client: Any, own_sshd: Any) -> None:
    connector = client.connector(ssh_clear_authorized_keys=True)
    own_sshd.authorized_keys.write_text(connector.prepare(client.context)["SSHPublicKey"])
    communicator = connector.connect(client.context, lambda: own_sshd.endpoint)
    communicator.close()
    connector.finish(client.context, communicator)
    assert len(client.ui.texts("warn")) == 1
    assert client.ui.texts("warn")[0].startswith("the temporary SSH key may still be in the guest")


# `communicator = "none"`


def test_none_has_nobody_to_talk_to(tmp_path: Path) -> None:
    context = fake_context(tmp_path)
    connector = configure(NoneConnector, {})
    assert isinstance(connector, NoneConnector)
    assert (connector.needs_network, connector.host, connector.port) == (False, "", 0)
    assert connector.prepare(context) == {"ConnType": "none"}
    communicator = connector.connect(context, lambda: Endpoint("", 0))
    for use in (
        lambda: communicator.run("true"),
        lambda: communicator.upload(tmp_path, "/x"),
        lambda: communicator.upload_directory(tmp_path, "/x"),
        lambda: communicator.download("/x", tmp_path),
        lambda: communicator.download_directory("/x", tmp_path),
        lambda: communicator.reconnect(1),
    ):
        with pytest.raises(CommunicatorError, match='the source says `communicator = "none"`'):
            use()
    communicator.close()
