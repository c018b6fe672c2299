"""Builds of boxes, by a stand-in of `vagrant`: see there for what it does not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmforge.builders.vagrant.config import VagrantConfig
from vmforge.builders.vagrant.ssh import read_ssh_config
from vmforge.builders.vagrant.vagrantfile import machine_file
from vmforge.errors import HostError
from vmforge.sdk import Endpoint
from vmforge.sdk.testing import fake_context

Golden = Callable[[str, str], None]


@pytest.fixture
def vagrant(room):
    room.install("vagrant")
    (room.work / "base.box").write_text("a box")
    return room


def write_template(room, options: str, provision: str = "echo hello > $HOME/provisioned") -> str:
    source = f'source "vagrant" "base" {{\n  communicator = "ssh"\n{options}\n}}\n'
    build = (
        f'build {{\n  sources = ["vagrant.base"]\n  provisioner "shell" {{ inline = ["{provision}"] }}\n}}\n'
    )
    (room.work / "template.pkr.hcl").write_text(source + build)
    return "template.pkr.hcl"


FROM_FILE = """
  source_path = "base.box"
  checksum    = "none"
"""
EVERYTHING = """
  source_path        = "acme/debian"
  box_version        = "1.2.3"
  checksum           = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  provider           = "libvirt"
  output_dir         = "out"
  template           = "Vagrantfile.template"
  synced_folder      = "."
  insert_key         = true
  teardown_method    = "suspend"
  add_cacert         = "ca.pem"
  add_capath         = "certificates"
  add_cert           = "client.pem"
  add_clean          = true
  add_force          = true
  add_insecure       = true
  output_vagrantfile = "Vagrantfile.box"
  package_include    = ["notes.txt"]
"""


def test_from_a_file(vagrant, golden: Golden) -> None:
    done = vagrant.vmforge("build", write_template(vagrant, FROM_FILE))
    assert done.status == 0, done.text
    golden("builders/vagrant/file.txt", vagrant.story())
    assert "Vagrant box 'package.box' for 'libvirt' provider" in done.text
    assert "Importing base box" in done.text
    assert [path.name for path in (vagrant.work / "output-base").iterdir()] == ["package.box"]
    assert (vagrant.folder / "home" / "provisioned").exists()


def test_with_every_option(vagrant, golden: Golden) -> None:
    for name in ("notes.txt", "Vagrantfile.box"):
        (vagrant.work / name).write_text("")
    text = 'box = "{{ .BoxName }}", folder = "{{ .SyncedFolder }}", key = {{ .InsertKey }}\n'
    (vagrant.work / "Vagrantfile.template").write_text(text)
    done = vagrant.vmforge("build", write_template(vagrant, EVERYTHING))
    assert done.status == 0, done.text
    golden("builders/vagrant/everything.txt", vagrant.story())
    made = (vagrant.work / "out" / "Vagrantfile").read_text()
    assert made == 'box = "acme/debian", folder = ".", key = true\n'


def test_a_machine_that_is_there(vagrant, golden: Golden) -> None:
    options = '  global_id = "1a2b3c4"\n  skip_package = true'
    done = vagrant.vmforge("build", write_template(vagrant, options))
    assert done.status == 0, done.text
    golden("builders/vagrant/global_id.txt", vagrant.story())


def test_a_box_that_vagrant_has(vagrant) -> None:
    options = '  source_path = "base.box"\n  box_name = "mine"\n  skip_add = true\n  teardown_method = "halt"'
    done = vagrant.vmforge("build", write_template(vagrant, options))
    assert done.status == 0, done.text
    assert not any(call[1] == "box" for call in vagrant.calls())
    assert 'source.vm.box = "mine"' in (vagrant.work / "output-base" / "Vagrantfile").read_text()


def test_a_failure_destroys_the_machine(vagrant) -> None:
    done = vagrant.vmforge("build", write_template(vagrant, FROM_FILE, provision="exit 3"))
    assert done.status == 1
    assert vagrant.calls()[-1][1:] == ["destroy", "--force", "source"]
    assert not (vagrant.work / "output-base").exists()


def test_what_vagrant_says_is_shown(vagrant) -> None:
    vagrant.break_down(up="No usable default provider could be found for your system.")
    done = vagrant.vmforge("build", write_template(vagrant, FROM_FILE))
    assert done.status == 1
    assert "`vagrant up source` ended with status 1: No usable default provider" in done.text


def test_without_vagrant(room, monkeypatch: pytest.MonkeyPatch) -> None:
    (room.work / "base.box").write_text("")
    monkeypatch.setenv("PATH", str(room.path))
    done = room.vmforge("build", write_template(room, FROM_FILE))
    assert done.status == 1
    assert "there is no `vagrant` on this machine" in done.text


def test_the_next_run_ends_what_a_killed_one_left(vagrant) -> None:
    process = vagrant.start("build", write_template(vagrant, FROM_FILE, provision="sleep 100"))
    vagrant.wait_for_call("ssh-config")
    process.kill()
    process.finish()
    assert vagrant.state["running"] == "source"
    vagrant.prepare_state(running="source")
    vagrant.forget_calls()
    done = vagrant.vmforge("build", write_template(vagrant, FROM_FILE))
    assert done.status == 0, done.text
    assert vagrant.calls()[0][1:] == ["destroy", "--force", "source"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "there is no box"),
        ('source_path = "a/b"\n  global_id = "1"', "`source_path` and `global_id` are both set"),
        ('source_path = "a/b"\n  template = "none"', "`template`: there is no `none`"),
        (
            'source_path = "a/b"\n  vagrantfile_template = "none"',
            "`vagrantfile_template`: there is no `none`",
        ),
        ('source_path = "base.box"\n  checksum = "md6:12"', "md6"),
        ('source_path = "a/b"\n  package_include = ["none"]', "`package_include`: there is no `none`"),
        (
            'source_path = "a/b"\n  skip_package = true\n  package_include = ["base.box"]',
            "goes into no box",
        ),
    ],
)
def test_mistakes(vagrant, options: str, message: str) -> None:
    assert message in vagrant.vmforge("validate", write_template(vagrant, options)).text


# -- parts --------------------------------------------------------------------------------------------


def test_the_vagrantfile(tmp_path: Path, golden: Golden) -> None:
    config = VagrantConfig(source_path="acme/#{x}", box_version="1.0", synced_folder='a "b"')
    golden("builders/vagrant/Vagrantfile", machine_file(config, fake_context(tmp_path), "acme/#{x}"))


def test_ssh_config() -> None:
    text = 'Host default\n  HostName 192.168.121.5\n  User core\n  Port 2200\n  IdentityFile "/a b/key"\n'
    login = read_ssh_config(text)
    assert (login.endpoint, login.user, login.key) == (
        Endpoint("192.168.121.5", 2200),
        "core",
        Path("/a b/key"),
    )
    with pytest.raises(HostError, match="does not say where the machine is"):
        read_ssh_config("Host default\n")
