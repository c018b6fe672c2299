"""`--offline` and `--mirror`: all that is missing at once, and where else it may be."""

from __future__ import annotations

import hashlib
import socket

import pytest

from vmforge.cli.offline_options import network_of
from vmforge.errors import UsageError, VmforgeError

SHA256 = hashlib.sha256(b"an ISO").hexdigest()

TEMPLATE = f"""
data "http" "keys" {{ url = "https://user:secret@keys.example/x?key=secret" }}
data "http" "more" {{ url = "https://keys.example/${{data.http.keys.body}}" }}
locals {{ password = consul_key("lab/password") }}
source "qemu" "listed" {{
  iso_urls     = ["https://cd.example/a.iso?token=secret", "https://cd2.example/a.iso"]
  iso_checksum = "file:https://cd.example/SHA256SUMS"
  ssh_username = data.http.keys.body
  ssh_password = local.password
}}
source "qemu" "stated" {{
  iso_url      = "https://cd.example/b.iso"
  iso_checksum = "sha256:{SHA256}"
  ssh_username = "x"
}}
source "qemu" "image" {{
  iso_url      = "https://cd.example/${{data.http.keys.body}}.qcow2"
  iso_checksum = "none"
  disk_image   = true
  ssh_username = "x"
}}
build {{
  sources = ["qemu.listed", "qemu.stated", "qemu.image"]
  provisioner "goss" {{
    tests = ["lab.pkr.hcl"]
  }}
  provisioner "salt-masterless" {{
    local_state_tree = "states"
    formulas         = ["git::https://git.example/f.git//f"]
  }}
  post-processor "upload" {{
    urls = ["https://store.example/{{{{ .BuildName }}}}/", "s3://bucket/", "x@host.example:y", "http://127.0.0.1/"]
  }}
  post-processor "vagrant-cloud" {{
    box_tag      = "a/b"
    version      = "1.0.0"
    access_token = "hush"
  }}
}}
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("VMFORGE_OFFLINE", "VMFORGE_MIRRORS", "CONSUL_HTTP_SSL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("VMFORGE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "consul.example:8500")
    (tmp_path / "states").mkdir()
    (tmp_path / "lab.pkr.hcl").write_text(TEMPLATE)

    def refuse(*arguments, **more):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tmp_path


def test_all_that_is_missing_is_said_at_once(vmforge, lab, golden):
    golden("cli/offline.txt", vmforge("build", "-offline", "lab.pkr.hcl").text)
    assert not (lab / "state").exists()


def test_the_environment_and_the_selection_count(vmforge, lab, golden, monkeypatch):
    monkeypatch.setenv("VMFORGE_OFFLINE", "1")
    chosen = ("-only=qemu.stated", "-except=upload,vagrant-cloud")
    mirror = f"-mirror=https://cd.example={(lab / 'mirror').as_uri()}"
    ended = vmforge("build", *chosen, mirror, "lab.pkr.hcl")
    golden("cli/offline_selected.txt", ended.text.replace(str(lab), "LAB"))


def test_a_template_that_is_wrong_is_told_before_what_is_missing(vmforge, lab):
    (lab / "lab.pkr.hcl").write_text(TEMPLATE.replace("disk_image ", "disc_image "))
    ended = vmforge("build", "--offline", ".")
    assert ended.status == 1
    assert "unknown option `disc_image`" in ended.err
    assert "lacks" not in ended.err


def test_with_all_of_it_here_only_warnings_are_left(vmforge, lab):
    (lab / "mirror").mkdir()
    (lab / "mirror" / "b.iso").write_bytes(b"an ISO")
    text = TEMPLATE[TEMPLATE.index('source "qemu" "stated"') : TEMPLATE.index('source "qemu" "image"')]
    text += 'build {\n  sources = ["qemu.stated"]\n  provisioner "goss" {\n    tests = ["."]\n  }\n}\n'
    (lab / "lab.pkr.hcl").write_text(text)
    mirror = f"-mirror=https://cd.example/={(lab / 'mirror').as_uri()}/"
    ended = vmforge("build", "--offline", mirror, "--explain", "-layers=off", "lab.pkr.hcl")
    assert ended.status == 0
    assert "offline, but the guest fetches goss" in ended.err


def test_data_sources_answer_offline_from_their_mirror(vmforge, lab):
    (lab / "mirror").mkdir()
    (lab / "mirror" / "x").write_text("vagrant")
    (lab / "lab.pkr.hcl").write_text(
        'data "http" "keys" { url = "https://keys.example/x" }\n'
        'source "null" "a" { communicator = "none" }\n'
        'build {\n  sources = ["null.a"]\n'
        '  provisioner "shell-local" { inline = ["echo user ${data.http.keys.body}"] }\n}\n'
    )
    mirror = f"-mirror=https://keys.example/={(lab / 'mirror').as_uri()}/"
    ended = vmforge("build", "--offline", mirror, "lab.pkr.hcl")
    assert (ended.status, ended.err) == (0, "")
    assert "user vagrant" in ended.out


def test_a_legacy_template_lacks_its_secrets_too(vmforge, lab):
    (lab / "lab.json").write_text(
        '{"variables": {"p": "{{ consul_key `a` }}"}, "builders": [{"type": "null", "communicator": "none"}]}'
    )
    ended = vmforge("build", "--offline", "lab.json")
    assert "lacks one thing of the network" in ended.err
    assert "`a` of Consul" in ended.err


def test_validate_says_what_it_could_not_ask_for(vmforge, lab, monkeypatch):
    monkeypatch.setenv("VMFORGE_OFFLINE", "1")
    ended = vmforge("validate", "-evaluate-datasources", "lab.pkr.hcl")
    assert ended.status == 0
    assert (
        "offline: its answer, for `data.http.keys` was not asked for (`https://keys.example/x`)" in ended.err
    )


def test_init_installs_nothing_offline(lab, monkeypatch):
    from vmforge.cli.init import install

    monkeypatch.setenv("VMFORGE_OFFLINE", "1")
    with pytest.raises(VmforgeError, match="pip would have to fetch `some-package`"):
        install(["some-package"], upgrade=False)


# -- mirrors -------------------------------------------------------------------------------------


def test_flags_win_over_the_file_of_mirrors(lab):
    (lab / "config" / "vmforge").mkdir(parents=True)
    (lab / "config" / "vmforge" / "mirrors.toml").write_text(
        '[mirrors]\n"https://a/" = "https://file-a/"\n"https://b/" = "https://file-b/"\n'
    )
    network = network_of(mirror=["https://a/=https://flag-a/", "https://d/=file:///d/"])
    assert network.locate("https://a/x") == "https://flag-a/x"
    assert network.locate("https://b/x") == "https://file-b/x"
    assert network.locate("https://d/x") == "file:///d/x"


def test_the_file_of_mirrors_is_named_by_the_environment(lab, monkeypatch):
    monkeypatch.setenv("VMFORGE_MIRRORS", str(lab / "m.toml"))
    with pytest.raises(VmforgeError, match="there is no mirrors file"):
        network_of()
    (lab / "m.toml").write_text('[mirrors]\n"https://a=b/" = "https://c/"\n')
    assert network_of().locate("https://a=b/x") == "https://c/x"
    assert network_of(mirror=["https://a=b/=https://d/"]).locate("https://a=b/x") == "https://d/x"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[mirrors", "cannot be read"),
        ('mirrors = "x"', "has no table `mirrors`"),
        ('[mirrors]\n"https://a/" = 1', "the place of `https://a/` is no text"),
        ('[mirrors]\n"a/" = "https://b/"', "`a/` is no `http://` or `https://` URL"),
    ],
)
def test_a_wrong_file_of_mirrors_is_told(lab, monkeypatch, text, complaint):
    monkeypatch.setenv("VMFORGE_MIRRORS", str(lab / "m.toml"))
    (lab / "m.toml").write_text(text)
    with pytest.raises(VmforgeError) as caught:
        network_of()
    assert complaint in caught.value.message


@pytest.mark.parametrize("text", ["https://a/", "a/=https://b/", "https://a/=b", "https://a/=https://b"])
def test_a_wrong_pair_is_a_wrong_command_line(lab, text):
    with pytest.raises(UsageError):
        network_of(mirror=[text])
