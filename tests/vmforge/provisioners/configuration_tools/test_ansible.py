"""The `ansible` provisioner: the inventory, Ansible's command line and environment, and real runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators.winrm import WinRmConnector
from vmforge.errors import CommandFailed, VmforgeError
from vmforge.provisioners.ansible.remote import AnsibleProvisioner
from vmforge.sdk.testing import configure

Guest = Any

needs_ansible = pytest.mark.skipif(
    shutil.which("ansible-playbook") is None, reason="needs Ansible: apt-get install ansible-core"
)


@pytest.fixture
def playbook(work: Path) -> Path:
    (work / "site.yml").write_text("- hosts: all\n")
    return work


@pytest.fixture
def guest(make_guest: Callable[..., Guest], tmp_path: Path) -> Guest:
    """A guest that a program could reach, and an Ansible that records how it is called."""
    data = {
        "ConnType": "ssh",
        "Host": "127.0.0.1",
        "Port": "2222",
        "User": "vagrant",
        "SSHPrivateKeyFile": str(tmp_path / "key"),
        "PackerHTTPAddr": "10.0.2.2:8000",
    }
    made = make_guest(data=data)
    made.has("ansible-playbook", "ansible-galaxy")
    return made


def inventory_of(call: Any) -> str:
    text, mode = call.files[call.arguments[call.arguments.index("-i") + 1]]
    assert mode == 0o600
    return str(text)


def variables_of(call: Any) -> dict[str, str]:
    text, mode = call.files[call.arguments[call.arguments.index("--extra-vars") + 1]]
    assert mode == 0o600
    loaded: dict[str, str] = json.loads(text)
    return loaded


def test_straight_to_the_guest(guest: Guest, playbook: Path, tmp_path: Path) -> None:
    guest.run(AnsibleProvisioner, playbook_file="site.yml")
    call = guest.call
    assert inventory_of(call) == "default ansible_host=127.0.0.1 ansible_user=vagrant ansible_port=2222\n"
    assert variables_of(call) == {
        "packer_build_name": "base",
        "packer_builder_type": "qemu",
        "packer_http_addr": "10.0.2.2:8000",
        "ansible_ssh_private_key_file": str(tmp_path / "key"),
    }
    assert "-o UserKnownHostsFile=/dev/null" in call.arguments[call.arguments.index("--ssh-extra-args") + 1]
    assert call.arguments[-1] == str(playbook / "site.yml")
    assert call.environment["ANSIBLE_HOST_KEY_CHECKING"] == "False"
    assert not Path(call.arguments[call.arguments.index("-i") + 1]).exists()


def test_every_option_of_the_inventory(guest: Guest, playbook: Path) -> None:
    (playbook / "inventory").mkdir()
    guest.run(
        AnsibleProvisioner,
        playbook_file="site.yml",
        groups=["web", "debian"],
        empty_groups=["db"],
        host_alias="web-1",
        user="root",
        inventory_directory="inventory",
        inventory_file_template="{{ .HostAlias }} ansible_host={{ .Host }}:{{ .Port }} as={{ .User }}",
        keep_inventory_file=True,
    )
    line = "web-1 ansible_host=127.0.0.1:2222 as=root\n"
    assert inventory_of(guest.call) == f"{line}\n[web]\n{line}\n[debian]\n{line}\n[db]\n"
    (kept,) = (playbook / "inventory").iterdir()
    assert f"the inventory is `{kept}`" in guest.ui.texts("message")


def test_an_inventory_of_the_users_own(guest: Guest, playbook: Path) -> None:
    (playbook / "hosts").write_text("mine")
    guest.run(AnsibleProvisioner, playbook_file="site.yml", inventory_file="hosts")
    call = guest.call
    assert call.arguments[call.arguments.index("-i") + 1] == str(playbook / "hosts")
    assert (playbook / "hosts").exists()


def test_arguments_and_variables_of_the_users_own(guest: Guest, playbook: Path) -> None:
    guest.has("my-playbook")
    guest.run(
        AnsibleProvisioner,
        playbook_file="site.yml",
        command="my-playbook",
        extra_arguments=["-e", "ip={{ .Host }}", "-vvv"],
        ansible_env_vars=["ANSIBLE_HOST_KEY_CHECKING=True", "A=b=c"],
        ansible_ssh_extra_args=["-o A=1", "-o B=2"],
        skip_version_check=True,
        use_sftp=False,
        sftp_command="/usr/lib/sftp-server",
    )
    call = guest.call
    assert call.arguments[-4:-1] == ["-e", "ip=127.0.0.1", "-vvv"]
    assert call.arguments[call.arguments.index("--ssh-extra-args") + 1] == "-o A=1 -o B=2"
    assert call.environment["ANSIBLE_HOST_KEY_CHECKING"] == "True" and call.environment["A"] == "b=c"


def test_galaxy(guest: Guest, playbook: Path) -> None:
    (playbook / "requirements.yml").write_text("roles:\n- a\ncollections:\n- b.c\n")
    guest.has("my-galaxy")
    guest.run(
        AnsibleProvisioner,
        playbook_file="site.yml",
        galaxy_file="requirements.yml",
        galaxy_command="my-galaxy",
        galaxy_force_install=True,
        roles_path="roles",
        collections_path="collections",
    )
    roles, collections, play = guest.calls
    file = str(playbook / "requirements.yml")
    assert roles.arguments == ["install", "-r", file, "-p", str(playbook / "roles"), "--force"]
    wanted = ["collection", "install", "-r", file, "-p", str(playbook / "collections"), "--force"]
    assert collections.arguments == wanted
    assert play.environment["ANSIBLE_ROLES_PATH"].startswith(f"{playbook}/roles:")
    assert play.environment["ANSIBLE_COLLECTIONS_PATH"].startswith(f"{playbook}/collections:")


@pytest.mark.parametrize(
    ("text", "kinds"), [("- src: x\n", ["install"]), ("collections: []\n", ["collection"])]
)
def test_what_galaxy_installs(guest: Guest, playbook: Path, text: str, kinds: list[str]) -> None:
    (playbook / "requirements.yml").write_text(text)
    options = {"galaxy_file": "requirements.yml", "galaxy_force_with_deps": True}
    guest.run(AnsibleProvisioner, playbook_file="site.yml", **options)
    installs = [call for call in guest.calls if call.name == "ansible-galaxy"]
    assert [call.arguments[0] for call in installs] == kinds
    assert all(call.arguments[-1] == "--force-with-deps" for call in installs)


def test_a_password_is_on_no_command_line(
    guest: Guest, playbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del guest.data["SSHPrivateKeyFile"]
    guest.data["Password"] = "s3cret-pass"
    guest.has("sshpass")
    guest.run(AnsibleProvisioner, playbook_file="site.yml")
    assert variables_of(guest.call)["ansible_password"] == "s3cret-pass"
    assert "s3cret-pass" not in " ".join(guest.call.arguments)
    assert "s3cret-pass" not in json.dumps(guest.call.environment)
    assert "IdentitiesOnly" not in " ".join(guest.call.arguments)


@pytest.mark.parametrize(
    ("tls", "use_http", "scheme"), [(True, False, "https"), (False, False, "http"), (True, True, "http")]
)
def test_windows(
    make_guest: Callable[..., Guest], playbook: Path, tls: bool, use_http: bool, scheme: str
) -> None:
    data = {"ConnType": "winrm", "Host": "127.0.0.1", "Port": "2222", "User": "me", "WinRMPassword": "pass"}
    options = {"winrm_username": "me", "winrm_password": "pass", "winrm_use_ssl": tls}
    guest = make_guest(data=data, kind="winrm", changes={"connector": configure(WinRmConnector, options)})
    guest.has("ansible-playbook")
    guest.run(AnsibleProvisioner, playbook_file="site.yml", ansible_winrm_use_http=use_http)
    assert "ansible_connection=winrm" in inventory_of(guest.call)
    variables = variables_of(guest.call)
    assert variables["ansible_password"] == "pass" and variables["ansible_winrm_scheme"] == scheme
    assert "--ssh-extra-args" not in guest.call.arguments


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use_proxy": True}, ""),
        ({"kind": "guest-agent"}, "gives no address"),
        ({"no_key": True}, "there is no `sshpass`"),
    ],
)
def test_when_the_adapter_is_used(
    make_guest: Callable[..., Guest],
    playbook: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    reason: str,
) -> None:
    data = {"Host": "127.0.0.1", "Port": "2222", "User": "vagrant", "Password": "pass"}
    if "no_key" not in changes:
        data["SSHPrivateKeyFile"] = "/key"
    guest = make_guest(data=data, kind=changes.get("kind", "ssh"))
    guest.has("ansible-playbook")
    monkeypatch.setattr("shutil.which", lambda name, **_: None)
    guest.run(
        AnsibleProvisioner,
        playbook_file="site.yml",
        use_proxy=changes.get("use_proxy"),
        ansible_proxy_key_type="RSA",
        ansible_proxy_host="127.0.0.1",
        local_port=0,
    )
    variables = variables_of(guest.call)
    assert "adapter-" in variables["ansible_ssh_private_key_file"] and "ansible_password" not in variables
    assert "ansible_port=2222" not in inventory_of(guest.call)
    assert guest.call.environment["ANSIBLE_SSH_TRANSFER_METHOD"] == "sftp"
    assert any(reason in text for text in guest.ui.texts("message")) or not reason


def test_an_address_is_needed(make_guest: Callable[..., Guest], playbook: Path) -> None:
    guest = make_guest(data={"SSHPrivateKeyFile": "/key"})
    with pytest.raises(VmforgeError, match="the guest's address is not known"):
        guest.run(AnsibleProvisioner, playbook_file="site.yml")


def test_a_failing_playbook_fails_the_build(guest: Guest, playbook: Path) -> None:
    guest.answers("ansible-playbook", 4, "unreachable\n")
    with pytest.raises(CommandFailed) as caught:
        guest.run(AnsibleProvisioner, playbook_file="site.yml")
    assert caught.value.status == 4 and "could not be reached" in caught.value.hint
    assert guest.ui.texts("stdout") == ["unreachable"]


def test_what_layers_depend_on(playbook: Path) -> None:
    folder = playbook / "ansible"
    for name in ("roles/web/tasks", "group_vars", "not-ansible", "inventory/host_vars"):
        (folder / name).mkdir(parents=True)
    for name in ("site.yml", "other.yml", "requirements.yml", "inventory/hosts"):
        (folder / name).write_text("")
    (playbook / "ansible.cfg").write_text("[defaults]\nroles_path = shared:~/nowhere\n")
    (playbook / "shared").mkdir()
    options = {"galaxy_file": "ansible/requirements.yml", "inventory_file": "ansible/inventory/hosts"}
    made = configure(AnsibleProvisioner, {"playbook_file": "ansible/site.yml", **options})
    assert isinstance(made, AnsibleProvisioner) and made.cacheable
    found = {str(path) for path in made.input_files()}
    assert found >= {
        "ansible/site.yml",
        "ansible/other.yml",
        "ansible/roles",
        "ansible/group_vars",
        "ansible/requirements.yml",
        "ansible/inventory/hosts",
        "ansible/inventory/host_vars",
        "ansible.cfg",
        "shared",
    }
    assert "ansible/not-ansible" not in found and "ansible" not in found


def test_what_is_wrong_is_said_before_the_build(playbook: Path) -> None:
    with pytest.raises(ValueError) as caught:
        configure(
            AnsibleProvisioner,
            {
                "playbook_file": "none.yml",
                "ansible_env_vars": ["oops"],
                "inventory_file_template": "{{ .Oops }}",
                "local_port": 70000,
                "ssh_host_key_file": "no-key",
                "use_proxy": False,
            },
        )
    said = str(caught.value)
    for part in (
        "`none.yml`",
        "`oops` is not",
        "Oops",
        "70000",
        "`no-key`",
        "no effect with `use_proxy = false`",
    ):
        assert part in said


PLAY = """\
- hosts: web
  gather_facts: false
  tasks:
  - command: echo ran as {{ inventory_hostname }}
    register: said
  - copy:
      content: "{{ said.stdout }} by {{ packer_builder_type }}"
      dest: TARGET
      mode: "0640"
  - slurp:
      src: TARGET
  - fetch:
      src: TARGET
      dest: FETCHED
      flat: true
"""


@needs_ansible
def test_the_real_ansible_over_ssh(make_guest: Callable[..., Guest], work: Path, sshd: Any) -> None:
    guest = make_guest(data=sshd.data)
    target = guest.folder / "made"
    task = f"copy: {{content: 'by {{{{ packer_builder_type }}}}', dest: {target}}}"
    (work / "site.yml").write_text(f"- hosts: web\n  gather_facts: false\n  tasks:\n  - {task}\n")
    options = {"extra_arguments": ["-e", f"ansible_remote_tmp={guest.folder}/ansible"]}
    guest.run(AnsibleProvisioner, playbook_file="site.yml", groups=["web"], **options)
    assert target.read_text() == "by qemu"
    assert guest.commands == []  # the build's own connection had no part in it


@needs_ansible
def test_the_real_ansible_through_the_adapter(make_guest: Callable[..., Guest], work: Path) -> None:
    """Commands, uploads and downloads, of a guest that has no network: the adapter hands them on."""
    guest = make_guest(kind="guest-agent", data={"User": "somebody"})
    target, fetched = guest.folder / "made", work / "fetched"
    (work / "site.yml").write_text(PLAY.replace("TARGET", str(target)).replace("FETCHED", str(fetched)))
    options = {"extra_arguments": ["-e", f"ansible_remote_tmp={guest.folder}/ansible"]}
    guest.run(AnsibleProvisioner, playbook_file="site.yml", groups=["web"], host_alias="web-1", **options)
    assert target.read_text() == "ran as web-1 by qemu" == fetched.read_text()
    assert target.stat().st_mode & 0o777 == 0o640
