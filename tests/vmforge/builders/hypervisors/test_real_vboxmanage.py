"""The commands for VirtualBox, taken by the real `VBoxManage`.

Needs VirtualBox 7 in a folder that `VIRTUALBOX_ROOT` names, with this machine's /tmp and /proc bound into it:
docs/hypervisors.md says how to get that.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Template = Callable[..., Path]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("VIRTUALBOX_ROOT" not in os.environ, reason="needs VIRTUALBOX_ROOT"),
]

HARDWARE = """
  iso_url                  = "installer.iso"
  iso_checksum             = "none"
  guest_additions_mode     = "disable"
  virtualbox_version_file  = ""
  boot_wait                = "1ms"
  boot_command             = ["a"]
  guest_os_type            = "Debian_64"
  http_content             = { "/x" = "" }
"""
RICH = """
  vm_name                  = "rich"
  format                   = "ova"
  export_opts              = ["--manifest"]
  floppy_content           = { "answers.txt" = "yes" }
  cd_content               = { "user-data" = "" }
  cpus                     = 2
  memory                   = 1024
  chipset                  = "ich9"
  firmware                 = "efi"
  nested_virt              = true
  rtc_time_base            = "UTC"
  nic_type                 = "virtio"
  sound                    = "null"
  audio_controller         = "hda"
  usb                      = true
  usb_controller           = "xhci"
  mouse                    = "usbtablet"
  keyboard                 = "usb"
  gfx_controller           = "vmsvga"
  gfx_vram_size            = 64
  gfx_accelerate_3d        = true
  gfx_efi_resolution       = "1024x768"
  disk_size                = 100
  disk_additional_size     = [10]
  hard_drive_nonrotational = true
  hard_drive_discard       = true
"""


@pytest.fixture
def virtualbox(room):
    room.install("VBoxManage.chroot")
    (room.path / "VBoxManage.chroot").rename(room.path / "VBoxManage")
    with (room.work / "installer.iso").open("wb") as iso:
        iso.truncate(1024 * 1024)
    folder = ["setproperty", "machinefolder", str(room.folder / "machines")]
    subprocess.run([room.path / "VBoxManage", *folder], env=room.environment, check=True)
    return room


@pytest.mark.parametrize("bus", ["ide", "sata", "scsi", "virtio", "pcie"])
def test_new_machines_on_every_bus(virtualbox, write_template: Template, bus: str) -> None:
    options = f'{HARDWARE}{RICH}  hard_drive_interface = "{bus}"\n'
    if bus in ("ide", "scsi"):
        options = options.replace("hard_drive_discard       = true", "")
    done = virtualbox.vmforge("build", write_template("virtualbox-iso", options).name)
    assert done.status == 0, done.text
    assert (virtualbox.work / "output-base" / "rich.ova").stat().st_size > 1000


def test_an_exported_appliance_is_imported_again(virtualbox, write_template: Template) -> None:
    done = virtualbox.vmforge("build", write_template("virtualbox-iso", HARDWARE).name)
    assert done.status == 0, done.text
    exported = virtualbox.work / "output-base"
    exported.rename(virtualbox.work / "first")
    options = """
  source_path             = "first/packer-base.ovf"
  cd_content              = { "user-data" = "" }
  guest_additions_mode    = "disable"
  virtualbox_version_file = ""
"""
    done = virtualbox.vmforge("build", write_template("virtualbox-ovf", options).name)
    assert done.status == 0, done.text
    assert (virtualbox.work / "output-base" / "packer-base.ovf").exists()


def test_a_machine_that_is_there_is_put_back(virtualbox, write_template: Template) -> None:
    options = f'{HARDWARE}  vm_name = "mine"\n  keep_registered = true\n  skip_export = true\n'
    assert virtualbox.vmforge("build", write_template("virtualbox-iso", options).name).status == 0
    adopted = """
  vm_name                 = "mine"
  output_directory        = "second"
  target_snapshot         = "result"
  force_delete_snapshot   = true
  guest_additions_mode    = "disable"
  virtualbox_version_file = ""
"""
    template = write_template("virtualbox-vm", adopted)
    for _ in range(2):
        done = virtualbox.vmforge("build", "-force", template.name)
        assert done.status == 0, done.text
    tool = [str(virtualbox.path / "VBoxManage"), "snapshot", "mine", "list", "--machinereadable"]
    listed = subprocess.run(
        tool, env=virtualbox.environment, capture_output=True, text=True, check=False
    ).stdout
    assert 'SnapshotName="result"' in listed or '"result"' in listed
    assert "vmforge-" not in listed
