"""The `test` provisioner on a real machine: the guest as it is built, and the finished image booted again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import Vmforge

pytestmark = pytest.mark.machine

TEMPLATE = """\
variable "iso" {
  type = string
}
variable "wanted" {
  type = string
}
source "qemu" "tiny" {
  iso_url          = var.iso
  iso_checksum     = "none"
  http_content     = { "/tiny.cfg" = "hostname=tiny\\nuser=forge\\npassword=secret-of-forge\\n" }
  disk_size        = "512M"
  memory           = 512
  headless         = true
  boot_wait        = "3s"
  boot_command     = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg<enter>"]
  ssh_username     = "forge"
  ssh_password     = "secret-of-forge"
  shutdown_command = "sudo poweroff"
}
build {
  sources = ["qemu.tiny"]
  provisioner "shell" {
    inline = ["echo built | sudo tee /made >/dev/null"]
  }
  provisioner "test" {
    inline = ["grep -q built /made"]
    junit  = "guest.xml"
  }
  provisioner "test" {
    on     = "artifact"
    inline = ["grep -q built /made", "test $(hostname) = ${var.wanted}", "sudo touch /spoiled"]
    junit  = "artifact.xml"
  }
}
"""


def test_the_image_that_ships_is_the_one_that_was_tested(vmforge: Vmforge, guest_iso: Path) -> None:
    (vmforge.folder / "t.pkr.hcl").write_text(TEMPLATE)
    vmforge.environment["PKR_VAR_iso"] = str(guest_iso)
    ended = vmforge.run("build", "t.pkr.hcl", environment={"PKR_VAR_wanted": "tiny"})
    assert ended.status == 0, ended.out + ended.err
    assert 'failures="0"' in (vmforge.folder / "guest.xml").read_text()
    assert 'tests="3" failures="0"' in (vmforge.folder / "artifact.xml").read_text()
    disk = vmforge.folder / "output-tiny" / "packer-tiny"
    assert b"spoiled" not in disk.read_bytes()

    again = vmforge.run("build", "-force", "t.pkr.hcl", environment={"PKR_VAR_wanted": "other"})
    assert again.status == 1, again.out + again.err
    assert "1 of 3 tests failed: `test $(hostname) = other`" in again.out + again.err
    assert disk.is_file()
