"""The provisioners `chef-solo` and `chef-client`: the files that they make, and how Chef is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed
from vmforge.provisioners.chef.client import ChefClientProvisioner
from vmforge.provisioners.chef.solo import ChefSoloProvisioner
from vmforge.sdk.testing import configure

Guest = Any


@pytest.fixture
def kitchen(work: Path) -> Path:
    for name in ("cookbooks", "roles", "bags", "environments"):
        (work / name).mkdir()
        (work / name / "file.rb").write_text(name)
    (work / "secret").write_text("bag")
    return work


def test_solo(guest: Guest, kitchen: Path) -> None:
    guest.has("chef-solo")
    guest.run(
        ChefSoloProvisioner,
        cookbook_paths=["cookbooks"],
        remote_cookbook_paths=["/opt/cookbooks"],
        roles_path="roles",
        data_bags_path="bags",
        environments_path="environments",
        encrypted_data_bag_secret_path="secret",
        chef_environment="staging",
        run_list=["recipe[web]"],
        json={"web": {"port": 80, "names": ["a", "b"], "deep": {"on": True}}},
        staging_directory=guest.staging,
        skip_install=True,
        prevent_sudo=True,
        guest_os_type="unix",
    )
    staging = guest.staging
    assert guest.call.arguments == ["--no-color", "-c", f"{staging}/solo.rb", "-j", f"{staging}/node.json"]
    assert guest.call.files[f"{staging}/solo.rb"][0].splitlines() == [
        f'cookbook_path ["/opt/cookbooks", "{staging}/cookbooks-0"]',
        f'role_path "{staging}/roles"',
        f'data_bag_path "{staging}/data_bags"',
        f'environment_path "{staging}/environments"',
        f'encrypted_data_bag_secret "{staging}/encrypted_data_bag_secret"',
        'environment "staging"',
        'chef_license "accept-silent"',
    ]
    assert json.loads(guest.call.files[f"{staging}/node.json"][0]) == {
        "web": {"port": 80, "names": ["a", "b"], "deep": {"on": True}},
        "run_list": ["recipe[web]"],
    }


def test_settings_and_command_of_the_users_own(guest: Guest, kitchen: Path) -> None:
    (kitchen / "solo.erb").write_text(
        "cookbook_path [{{ .CookbookPaths }}]{{ if .HasRolesPath }}!{{ end }}\n"
    )
    guest.has("cinc-solo")
    guest.run(
        ChefSoloProvisioner,
        cookbook_paths=["cookbooks"],
        config_template="solo.erb",
        chef_license="",
        execute_command="cinc-solo -c {{ .ConfigPath }} --json {{ .JsonPath }}",
        staging_directory=guest.staging,
        skip_install=True,
    )
    (text, mode) = guest.call.files[f"{guest.staging}/solo.rb"]
    assert text == f'cookbook_path ["{guest.staging}/cookbooks-0"]\n' and mode == 0o600


@pytest.mark.parametrize("version", ["", "17.10.0"])
def test_chef_is_installed(guest: Guest, kitchen: Path, version: str) -> None:
    guest.has("chef-solo", "curl", "bash")
    guest.has_sudo()
    guest.run(ChefSoloProvisioner, version=version, staging_directory=guest.staging)
    names = [call.name for call in guest.calls]
    # what is there is enough, unless a version is wanted
    assert sorted(names) == (["bash", "chef-solo", "curl"] if version else ["chef-solo"])
    if version:
        (shell,) = [call for call in guest.calls if call.name == "bash"]
        assert shell.arguments == ["-s", "--", "-v", "17.10.0"]


def test_an_installation_that_fails(guest: Guest, kitchen: Path) -> None:
    with pytest.raises(CommandFailed, match="Chef's installer ended with exit status 3"):
        guest.run(ChefSoloProvisioner, install_command="exit 3", staging_directory=guest.staging)


def test_client(guest: Guest, kitchen: Path) -> None:
    (kitchen / "validation.pem").write_text("key")
    (kitchen / "certs").mkdir()
    guest.has("chef-client", "knife")
    guest.run(
        ChefClientProvisioner,
        server_url="https://chef.example/organizations/acme",
        node_name="web-1",
        policy_name="web",
        policy_group="staging",
        validation_key_path="validation.pem",
        validation_client_name="acme-validator",
        client_key="/etc/chef/client.pem",
        ssl_verify_mode="verify_none",
        trusted_certs_dir="certs",
        skip_install=True,
        prevent_sudo=True,
        staging_directory=guest.staging,
    )
    chef, node, client = guest.calls
    assert chef.files[f"{guest.staging}/client.rb"][0].splitlines() == [
        "log_level :info",
        "log_location STDOUT",
        'chef_server_url "https://chef.example/organizations/acme"',
        'client_key "/etc/chef/client.pem"',
        'node_name "web-1"',
        f'validation_key "{guest.staging}/validation.pem"',
        'policy_group "staging"',
        'policy_name "web"',
        f'trusted_certs_dir "{guest.staging}/trusted_certs"',
        'chef_license "accept-silent"',
        'validation_client_name "acme-validator"',
        "ssl_verify_mode :verify_none",
    ]
    settings = f"{guest.staging}/knife.rb"
    assert node.arguments == ["node", "delete", "web-1", "-y", "-c", settings]
    assert client.arguments == ["client", "delete", "web-1", "-y", "-c", settings]
    assert not Path(guest.staging).exists()


def test_what_stays_on_the_server_and_in_the_guest(guest: Guest, kitchen: Path) -> None:
    guest.has("chef-client")
    guest.run(
        ChefClientProvisioner,
        server_url="https://chef.example",
        skip_install=True,
        prevent_sudo=True,
        skip_clean_node=True,
        skip_clean_client=True,
        skip_clean_staging_directory=True,
        staging_directory=guest.staging,
    )
    assert guest.call.name == "chef-client"
    assert "packer-00000000-0000-4000-8000" in Path(guest.staging, "client.rb").read_text()


def test_the_node_is_taken_away_after_a_failure_too(guest: Guest, kitchen: Path) -> None:
    guest.has("chef-client", "my-knife")
    guest.answers("chef-client", 1)
    guest.answers("my-knife", 100)
    with pytest.raises(CommandFailed, match="`chef-client` ended with exit status 1"):
        guest.run(
            ChefClientProvisioner,
            server_url="https://chef.example",
            node_name="web-1",
            knife_command="my-knife {{ .Args }} {{ .Flags }}",
            skip_install=True,
            prevent_sudo=True,
            staging_directory=guest.staging,
        )
    assert [call.arguments[0] for call in guest.calls[1:]] == ["node", "client"]
    assert "node `web-1` is still on the Chef server: `knife` answered 100" in guest.ui.texts("warn")


def test_what_is_wrong_is_said_before_the_build(work: Path) -> None:
    with pytest.raises(ValueError) as caught:
        configure(
            ChefClientProvisioner,
            {"server_url": "", "policy_name": "web", "elevated_password": "x", "validation_key_path": "none"},
        )
    said = str(caught.value)
    for part in ("`server_url` is empty", "go together", "`elevated_password`", "`none`"):
        assert part in said
