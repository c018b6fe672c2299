"""The provisioner `salt-masterless`: where things go, and how `salt-call` is called."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed
from vmforge.provisioners.salt_masterless import SaltMasterlessProvisioner
from vmforge.provisioners.salt_masterless.formulas import Formula
from vmforge.sdk.testing import configure

Guest = Any


@pytest.fixture
def states(work: Path) -> Path:
    (work / "states").mkdir()
    (work / "states" / "top.sls").write_text("base: {'*': [web]}")
    (work / "pillars").mkdir()
    (work / "pillars" / "top.sls").write_text("base: {}")
    return work


def places(guest: Guest) -> dict[str, Any]:
    return {
        "local_state_tree": "states",
        "temp_config_dir": guest.staging,
        "remote_state_tree": str(guest.folder / "srv" / "salt"),
        "remote_pillar_roots": str(guest.folder / "srv" / "pillar"),
        "disable_sudo": True,
    }


def test_the_whole_command(guest: Guest, states: Path) -> None:
    guest.has("salt-call")
    guest.run(
        SaltMasterlessProvisioner,
        **places(guest),
        local_pillar_roots="pillars",
        log_level="debug",
        salt_call_args="test=True",
        salt_bin_dir=str(guest.programs),
        skip_bootstrap=True,
        guest_os_type="unix",
    )
    srv = guest.folder / "srv"
    assert guest.call.arguments == [
        "--local",
        "state.highstate",
        f"--file-root={srv}/salt",
        f"--pillar-root={srv}/pillar",
        "--retcode-passthrough",
        "-l",
        "debug",
        "test=True",
    ]
    assert (srv / "salt" / "top.sls").is_file() and (srv / "pillar" / "top.sls").is_file()
    assert not Path(guest.staging).exists()


def test_one_state_whose_failure_is_no_reason_to_stop(guest: Guest, states: Path) -> None:
    guest.has("salt-call")
    guest.run(
        SaltMasterlessProvisioner,
        **places(guest),
        custom_state="web.nginx",
        no_exit_on_failure=True,
        skip_bootstrap=True,
    )
    assert guest.call.arguments[1:3] == ["state.sls", "web.nginx"]
    assert "--retcode-passthrough" not in guest.call.arguments


def test_a_failing_state_fails_the_build(guest: Guest, states: Path) -> None:
    guest.has("salt-call")
    guest.answers("salt-call", 2)
    with pytest.raises(CommandFailed, match="`salt-call` ended with exit status 2"):
        guest.run(SaltMasterlessProvisioner, **places(guest), skip_bootstrap=True)


def test_what_was_there_is_replaced_by_root(guest: Guest, states: Path) -> None:
    guest.has("salt-call")
    guest.has_sudo()
    old = guest.folder / "srv" / "salt"
    old.mkdir(parents=True)
    (old / "old.sls").write_text("")
    guest.run(SaltMasterlessProvisioner, **places(guest) | {"disable_sudo": False}, skip_bootstrap=True)
    assert sorted(path.name for path in old.iterdir()) == ["top.sls"]
    asked = (guest.folder / "sudo").read_text()
    assert f"sudo mv {guest.staging}/states {old}" in asked and "sudo salt-call --local" in asked


def test_settings_of_a_minion(guest: Guest, states: Path) -> None:
    (states / "minion").write_text("file_client: local")
    (states / "grains").write_text("role: web")
    guest.has("salt-call", "mkdir", "mv", "rm")  # which must not touch this machine's /etc/salt
    (guest.folder / "tmp" / "states").mkdir()
    guest.run(
        SaltMasterlessProvisioner,
        local_state_tree="states",
        temp_config_dir=str(guest.folder / "tmp"),
        disable_sudo=True,
        minion_config="minion",
        grains_file="grains",
        skip_bootstrap=True,
    )
    moved = [call.arguments for call in guest.calls if call.name == "mv"]
    assert [target for _, target in moved] == ["/srv/salt", "/etc/salt/minion", "/etc/salt/grains"]
    (called,) = [call for call in guest.calls if call.name == "salt-call"]
    assert not any(argument.startswith("--file-root") for argument in called.arguments)


def test_salt_is_installed_where_it_is_missing(guest: Guest, states: Path) -> None:
    guest.has("curl", "salt-call")
    guest.run(SaltMasterlessProvisioner, **places(guest), bootstrap_args="-X stable")
    assert [call.name for call in guest.calls] == ["salt-call"]  # it is there
    assert any("bootstrap-salt.sh" in command and "-X stable" in command for command in guest.commands)


def test_formulas_from_git_and_from_here(guest: Guest, states: Path) -> None:
    repository = states / "formulas"
    (repository / "apache").mkdir(parents=True)
    (repository / "apache" / "init.sls").write_text("apache: pkg.installed")
    git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    (states / "local" / "users").mkdir(parents=True)
    (states / "local" / "users" / "init.sls").write_text("")
    guest.has("salt-call")
    guest.run(
        SaltMasterlessProvisioner,
        **places(guest),
        formulas=[f"git::file://{repository}//apache?ref=main", "local//users"],
        skip_bootstrap=True,
    )
    srv = guest.folder / "srv" / "salt"
    assert (srv / "apache" / "init.sls").is_file() and (srv / "users" / "init.sls").is_file()


def test_addresses_of_formulas() -> None:
    text = "git::https://example.org/apache-formula.git//apache?ref=v1"
    assert Formula.parse(text) == Formula("https://example.org/apache-formula.git", "apache", "v1", False)
    assert Formula.parse("../formulas//users").is_local
    with pytest.raises(ValueError, match="is no formula"):
        Formula.parse("git::https://example.org/apache-formula.git")


def test_what_is_wrong_is_said_before_the_build(states: Path) -> None:
    (states / "minion").write_text("")
    with pytest.raises(ValueError) as caught:
        configure(
            SaltMasterlessProvisioner,
            {
                "local_state_tree": "none",
                "minion_config": "minion",
                "remote_state_tree": "/x",
                "formulas": ["oops"],
            },
        )
    said = str(caught.value)
    assert "`none`" in said and "`remote_state_tree` has no effect" in said and "`oops` is no formula" in said
