"""Builds on VirtualBox, whose `VBoxManage` is a stand-in: see there for what it does not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Golden = Callable[[str, str], None]
Template = Callable[..., Path]

INSTALLED = """
  iso_url       = "installer.iso"
  iso_checksum  = "none"
  guest_os_type = "Debian_64"
  boot_wait     = "10ms"
  boot_command  = ["<esc>a<wait10ms>B<enter>"]
  headless      = true
"""
EVERYTHING = """
  iso_urls                  = ["installer.iso"]
  iso_checksum              = "none"
  boot_steps                = [["<leftCtrlOn>c<leftCtrlOff>", "interrupt"], ["<wait10ms><f12>", "menu"]]
  boot_wait                 = "10ms"
  boot_key_interval         = "1ms"
  boot_keygroup_interval    = "1ms"
  vm_name                   = "whole"
  output_directory          = "out"
  output_filename           = "appliance"
  format                    = "OVA"
  export_opts               = ["--manifest", "--vsys", "0"]
  http_content              = { "/preseed.cfg" = "" }
  floppy_content            = { "answers.txt" = "yes" }
  cd_content                = { "user-data" = "" }
  guest_additions_mode      = "attach"
  guest_additions_interface = "sata"
  guest_additions_url       = "additions-{{ .Version }}.iso"
  virtualbox_version_file   = ""
  bundle_iso                = true
  vrdp_bind_address         = "127.0.0.1"
  vrdp_port_min             = 5950
  vrdp_port_max             = 5999
  host_port_min             = 22220
  host_port_max             = 44440
  acpi_shutdown             = true
  post_shutdown_delay       = "1ms"
  vboxmanage = [
    ["modifyvm", "{{ .Name }}", "--tpm-type", "2.0"],
    ["modifyvm", "{{ .Name }}", "--description", "{{ .HTTPIP }}"],
  ]
  vboxmanage_post           = [["modifyvm", "{{ .Name }}", "--nic1", "none"]]
  guest_os_type             = "Debian_64"
  cpus                      = 4
  memory                    = 2048
  chipset                   = "ICH9"
  firmware                  = "efi"
  nested_virt               = true
  rtc_time_base             = "UTC"
  nic_type                  = "virtio"
  sound                     = "default"
  audio_controller          = "hda"
  usb                       = true
  usb_controller            = "xhci"
  mouse                     = "usbtablet"
  keyboard                  = "usb"
  gfx_controller            = "vmsvga"
  gfx_vram_size             = 128
  gfx_accelerate_3d         = true
  gfx_efi_resolution        = "1920x1080"
  disk_size                 = 20480
  disk_additional_size      = [1024, 2048]
  hard_drive_interface      = "sata"
  hard_drive_discard        = true
  hard_drive_nonrotational  = true
  sata_port_count           = 4
  nvme_port_count           = 2
  iso_interface             = "sata"
"""


@pytest.fixture
def virtualbox(room):
    room.install("VBoxManage")
    (room.folder / "additions.iso").write_text("additions")
    (room.work / "additions-7.0.20.iso").write_text("additions")
    return room


def test_from_an_installer(virtualbox, write_template: Template, golden: Golden) -> None:
    template = write_template("virtualbox-iso", INSTALLED)
    done = virtualbox.vmforge("build", template.name)
    assert done.status == 0, done.text
    golden("builders/virtualbox/iso.txt", virtualbox.story())
    output = virtualbox.work / "output-base"
    assert sorted(path.name for path in output.iterdir()) == ["packer-base-disk001.vmdk", "packer-base.ovf"]
    home = virtualbox.folder / "home"
    assert (home / "provisioned").read_text() == "hello\n"
    assert (home / ".vbox_version").read_text() == "7.0.20"
    assert (home / "VBoxGuestAdditions.iso").read_text() == "additions"
    assert virtualbox.state["machines"] == {}


def test_with_every_option(virtualbox, write_template: Template, golden: Golden) -> None:
    template = write_template("virtualbox-iso", EVERYTHING)
    done = virtualbox.vmforge("build", template.name)
    assert done.status == 0, done.text
    golden("builders/virtualbox/everything.txt", virtualbox.story())
    assert [path.name for path in (virtualbox.work / "out").iterdir()] == ["appliance.ova"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [("6.1.50r161033", "--audio none --audiocontroller ac97"), ("7.2.2r1", "--audio-driver none")],
)
def test_old_and_new_versions(virtualbox, write_template: Template, version: str, expected: str) -> None:
    virtualbox.prepare_state(version=version)
    (virtualbox.work / "additions.iso").write_text("")
    options = INSTALLED + '\n  guest_additions_mode = "disable"\n'
    done = virtualbox.vmforge("build", write_template("virtualbox-iso", options).name)
    assert done.status == 0, done.text
    assert expected in virtualbox.story()


def test_from_an_appliance(virtualbox, write_template: Template, golden: Golden) -> None:
    (virtualbox.work / "base.ova").write_text("appliance")
    options = """
  source_path            = "base.ova"
  checksum_type          = "none"
  import_opts            = "keepallmacs"
  import_flags           = ["--eula-accept"]
  guest_additions_mode   = "attach"
  guest_additions_sha256 = ""
  target_path            = ""
  cd_content             = { "user-data" = "" }
  keep_registered        = true
  skip_export            = true
"""
    done = virtualbox.vmforge("build", write_template("virtualbox-ovf", options).name)
    assert done.status == 0, done.text
    golden("builders/virtualbox/ovf.txt", virtualbox.story())
    assert list(virtualbox.state["machines"]) == ["packer-base"]


def existing_machine(virtualbox) -> None:
    machine = {"state": "poweroff", "controllers": {}, "media": {}, "forward": 0}
    virtualbox.prepare_state(
        machines={"mine": machine | {"snapshots": ["base", "result"], "current": "base"}}
    )


ADOPTED = """
  vm_name               = "mine"
  guest_additions_mode  = "disable"
  attach_snapshot       = "base"
  target_snapshot       = "base/result"
"""


def test_on_a_machine_that_is_there(virtualbox, write_template: Template, golden: Golden) -> None:
    existing_machine(virtualbox)
    options = ADOPTED.replace("base/result", "result") + "\n  force_delete_snapshot = true\n"
    done = virtualbox.vmforge("build", write_template("virtualbox-vm", options).name)
    assert done.status == 0, done.text
    golden("builders/virtualbox/vm.txt", virtualbox.story())
    assert virtualbox.state["machines"]["mine"]["snapshots"] == ["base", "result"]


def test_a_machine_of_the_users_is_put_back_when_the_build_fails(
    virtualbox, write_template: Template
) -> None:
    existing_machine(virtualbox)
    options = ADOPTED.replace("base/result", "new")
    template = write_template("virtualbox-vm", options, provision="exit 3")
    done = virtualbox.vmforge("build", template.name)
    assert done.status == 1
    assert virtualbox.state["machines"]["mine"]["snapshots"] == ["base", "result"]
    assert virtualbox.state["machines"]["mine"]["state"] == "poweroff"
    verbs = [call[3:4] for call in virtualbox.calls() if call[1] == "snapshot"]
    assert verbs == [["take"], ["restore"], ["restore"], ["delete"]]


def test_snapshots_are_looked_for_first(virtualbox, write_template: Template) -> None:
    existing_machine(virtualbox)
    done = virtualbox.vmforge("build", write_template("virtualbox-vm", ADOPTED).name)
    assert "`mine` has a snapshot `base/result`" in done.text
    options = ADOPTED.replace('"base"', '"bass"')
    done = virtualbox.vmforge("build", write_template("virtualbox-vm", options).name)
    assert "the machine `mine` has no snapshot `bass`" in done.text
    assert "it has `base`, `base/result`" in done.text


# -- what goes wrong ----------------------------------------------------------------------------------


def test_without_virtualbox(room, write_template: Template) -> None:
    done = room.vmforge("build", write_template("virtualbox-iso", INSTALLED).name)
    assert done.status == 1
    assert "there is no `VBoxManage` on this machine" in done.text
    assert "hint: install VirtualBox" in done.text


def test_what_virtualbox_says_is_shown_and_nothing_stays(virtualbox, write_template: Template) -> None:
    words = "VBoxManage: error: The virtual machine 'packer-base' has terminated unexpectedly"
    virtualbox.break_down(startvm=words)
    done = virtualbox.vmforge("build", write_template("virtualbox-iso", INSTALLED).name)
    assert done.status == 1
    assert words in done.text
    assert virtualbox.state["machines"] == {}
    assert not (virtualbox.work / "output-base").exists()


def test_a_machine_of_that_name(virtualbox, write_template: Template) -> None:
    machine = {"state": "poweroff", "controllers": {}, "media": {}, "forward": 0, "snapshots": []}
    virtualbox.prepare_state(machines={"packer-base": machine})
    template = write_template("virtualbox-iso", INSTALLED)
    done = virtualbox.vmforge("build", template.name)
    assert done.status == 1
    assert "VirtualBox has a machine `packer-base` already" in done.text
    assert "packer-base" in virtualbox.state["machines"]
    assert virtualbox.vmforge("build", "-force", template.name).status == 0


def test_the_next_run_ends_what_a_killed_one_left(virtualbox, write_template: Template) -> None:
    template = write_template("virtualbox-iso", INSTALLED, provision="sleep 100")
    process = virtualbox.start("build", template.name)
    virtualbox.wait_for_call("keyboardputscancode")
    process.kill()
    process.finish()
    assert virtualbox.state["machines"]["packer-base"]["state"] == "running"
    done = virtualbox.vmforge("build", write_template("virtualbox-iso", INSTALLED).name)
    assert done.status == 0, done.text
    assert "deleting the machine `packer-base` of a build that was killed" in done.text
    assert virtualbox.state["machines"] == {}


def test_cancelled_in_the_middle(virtualbox, write_template: Template) -> None:
    template = write_template("virtualbox-iso", INSTALLED, provision="sleep 100")
    process = virtualbox.start("build", template.name)
    virtualbox.wait_for_call("showvminfo")
    virtualbox.wait_for_call("keyboardputscancode")
    process.interrupt()
    assert process.finish().status == 130
    assert virtualbox.state["machines"] == {}
    assert not (virtualbox.work / "output-base").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("disk_additional_size = [1, 2, 3]", "there is room for 3 disks beside the discs, not for 4"),
        ('hard_drive_interface = "pcie"', "only EFI boots from `pcie`"),
        ('vboxmanage = [["modifyvm", "{{ .Nam }}"]]', "option `vboxmanage`"),
        ("vboxmanage = [[]]", "`vboxmanage` holds an empty command"),
        ("host_port_min = 5000", "`host_port_max` (4444) is less than `host_port_min` (5000)"),
        ('mouse = "usb"', "`mouse` is on USB"),
        ("cpus = 0", "`cpus` is 0"),
        ("disk_size = 0", "a disk's size is 0"),
        ('guest_additions_sha256 = "abc"', "is no SHA-256"),
        ("disable_shutdown = true", "`shutdown_command` is not run with `disable_shutdown = true`"),
    ],
)
def test_mistakes(room, write_template: Template, options: str, message: str) -> None:
    template = write_template("virtualbox-iso", f"{INSTALLED}\n  {options}")
    assert message in room.vmforge("validate", template.name).text
