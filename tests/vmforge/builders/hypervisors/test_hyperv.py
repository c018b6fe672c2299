"""Builds on Hyper-V, whose PowerShell is a stand-in: see there for what it does not know."""

from __future__ import annotations

import socket
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

import vmforge.builders.hyperv

Golden = Callable[[str, str], None]
Template = Callable[..., Path]

INSTALLED = """
  iso_url      = "installer.iso"
  iso_checksum = "none"
  boot_wait    = "10ms"
  boot_command = ["<esc>B<enter>"]
"""
EVERYTHING = """
  iso_url                          = "installer.iso"
  iso_checksum                     = "none"
  boot_command                     = ["<leftAltOn>x<leftAltOff>"]
  boot_wait                        = "0s"
  vm_name                          = "whole"
  output_directory                 = "out"
  temp_path                        = "{room}/temp"
  http_content                     = {{ "/ks.cfg" = "" }}
  cd_content                       = {{ "user-data" = "" }}
  cpus                             = 4
  memory                           = 4096
  generation                       = 2
  configuration_version            = "9.0"
  disk_size                        = 20480
  disk_block_size                  = 1
  disk_additional_size             = [1024]
  secondary_iso_images             = ["second.iso"]
  guest_additions_mode             = "attach"
  guest_additions_path             = "additions.iso"
  switch_name                      = "build switch"
  switches_names                   = ["second", "third"]
  switch_vlan_id                   = "7"
  vlan_id                          = "8"
  mac_address                      = "0000deadbeef"
  mac_addresses                    = ["0000deadbee0"]
  enable_mac_spoofing              = true
  enable_dynamic_memory            = false
  enable_secure_boot               = true
  secure_boot_template             = "MicrosoftUEFICertificateAuthority"
  enable_virtualization_extensions = true
  enable_tpm                       = true
  first_boot_device                = "DVD"
  boot_order                       = ["SCSI:0:0", "SCSI:0:1"]
  headless                         = true
  skip_compaction                  = true
  skip_export                      = true
"""


@pytest.fixture
def hyperv(room):
    room.install("pwsh")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        (room.folder / "guest_port").write_text(str(probe.getsockname()[1]))
    for name in ("second.iso", "additions.iso", "base.vhdx"):
        (room.work / name).write_text("")
    return room


@pytest.fixture
def write_hyperv(hyperv, write_template: Template) -> Template:
    port = (hyperv.folder / "guest_port").read_text()

    def write(builder: str, options: str, **more: str) -> Path:
        return write_template(builder, f"{options}\n  ssh_port = {port}", **more)

    return write


def test_from_an_installer(hyperv, write_hyperv: Template, golden: Golden) -> None:
    options = INSTALLED + '  floppy_content = { "answers.txt" = "" }\n'
    done = hyperv.vmforge("build", write_hyperv("hyperv-iso", options).name)
    assert done.status == 0, done.text
    golden("builders/hyperv/iso.txt", story(hyperv))
    output = hyperv.work / "output-base"
    files = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    assert files == ["Virtual Hard Disks/packer-base.vhdx", "Virtual Machines/A.vmcx"]
    assert hyperv.state["machines"] == {}


def story(room) -> str:
    """All calls, without the flags that each has."""
    import re

    flags = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File "
    text = re.sub(r"/\S*/scripts/", "", room.story().replace(flags, ""))
    text = re.sub(r"vmforge-[0-9a-f-]{36}", "vmforge-RUN", text)
    text = re.sub(r"vmforge-RUN(-[0-9a-f]{4,12})+", "vmforge-RUN", text)
    return re.sub(r"/\S*/floppy\.vfd", "/SCRATCH/floppy.vfd", text)


def test_with_every_option(hyperv, write_hyperv: Template, golden: Golden) -> None:
    (hyperv.folder / "temp").mkdir()
    options = EVERYTHING.format(room=hyperv.folder)
    done = hyperv.vmforge("build", write_hyperv("hyperv-iso", options).name)
    assert done.status == 0, done.text
    golden("builders/hyperv/everything.txt", story(hyperv))
    assert hyperv.state["switches"] == ["External"]
    assert list((hyperv.folder / "temp").iterdir()) == []


def test_from_a_disk(hyperv, write_hyperv: Template) -> None:
    options = INSTALLED.replace("installer.iso", "base.vhdx") + "  differencing_disk = true\n"
    done = hyperv.vmforge("build", write_hyperv("hyperv-iso", options).name)
    assert done.status == 0, done.text
    create = next(call for call in hyperv.calls() if call[6].endswith("create.ps1"))
    assert create[-3:] == ["-Source", str(hyperv.work / "base.vhdx"), "-Differencing"]
    assert not any(call[6].endswith("insert_disc.ps1") for call in hyperv.calls())


def test_from_another_machine(hyperv, write_hyperv: Template, golden: Golden) -> None:
    options = """
  clone_from_vm_name       = "source"
  clone_from_snapshot_name = "clean"
  clone_all_snapshots      = true
  copy_in_compare          = true
  disk_size                = 51200
  keep_registered          = true
"""
    done = hyperv.vmforge("build", write_hyperv("hyperv-vmcx", options).name)
    assert done.status == 0, done.text
    golden("builders/hyperv/vmcx.txt", story(hyperv))
    assert list(hyperv.state["machines"]) == ["packer-base"]


# -- what goes wrong ----------------------------------------------------------------------------------


def test_hyperv_is_on_windows(room, write_template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = room.vmforge("build", write_template("hyperv-iso", INSTALLED).name)
    assert done.status == 1
    assert "Hyper-V is a part of Windows, and there is no PowerShell on this machine" in done.text
    assert "hint: run vmforge on the Hyper-V host, in WSL" in done.text


def test_what_powershell_says_is_shown_and_nothing_stays(hyperv, write_hyperv: Template) -> None:
    hyperv.break_down(**{"start.ps1": "Start-VM : 'packer-base' failed to start."})
    done = hyperv.vmforge("build", write_hyperv("hyperv-iso", INSTALLED).name)
    assert done.status == 1
    assert "'packer-base' failed to start" in done.text
    assert hyperv.state["machines"] == {}


def test_the_next_run_ends_what_a_killed_one_left(hyperv, write_hyperv: Template) -> None:
    template = write_hyperv("hyperv-iso", INSTALLED + '  switch_name = "mine"\n', provision="sleep 100")
    process = hyperv.start("build", template.name)
    hyperv.wait_for_call("address.ps1")
    process.kill()
    process.finish()
    assert hyperv.state["machines"]
    assert hyperv.state["switches"] == ["External", "mine"]
    done = hyperv.vmforge("build", write_hyperv("hyperv-iso", INSTALLED).name)
    assert done.status == 0, done.text
    assert hyperv.state["machines"] == {}
    assert hyperv.state["switches"] == ["External"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("generation = 3", "there is no generation 3"),
        ('generation = 2\n  floppy_content = { "a" = "" }', "machines of generation 2 have no floppy drive"),
        ("enable_secure_boot = true", "generation 1 has nothing for `enable_secure_boot`"),
        ('mac_address = "00:00"', "`00:00` is no hardware address"),
        ('mac_addresses = ["0000deadbeef"]', "more `mac_addresses` than `switches_names`"),
        ("disk_block_size = 0", "`disk_block_size` is 0"),
        ("use_fixed_vhd_format = true", "does not go with this `skip_compaction`"),
        ("differencing_disk = true", "without a disk to tell differences from"),
        ('first_boot_device = "USB"', "`USB` is no device to boot from"),
        (
            "generation = 2\n  use_legacy_network_adapter = true",
            "only generation 1 has a legacy network card",
        ),
        ("enable_virtualization_extensions = true", "need 4096 MiB of memory"),
        ('boot_wait = "auto"', "the screen of this hypervisor's machines cannot be waited for"),
    ],
)
def test_mistakes(room, write_template: Template, options: str, message: str) -> None:
    base = INSTALLED.replace('  boot_wait    = "10ms"\n', "") if "boot_wait" in options else INSTALLED
    template = write_template("hyperv-iso", f"{base}\n  {options}")
    assert message in room.vmforge("validate", template.name).text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "there is no machine to clone"),
        ('clone_from_vmcx_path = "missing"', "there is no folder `missing`"),
        ('clone_from_vmcx_path = "."\n  clone_from_vm_name = "x"', "are both set"),
    ],
)
def test_mistakes_about_the_source(room, write_template: Template, options: str, message: str) -> None:
    assert message in room.vmforge("validate", write_template("hyperv-vmcx", options).name).text


def test_scripts_say_what_they_are_for_and_stop_at_an_error() -> None:
    folder = resources.files(vmforge.builders.hyperv) / "scripts"
    for script in folder.iterdir():
        text = script.read_text()
        assert text.startswith("# "), script.name
        assert "$ErrorActionPreference = 'Stop'" in text, script.name
        assert text.isascii(), f"{script.name}: PowerShell 5 reads files without a mark as another encoding"
