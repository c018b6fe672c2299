"""The `ansible-local` provisioner: what is uploaded where, and how Ansible is called in the guest."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed
from vmforge.provisioners.ansible.local import AnsibleLocalProvisioner
from vmforge.sdk.testing import configure

Guest = Any


@pytest.fixture
def playbooks(work: Path) -> Path:
    for name in ("play/site.yml", "play/second.yml", "vars/all.yml", "hosts.d/web.yml", "web/tasks/main.yml"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("")
    (work / "ansible_collections" / "a").mkdir(parents=True)
    (work / "extra").mkdir()
    (work / "inventory").write_text("127.0.0.1")
    (work / "requirements.yml").write_text("roles: []\ncollections: []\n")
    return work


def test_everything_is_where_ansible_looks_for_it(guest: Guest, playbooks: Path) -> None:
    guest.has("ansible-playbook")
    guest.run(
        AnsibleLocalProvisioner,
        playbook_dir="play",
        playbook_files=["play/site.yml", "play/second.yml"],
        playbook_paths=["extra"],
        role_paths=["web"],
        collection_paths=["ansible_collections"],
        group_vars="vars",
        host_vars="hosts.d",
        inventory_groups=["web", "db"],
        extra_arguments=["--become", "-v"],
        staging_directory=guest.staging,
    )
    staging = Path(guest.staging)
    first, second = guest.calls
    variables = "packer_build_name=base packer_builder_type=qemu"
    inventory = f"{staging}/vmforge-inventory"
    ending = ["--extra-vars", variables, "--become", "-v", "-c", "local", "-i", inventory]
    assert first.arguments == [f"{staging}/site.yml", *ending]
    assert second.arguments == [f"{staging}/second.yml", *ending]
    assert first.folder == str(staging)
    assert first.files[inventory][0] == "[web]\n127.0.0.1\n[db]\n127.0.0.1\n"
    for name in (
        "group_vars/all.yml",
        "host_vars/web.yml",
        "roles/web/tasks/main.yml",
        "collections/ansible_collections/a",
        "extra",
    ):
        assert (staging / name).exists(), name


def test_galaxy_and_cleaning(guest: Guest, playbooks: Path) -> None:
    guest.has("ansible-playbook", "my-galaxy")
    guest.data["PackerHTTPAddr"] = "10.0.2.2:8000"
    guest.run(
        AnsibleLocalProvisioner,
        playbook_file="play/site.yml",
        inventory_file="inventory",
        galaxy_file="requirements.yml",
        galaxy_command="my-galaxy",
        galaxy_roles_path="/opt/roles",
        galaxy_collections_path="/opt/collections",
        command="A=1 ansible-playbook",
        clean_staging_directory=True,
        staging_directory=guest.staging,
    )
    roles, collections, play = guest.calls
    assert roles.arguments == ["install", "-r", f"{guest.staging}/requirements.yml", "-p", "/opt/roles"]
    assert collections.arguments[-2:] == ["-p", "/opt/collections"]
    assert play.environment["ANSIBLE_ROLES_PATH"] == "/opt/roles" and play.environment["A"] == "1"
    assert play.environment["ANSIBLE_COLLECTIONS_PATH"] == "/opt/collections"
    assert play.arguments[-1] == f"{guest.staging}/inventory" and "10.0.2.2:8000" in play.arguments[2]
    assert not Path(guest.staging).exists()


def test_a_failing_playbook_fails_the_build(guest: Guest, playbooks: Path) -> None:
    guest.has("ansible-playbook")
    guest.answers("ansible-playbook", 2)
    with pytest.raises(CommandFailed, match="`ansible-playbook` ended with exit status 2"):
        guest.run(AnsibleLocalProvisioner, playbook_file="play/site.yml", staging_directory=guest.staging)


def test_what_is_wrong_is_said_before_the_build(playbooks: Path) -> None:
    for options, part in (
        ({}, "there is no playbook"),
        ({"playbook_file": "none.yml"}, "`none.yml`"),
        ({"playbook_file": "play/site.yml", "playbook_files": ["play/site.yml"]}, "are both set"),
        ({"playbook_file": "play/site.yml", "role_paths": ["no-role"]}, "`no-role`"),
        (
            {"playbook_file": "play/site.yml", "inventory_file": "inventory", "inventory_groups": ["a"]},
            "`inventory_groups` have no effect",
        ),
    ):
        with pytest.raises(ValueError, match=part):
            configure(AnsibleLocalProvisioner, options)


def test_layers_depend_on_all_that_is_uploaded(playbooks: Path) -> None:
    made = configure(AnsibleLocalProvisioner, {"playbook_file": "play/site.yml", "role_paths": ["web"]})
    assert isinstance(made, AnsibleLocalProvisioner) and made.cacheable
    assert set(made.input_files()) == {Path("play/site.yml"), Path("web")}


@pytest.mark.skipif(
    shutil.which("ansible-playbook") is None, reason="needs Ansible: apt-get install ansible-core"
)
def test_the_real_ansible(guest: Guest, work: Path) -> None:
    target = guest.folder / "made"
    (work / "web" / "tasks").mkdir(parents=True)
    task = f"- copy:\n    content: '{{{{ packer_build_name }}}} {{{{ role }}}}'\n    dest: {target}\n"
    (work / "web" / "tasks" / "main.yml").write_text(task)
    (work / "group_vars").mkdir()
    (work / "group_vars" / "web.yml").write_text("role: from group_vars\n")
    (work / "site.yml").write_text("- hosts: web\n  gather_facts: false\n  roles: [web]\n")
    guest.run(
        AnsibleLocalProvisioner,
        playbook_file="site.yml",
        role_paths=["web"],
        group_vars="group_vars",
        inventory_groups=["web"],
        staging_directory=guest.staging,
    )
    assert target.read_text() == "base from group_vars"
