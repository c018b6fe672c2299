"""The `inspec` provisioner: InSpec's command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators.winrm import WinRmConnector
from vmforge.errors import CommandFailed
from vmforge.provisioners.inspec import InspecProvisioner
from vmforge.sdk.testing import configure

Guest = Any
DATA = {
    "ConnType": "ssh",
    "Host": "127.0.0.1",
    "Port": "2222",
    "User": "vagrant",
    "SSHPrivateKeyFile": "/key",
}


@pytest.fixture
def profile(work: Path) -> Path:
    (work / "profile").mkdir()
    (work / "inputs.d").mkdir()
    (work / "inputs.d" / "b.yml").write_text("")
    (work / "a.yml").write_text("")
    return work


def test_every_option(make_guest: Callable[..., Guest], profile: Path) -> None:
    guest = make_guest(data=DATA)
    guest.has("cinc-auditor")
    guest.run(
        InspecProvisioner,
        profile="profile",
        command="cinc-auditor",
        sub_command="check",
        extra_arguments=["--no-color"],
        inspec_env_vars=["A=1"],
        attributes=["a.yml"],
        attributes_directory="inputs.d",
        backend="ssh",
        user="root",
        host="guest.example",
    )
    assert guest.call.arguments == [
        *("check", "profile", "--backend", "ssh", "--host", "guest.example", "--port", "2222"),
        *("--user", "root", "--key-files", "/key", "--input-file", "a.yml", "inputs.d/b.yml", "--no-color"),
    ]
    assert guest.call.environment["A"] == "1"


def test_a_password_is_on_no_command_line(make_guest: Callable[..., Guest], profile: Path) -> None:
    data = {"Host": "127.0.0.1", "Port": "5986", "User": "me", "WinRMPassword": "s3cret-pass"}
    options = {"winrm_username": "me", "winrm_password": "s3cret-pass", "winrm_use_ssl": True}
    guest = make_guest(data=data, kind="winrm", changes={"connector": configure(WinRmConnector, options)})
    guest.has("inspec")
    guest.run(InspecProvisioner, profile="profile")
    assert "--self-signed" in guest.call.arguments
    assert "s3cret-pass" not in " ".join(guest.call.arguments)
    ((text, mode),) = [found for name, found in guest.call.files.items() if name.endswith(".json")]
    assert json.loads(text)["cli_options"] == {"password": "s3cret-pass"} and mode == 0o600
    assert list((guest.folder / "scratch").iterdir()) == []


def test_through_the_adapter(make_guest: Callable[..., Guest], profile: Path) -> None:
    guest = make_guest(data=DATA)
    guest.has("inspec")
    guest.run(InspecProvisioner, profile="profile", use_proxy=True, local_port=0)
    assert "adapter-" in guest.call.arguments[guest.call.arguments.index("--key-files") + 1]


@pytest.mark.parametrize(
    ("status", "valid", "fails"), [(101, None, False), (100, None, True), (100, [0, 100], False)]
)
def test_exit_statuses(
    make_guest: Callable[..., Guest], profile: Path, status: int, valid: list[int] | None, fails: bool
) -> None:
    guest = make_guest(data=DATA)
    guest.has("inspec")
    guest.answers("inspec", status)
    options = {} if valid is None else {"valid_exit_codes": valid}
    if not fails:
        guest.run(InspecProvisioner, profile="profile", **options)
        return
    with pytest.raises(CommandFailed, match="`inspec` ended with exit status 100"):
        guest.run(InspecProvisioner, profile="profile", **options)


def test_what_is_wrong_is_said_before_the_build(work: Path) -> None:
    options = {
        "profile": "",
        "attributes": ["none"],
        "inspec_env_vars": ["oops"],
        "ssh_host_key_file": "no-key",
    }
    with pytest.raises(ValueError) as caught:
        configure(InspecProvisioner, {**options, "ssh_authorized_key_file": "no-public-key"})
    said = str(caught.value)
    for part in ("`profile` is empty", "`none`", "`oops`", "`no-key`", "`no-public-key`"):
        assert part in said
