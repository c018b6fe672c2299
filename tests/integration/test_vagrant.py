"""Boxes in the hands of the real Vagrant, on a libvirt daemon of its own.

The daemon, its networks and its machines live in namespaces of this test, and end with them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Vmforge

pytestmark = [pytest.mark.machine, pytest.mark.timeout(900)]

EXAMPLE = ROOT / "examples" / "vagrant"
PROGRAMS = ("vagrant", "libvirtd", "virtlogd", "virsh", "dnsmasq", "iptables", "unshare", "nsenter")

# Everything that libvirtd writes lies in the test's folder. What hides /dev/kvm is there because libvirt
# searches it anew at each step where the kernel's module does not work (nested, no hardware support).
_DAEMON = """
set -e
ip link set lo up
for place in run:/run varlib:/var/lib cache:/var/cache log:/var/log etc:/etc
do
    mkdir -p "${place#*:}/libvirt"
    mount --bind "$LAB/${place%%:*}" "${place#*:}/libvirt"
done
[ ! -e /dev/kvm ] || mount --bind "$LAB/no-kvm" /dev/kvm
virtlogd -d
libvirtd -d
echo ready
exec sleep infinity
"""


@dataclass
class Lab:
    """A host with Vagrant and libvirt. Vagrant works in `folder`."""

    anchor: int
    folder: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "VAGRANT_HOME": str(self.folder / "home"),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
            "LIBVIRT_DEFAULT_URI": "qemu:///system",
        }
        enter = ["nsenter", f"--target={self.anchor}", "--mount", "--net", "--pid", f"--wd={self.folder}"]
        ended = subprocess.run(
            [*enter, "--", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or ended.returncode == 0, ended.stdout
        return ended

    def vagrant(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("vagrant", *arguments, "--no-tty", check=check)

    def configure(self, text: str) -> None:
        lines = f'Vagrant.configure("2") do |config|\n{text}\nend\n'
        (self.folder / "Vagrantfile").write_text(lines)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    missing = [
        name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None
    ]
    if missing:
        pytest.skip(
            f"not installed: {', '.join(missing)} (apt install vagrant vagrant-libvirt dnsmasq-base iptables)"
        )
    if os.geteuid() != 0:
        pytest.skip("only root can make a host of its own for libvirtd")
    root = Path(tempfile.mkdtemp(prefix="vagrant-"))
    for name in ("run", "cache", "log/qemu", "work"):
        (root / name).mkdir(parents=True)
    for name in ("boot", "dnsmasq", "images", "network", "qemu", "sanlock", "swtpm"):
        (root / "varlib" / name).mkdir(parents=True)
    shutil.copytree("/etc/libvirt", root / "etc")
    (root / "etc/qemu.conf").write_text("namespaces = []\n")
    (root / "no-kvm").touch(mode=0)
    root.chmod(0o755)
    isolate = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    daemon = subprocess.Popen(
        [*isolate, "--propagation", "private", "sh", "-c", _DAEMON],
        env={**os.environ, "LAB": str(root)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert daemon.stdout is not None
        assert "ready\n" in iter(daemon.stdout.readline, ""), "libvirtd did not start"
        children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
        yield Lab(int(children[0]), root / "work")
    finally:
        daemon.kill()
        daemon.wait()
        shutil.rmtree(root, ignore_errors=True)


def build(vmforge: Vmforge, guest_iso: Path, *arguments: str) -> Path:
    """Build the example; returns the folder of the boxes."""
    shutil.copytree(EXAMPLE, vmforge.folder / "example")
    given = ["-var", f"iso={guest_iso}", "-var", f"output={vmforge.folder}/boxes"]
    ended = vmforge.run("build", *given, *arguments, "example")
    assert ended.status == 0, ended.out + ended.err
    return vmforge.folder / "boxes"


@pytest.mark.slow  # a minute, or three on a busy machine
def test_a_box_from_the_catalogue_to_its_end(vmforge: Vmforge, guest_iso: Path, lab: Lab) -> None:
    boxes = build(vmforge, guest_iso)
    added = lab.vagrant("box", "add", str(boxes / "metadata.json"), "--box-version", "1.0.0")
    assert "Calculating and comparing box checksum" in added.stdout
    assert "vmforge/tiny (libvirt, 1.0.0)" in lab.vagrant("box", "list").stdout
    lab.configure('  config.vm.box = "vmforge/tiny"\n  config.vm.boot_timeout = 900')
    up = lab.vagrant("up", "--provider=libvirt")
    assert re.search(r"Domain type: +qemu\n", up.stdout)  # there is no KVM here
    assert re.search(r"Image\(vda\):.*, virtio, 1G\n", up.stdout)
    assert "Machine booted and ready!" in up.stdout
    said = lab.vagrant("ssh", "-c", "cat /etc/motd; id -un; sudo id -un").stdout
    assert said.split("\n")[:3] == ["Built by vmforge, run by Vagrant.", "vagrant", "root"]
    lab.vagrant("destroy", "-f")
    assert lab.run("virsh", "list", "--all", "--name").stdout.strip() == ""


def test_a_box_that_was_changed_is_refused(lab: Lab, tmp_path: Path) -> None:
    box = tmp_path / "x.box"
    box.write_bytes(b"changed")
    provider = {"name": "libvirt", "url": box.as_uri(), "checksum_type": "sha256", "checksum": "00" * 32}
    catalogue = {"name": "a/b", "versions": [{"version": "1", "providers": [provider]}]}
    (tmp_path / "metadata.json").write_text(json.dumps(catalogue))
    refused = lab.vagrant("box", "add", str(tmp_path / "metadata.json"), check=False)
    assert refused.returncode != 0
    assert "checksum" in refused.stdout


_DISKS = """
source "null" "disks" {
  communicator = "none"
}

build {
  sources = ["source.null.disks"]

  post-processors {
    post-processor "artifice" {
      files = ["root.raw", "data.vmdk"]
    }
    post-processor "vagrant" {
      output    = "{{ .Provider }}.box"
      providers = ["libvirt", "virtualbox", "vmware_desktop"]
    }
  }
}
"""


def test_boxes_of_other_disks(vmforge: Vmforge, lab: Lab) -> None:
    """All of Vagrant's own checks, and those of vagrant-libvirt up to the machine's first start."""
    (vmforge.folder / "t.pkr.hcl").write_text(_DISKS)
    for name, format, size in (("root.raw", "raw", "1500M"), ("data.vmdk", "vmdk", "300M")):
        subprocess.run(["qemu-img", "create", "-q", "-f", format, vmforge.folder / name, size], check=True)
    ended = vmforge.run("build", "t.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    for provider in ("libvirt", "virtualbox", "vmware_desktop"):
        lab.vagrant("box", "add", "--name", "disks", str(vmforge.folder / f"{provider}.box"))
        assert re.search(rf"disks +\({provider}, 0\)", lab.vagrant("box", "list").stdout)
    lab.configure(
        '  config.vm.box = "disks"\n  config.vm.provider(:libvirt) { |libvirt| libvirt.mgmt_attach = false }'
    )
    up = lab.vagrant("up", "--provider=libvirt", check=False)
    assert "Management network can't be disabled" in up.stdout
    volumes = lab.run("virsh", "vol-list", "default", "--details").stdout
    assert re.search(r"disks_vagrant_box_image_0\S*_box\.img .* 1\.46 GiB", volumes), volumes
    assert re.search(r"disks_vagrant_box_image_0\S*_box_1\.img .* 300\.00 MiB", volumes), volumes
    lab.vagrant("destroy", "-f", check=False)
