"""`vmforge lock`: what builds are made of, and that nothing else gets into them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from http_server import Server

ISO = b"an ISO"

TEMPLATE = """
data "http" "keys" { url = "https://keys.example/key" }
source "null" "a" { communicator = "none" }
source "qemu" "disk" {
  iso_url      = "https://cd.example/a.iso"
  iso_checksum = "file:https://cd.example/SHA256SUMS"
  ssh_username = "x"
}
build {
  sources = ["null.a", "qemu.disk"]
  provisioner "shell-local" {
    only   = ["null.a"]
    script = "run.sh"
    env    = { KEY = data.http.keys.body }
  }
}
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("VMFORGE_OFFLINE", "VMFORGE_MIRRORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("VMFORGE_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "lab.pkr.hcl").write_text(TEMPLATE)
    (tmp_path / "run.sh").write_text("#!/bin/sh\necho the key is $KEY\n")
    (tmp_path / "run.sh").chmod(0o755)
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "key").write_text("a key")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(ISO).hexdigest()}  a.iso\n")
    with Server(folder, None) as server:
        mirrors = "".join(f'"https://{host}.example/" = "{server.url}/"\n' for host in ("cd", "keys"))
        (tmp_path / "mirrors.toml").write_text(f"[mirrors]\n{mirrors}")
        monkeypatch.setenv("VMFORGE_MIRRORS", str(tmp_path / "mirrors.toml"))
        yield tmp_path


def locked(lab):
    return json.loads((lab / "lab.lock.json").read_text())


def change(lab, section, name, value):
    document = locked(lab)
    document[section][name] = value
    (lab / "lab.lock.json").write_text(json.dumps(document))


def sha256(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_all_inputs_are_written_down_and_nothing_is_downloaded_for_it(vmforge, lab):
    ended = vmforge("lock", "lab.pkr.hcl")
    assert (ended.status, ended.out) == (0, "lab.lock.json: 1 media, 1 files, 0 packages\n")
    document = locked(lab)
    assert document["media"] == {"https://cd.example/a.iso": sha256(ISO)}
    assert document["files"] == {"run.sh": sha256((lab / "run.sh").read_bytes())}
    assert list(document["data"]) == ["http.keys"]
    assert {"vmforge", "QEMU", "libvirt"} == set(document["tools"])
    first = (lab / "lab.lock.json").read_bytes()
    assert vmforge("lock", "lab.pkr.hcl").out == "lab.lock.json: nothing differs\n"
    assert vmforge("lock", "--update", "lab.pkr.hcl").status == 0
    assert (lab / "lab.lock.json").read_bytes() == first


def test_a_build_whose_inputs_are_as_they_were_runs(vmforge, lab):
    assert vmforge("lock", "lab.pkr.hcl").status == 0
    ended = vmforge("build", "-only=null.a", "lab.pkr.hcl")
    assert (ended.status, ended.err) == (0, "")
    assert "the key is a key" in ended.out


def test_a_build_with_other_inputs_fails_and_says_how_they_differ(vmforge, lab, golden):
    assert vmforge("lock", "lab.pkr.hcl").status == 0
    (lab / "run.sh").write_text("#!/bin/sh\necho changed\n")
    (lab / "mirror" / "key").write_text("another key")
    text = (lab / "lab.pkr.hcl").read_text()
    text = text.replace('"file:https://cd.example/SHA256SUMS"', f'"{sha256(b"another ISO")}"')
    (lab / "lab.pkr.hcl").write_text(text)
    golden("cli/lock_differs.txt", vmforge("build", "lab.pkr.hcl").text)
    assert vmforge("lock", "lab.pkr.hcl").status == 1
    assert vmforge("build", "-only=null.a", "--no-lock", "lab.pkr.hcl").status == 0
    assert vmforge("lock", "--update", "lab.pkr.hcl").status == 0
    assert vmforge("build", "-only=null.a", "lab.pkr.hcl").status == 0


def test_a_medium_whose_list_says_something_else_now_is_refused_when_it_comes(vmforge, lab, monkeypatch):
    """The list is not even asked: the download must be what was locked."""
    assert vmforge("lock", "lab.pkr.hcl").status == 0
    other = b"another ISO"
    (lab / "mirror" / "SHA256SUMS").write_text(f"{hashlib.sha256(other).hexdigest()}  a.iso\n")
    (lab / "mirror" / "a.iso").write_bytes(other)
    ended = vmforge("build", "-only=qemu.disk", "-layers=off", "lab.pkr.hcl")
    assert ended.status == 1
    said = f"is not the file that the lock file states: its sha256 is {hashlib.sha256(other).hexdigest()}, "
    assert said + f"expected {hashlib.sha256(ISO).hexdigest()}" in ended.out + ended.err


def test_a_new_file_is_a_difference_and_one_that_is_not_used_is_none(vmforge, lab):
    (lab / "more.sh").write_text("true\n")
    text = (lab / "lab.pkr.hcl").read_text()
    assert vmforge("lock", "lab.pkr.hcl").status == 0
    (lab / "lab.pkr.hcl").write_text(text.replace('script = "run.sh"', 'scripts = ["run.sh", "more.sh"]'))
    ended = vmforge("build", "-only=null.a", "lab.pkr.hcl")
    assert "files: more.sh\n    was not there when it was locked" in ended.err
    (lab / "lab.pkr.hcl").write_text(text.replace('script = "run.sh"', 'inline = ["true"]'))
    assert vmforge("build", "-only=null.a", "lab.pkr.hcl").status == 0


def test_other_tools_are_only_told(vmforge, lab):
    assert vmforge("lock", "lab.pkr.hcl").status == 0
    change(lab, "tools", "QEMU", "1.0")
    ended = vmforge("build", "-only=qemu.disk", "--explain", "-layers=off", "lab.pkr.hcl")
    assert ended.status == 0
    assert "the lock file has 1.0" in ended.err


def test_another_lock_file_may_be_named(vmforge, lab):
    assert vmforge("lock", "-o", "own.lock.json", "lab.pkr.hcl").status == 0
    (lab / "run.sh").write_text("#!/bin/sh\necho changed\n")
    assert vmforge("build", "-only=null.a", "lab.pkr.hcl").status == 0
    ended = vmforge("build", "-only=null.a", "--lock", "own.lock.json", "lab.pkr.hcl")
    assert "one input differs from the lock file `own.lock.json`" in ended.err
    ended = vmforge("build", "--no-lock", "--lock", "own.lock.json", "lab.pkr.hcl")
    assert ended.status == 2
    assert vmforge("build", "--lock", "none.json", "lab.pkr.hcl").status == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is no JSON"),
        ("[]", "is no lock file"),
        ('{"format": "vmforge-lock", "version": 9}', "is of another version"),
        ('{"format": "vmforge-lock", "version": 1, "files": {"a": 1}}', "is damaged"),
    ],
)
def test_a_file_that_is_no_lock_file_is_told(vmforge, lab, text, complaint):
    (lab / "lab.lock.json").write_text(text)
    ended = vmforge("build", "lab.pkr.hcl")
    assert ended.status == 1
    assert complaint in ended.err


def test_a_folder_of_templates_has_its_lock_file_inside(vmforge, lab):
    assert vmforge("lock", ".").status == 0
    assert Path("template.lock.json").is_file()
