"""`vmforge bundle`: from a template here to a build there, where nothing can be asked."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from http_server import Server
from vmforge.cache import Store

IMAGE = hashlib.shake_256(b"an image").digest(100_000)

TEMPLATE = """
variable "name" { default = "x" }
variable "hush" {
  default   = ""
  sensitive = true
}
data "http" "keys" { url = "https://keys.example/key" }
locals { text = file("texts/a.txt") }
source "null" "a" { communicator = "none" }
source "file" "image" {
  content = "x"
  target  = "out/x"
}
source "qemu" "disk" {
  iso_url        = "https://cd.example/image.qcow2"
  iso_checksum   = "file:https://cd.example/SHA512SUMS"
  disk_image     = true
  ssh_username   = "x"
  http_directory = "answers"
  cd_files       = ["seed/*.yaml"]
  iso_target_extension = "qcow2"
}
build {
  sources = ["null.a", "qemu.disk"]
  provisioner "shell-local" {
    only   = ["null.a"]
    inline = ["echo ${var.name} ${local.text} ${data.http.keys.body} here"]
  }
  provisioner "shell-local" {
    only   = ["null.a"]
    script = "scripts/run.sh"
  }
}
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A project, and a mirror of all that it takes from elsewhere."""
    files = {
        "project/lab/lab.pkr.hcl": TEMPLATE,
        "project/lab/more.auto.pkrvars.hcl": 'name = "auto"\n',
        "project/lab/texts/a.txt": "text",
        "project/lab/unused.txt": "unused",
        "project/answers/deep/preseed.cfg": "answers",
        "project/seed/a.yaml": "a: 1",
        "project/scripts/run.sh": "#!/bin/sh\necho the script\n",
        "project/unused.iso": "unused",
        "mirror/key": "a key",
        "mirror/SHA512SUMS": f"{hashlib.sha512(IMAGE).hexdigest()}  image.qcow2\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "mirror" / "image.qcow2").write_bytes(IMAGE)
    (tmp_path / "project" / "scripts" / "run.sh").chmod(0o755)
    monkeypatch.chdir(tmp_path / "project")
    for name in ("VMFORGE_OFFLINE", "VMFORGE_MIRRORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path / "here"))
    monkeypatch.setenv("VMFORGE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def mirror(lab, monkeypatch):
    """Everything that is elsewhere, served on this machine."""
    with Server(lab / "mirror", None) as server:
        mirrors = "".join(f'"https://{host}.example/" = "{server.url}/"\n' for host in ("cd", "keys"))
        (lab / "mirrors.toml").write_text(f"[mirrors]\n{mirrors}")
        monkeypatch.setenv("VMFORGE_MIRRORS", str(lab / "mirrors.toml"))
        yield server


@pytest.fixture
def bundle(vmforge, lab, mirror):
    assert vmforge("bundle", "key", str(lab / "key")).status == 0
    path = lab / "lab.vmb"
    flags = ("-o", str(path), "--key", str(lab / "key"), "--no-wheels", "-var", "hush=secret")
    ended = vmforge("bundle", "create", "lab", *flags)
    assert ended.status == 0, ended.err
    return path


def there(lab, monkeypatch):
    """Another machine: an empty cache, another folder, and no mirrors."""
    monkeypatch.delenv("VMFORGE_MIRRORS")
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(lab / "there"))
    (lab / "elsewhere").mkdir()
    monkeypatch.chdir(lab / "elsewhere")


def test_a_bundle_holds_what_the_builds_read_and_nothing_else(vmforge, bundle):
    manifest = json.loads(vmforge("bundle", "list", "--json", str(bundle)).out)
    assert [file["path"] for file in manifest["files"]] == [
        "answers/deep/preseed.cfg",
        "lab/lab.pkr.hcl",
        "lab/more.auto.pkrvars.hcl",
        "lab/texts/a.txt",
        "scripts/run.sh",
        "seed/a.yaml",
    ]
    assert [stored["origin"] for stored in manifest["objects"]] == ["https://cd.example/image.qcow2"]
    assert [re.match("[a-z0-9]+:", one["key"])[0] for one in manifest["bindings"]] == [
        "data:",
        "listed:",
        "sha512:",
    ]
    assert manifest["templates"] == [{"path": "lab", "arguments": ["-var=hush=..."]}]
    assert b"secret" not in bundle.read_bytes()


def test_the_same_inputs_make_the_same_bytes(vmforge, lab, bundle):
    flags = ("-o", str(lab / "again.vmb"), "--key", str(lab / "key"), "--no-wheels", "-var", "hush=secret")
    assert vmforge("bundle", "create", "lab", *flags).status == 0
    assert (lab / "again.vmb").read_bytes() == bundle.read_bytes()


def test_what_is_imported_is_built_offline(vmforge, lab, bundle, monkeypatch):
    there(lab, monkeypatch)
    ended = vmforge("bundle", "import", str(bundle), "--trust", str(lab / "key.pub"))
    assert ended.status == 0, ended.err
    assert "cd lab/project && vmforge build --offline -var=hush=... lab" in ended.out
    kept = [(item.path.suffix, item.path.read_bytes()) for item in Store(lab / "there").objects()]
    assert kept == [(".qcow2", IMAGE)]
    monkeypatch.chdir("lab/project")
    ended = vmforge("build", "--offline", "-only=null.a", "lab")
    assert (ended.status, ended.err) == (0, "")
    assert "auto text a key here" in ended.out
    assert "the script" in ended.out
    # the disk's image is found too: nothing is missing
    ended = vmforge("build", "--offline", "--explain", "-layers=off", "lab")
    assert (ended.status, ended.err) == (0, "")


def test_without_the_bundle_it_is_all_missing(vmforge, lab, monkeypatch, mirror):
    there(lab, monkeypatch)
    monkeypatch.chdir(lab / "project")
    ended = vmforge("build", "--offline", "lab")
    assert "lacks 3 things of the network" in ended.err


def test_only_trusted_signatures_are_taken(vmforge, lab, bundle, monkeypatch):
    there(lab, monkeypatch)
    ended = vmforge("bundle", "import", str(bundle))
    assert "which is not trusted" in ended.err
    assert Store(lab / "there").objects() == []
    (lab / "config" / "vmforge" / "trusted-keys").mkdir(parents=True)
    (lab / "config" / "vmforge" / "trusted-keys" / "lab.pub").write_bytes((lab / "key.pub").read_bytes())
    assert vmforge("bundle", "import", str(bundle)).status == 0


def test_verify_reads_all_of_it(vmforge, lab, bundle):
    ended = vmforge("bundle", "verify", str(bundle))
    assert ended.status == 0
    assert "nobody said that its key is to be trusted" in ended.err
    ended = vmforge("bundle", "verify", str(bundle), "--trust", str(lab / "key.pub"))
    assert (ended.status, ended.err) == (0, "")
    content = bytearray(bundle.read_bytes())
    content[-5000] ^= 1
    bundle.write_bytes(content)
    ended = vmforge("bundle", "verify", str(bundle), "--trust", str(lab / "key.pub"))
    assert ended.status == 1
    assert "is not what the manifest says" in ended.err


def test_an_unsigned_one_must_be_wanted_on_both_sides(vmforge, lab, mirror, monkeypatch):
    create = ("bundle", "create", "lab", "-o", str(lab / "u.vmb"), "--no-wheels")
    ended = vmforge(*create)
    assert (ended.status, "who signs the bundle?" in ended.err) == (2, True)
    assert vmforge(*create, "--unsigned").status == 0
    there(lab, monkeypatch)
    ended = vmforge("bundle", "import", str(lab / "u.vmb"))
    assert "the bundle is not signed" in ended.err
    ended = vmforge("bundle", "verify", str(lab / "u.vmb"), "--trust", str(_key(vmforge, lab)))
    assert "the bundle is not signed" in ended.err
    ended = vmforge("bundle", "import", str(lab / "u.vmb"), "--allow-unsigned")
    assert ended.status == 0
    assert "nobody signed the bundle" in ended.err


def _key(vmforge, lab):
    vmforge("bundle", "key", str(lab / "key"))
    return lab / "key.pub"


def test_files_outside_of_the_folder_are_told(vmforge, lab, mirror):
    text = (Path("lab") / "lab.pkr.hcl").read_text()
    (lab / "outside.sh").write_text("true\n")
    Path("lab/lab.pkr.hcl").write_text(text.replace("scripts/run.sh", "../outside.sh"))
    create = ("bundle", "create", "lab", "-o", str(lab / "u.vmb"), "--no-wheels", "--unsigned")
    ended = vmforge(*create)
    assert ended.status == 1
    assert "`../outside.sh`, which a build reads, is not below `.`" in ended.err
    assert vmforge(*create, "--root", "..").status == 0
    ended = vmforge("bundle", "import", str(lab / "u.vmb"), "--allow-unsigned", "-o", str(lab / "taken"))
    assert f"cd {lab / 'taken' / 'project' / 'project'} && vmforge build --offline lab" in ended.out


def test_what_no_bundle_can_carry_is_told(vmforge, lab, mirror):
    path = Path("lab/lab.pkr.hcl")
    goss = 'build {\n  sources = ["null.a"]\n  provisioner "goss" {\n    tests = ["lab"]\n  }\n}\n'
    path.write_text(path.read_text() + goss)
    ended = vmforge("bundle", "create", "lab", "-o", str(lab / "u.vmb"), "--no-wheels", "--unsigned")
    assert ended.status == 0
    assert "no bundle can carry goss" in ended.out


def test_the_package_caches_files_travel_with_the_builds_that_were_given_them(
    vmforge, lab, mirror, monkeypatch
):
    import io

    from vmforge.cli.bundle_contents import used_by
    from vmforge.package_cache import PackageShelf

    shelf = PackageShelf(Store(lab / "here"))
    for name in ("used", "other"):
        url = f"http://deb.example/pool/{name}_1_all.deb"
        shelf.add(url, io.BytesIO(name.encode()), {"Content-Type": "x"}, 1.0)
    shelf.note_used(used_by(Path("lab"), "qemu.disk"), ["http://deb.example/pool/used_1_all.deb"])
    flags = ("-o", str(lab / "u.vmb"), "--no-wheels", "--unsigned", "--packages")
    ended = vmforge("bundle", "create", "lab", *flags)
    assert "the package cache has nothing for `null.a`" in ended.out
    there(lab, monkeypatch)
    imported = vmforge("bundle", "import", str(lab / "u.vmb"), "--allow-unsigned")
    assert "vmforge build --offline -package-cache" in imported.out
    taken = PackageShelf(Store(lab / "there"))
    assert [kept.url for kept in taken.entries()] == ["http://deb.example/pool/used_1_all.deb"]
    kept = taken.find("http://deb.example/pool/used_1_all.deb")
    with taken.open(kept) as body:
        assert body.read() == b"used"


def test_builds_without_layers_are_told(vmforge, lab, mirror):
    flags = ("-o", str(lab / "u.vmb"), "--no-wheels", "--unsigned", "--layers", "-only=null.a")
    ended = vmforge("bundle", "create", "lab", *flags)
    assert ended.status == 0, ended.err
    assert "there are no layers of `null.a`: " in ended.out
    assert "memory" not in ended.out
    assert ended.out.endswith("0 wheels, not signed\n")


def test_what_no_option_names_is_included_on_request(vmforge, lab, mirror):
    flags = ("-o", str(lab / "u.vmb"), "--no-wheels", "--unsigned", "--include", "unused.iso")
    assert vmforge("bundle", "create", "lab", *flags).status == 0
    assert "unused.iso" in vmforge("bundle", "list", str(lab / "u.vmb")).out
