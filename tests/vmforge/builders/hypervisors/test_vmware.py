"""Builds on VMware, whose programs are stand-ins: see there for what they do not know."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmforge.builders.vmware.leases import leased_address
from vmforge.builders.vmware.ports import parallel_port, serial_port
from vmforge.builders.vmware.vmx import Vmx

Golden = Callable[[str, str], None]
Template = Callable[..., Path]

INSTALLED = """
  iso_url       = "installer.iso"
  iso_checksum  = "none"
  guest_os_type = "debian12-64"
  boot_wait     = "10ms"
  boot_command  = ["<esc>B<enter>"]
  boot_key_interval = "1ms"
  headless      = true
"""
EVERYTHING = """
  iso_url                        = "installer.iso"
  iso_checksum                   = "none"
  http_bind_address              = "127.0.0.1"
  http_interface                 = "lo"
  http_content                   = { "/ks.cfg" = "" }
  floppy_content                 = { "answers.txt" = "yes" }
  cd_content                     = { "user-data" = "" }
  vm_name                        = "whole"
  output_directory               = "out"
  display_name                   = "The Whole"
  fusion_app_path                = "/nowhere"
  headless                       = false
  vnc_bind_address               = "127.0.0.1"
  vnc_port_min                   = 5950
  vnc_port_max                   = 5999
  vnc_disable_password           = true
  guest_os_type                  = "debian12-64"
  version                        = "20"
  firmware                       = "efi-secure"
  cpus                           = 4
  cores                          = 2
  memory                         = 2048
  vhv_enabled                    = true
  network                        = "VMnet3"
  network_name                   = "VM Network"
  network_adapter_type           = "vmxnet3"
  sound                          = true
  usb                            = true
  usb_version                    = "3.2"
  serial                         = "PIPE:/tmp/console,server,app"
  parallel                       = "AUTO:bi"
  disk_size                      = 20480
  disk_additional_size           = [1024]
  disk_adapter_type              = "pvscsi"
  disk_type_id                   = "0"
  vmdk_name                      = "system"
  cdrom_adapter_type             = "sata"
  vmx_data                       = { "mks.enable3d" = "TRUE" }
  vmx_data_post                  = { "annotation" = "done \\"today\\"" }
  vmx_remove_ethernet_interfaces = true
  tools_upload_flavor            = "linux"
  tools_upload_path              = "tools-{{ .Flavor }}.iso"
  tools_source_path              = "tools.iso"
  format                         = "ova"
  ovftool_options                = ["--compress=9"]
  snapshot_name                  = "fresh"
  skip_compaction                = false
  keep_registered                = false
  post_shutdown_delay            = "1ms"
"""


@pytest.fixture
def vmware(room):
    room.install("vmrun", "vmware-vdiskmanager", "ovftool")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        (room.folder / "guest_port").write_text(str(probe.getsockname()[1]))
    (room.work / "tools.iso").write_text("tools")
    yield room
    if server := room.state.get("vnc"):
        os.kill(server, signal.SIGKILL)


@pytest.fixture
def write_vmware(vmware, write_template: Template) -> Iterator[Template]:
    port = (vmware.folder / "guest_port").read_text()

    def write(builder: str, options: str, **more: str) -> Path:
        return write_template(builder, f"{options}\n  ssh_port = {port}", **more)

    return write


def test_from_an_installer(vmware, write_vmware: Template, golden: Golden) -> None:
    done = vmware.vmforge("build", write_vmware("vmware-iso", INSTALLED).name)
    assert done.status == 0, done.text
    golden("builders/vmware/iso.txt", vmware.story())
    output = vmware.work / "output-base"
    assert sorted(path.name for path in output.iterdir()) == ["disk.vmdk", "packer-base.vmx"]
    golden("builders/vmware/iso.vmx", vmware.normal((output / "packer-base.vmx").read_text()))
    keys = (vmware.folder / "keys").read_text().split()
    assert keys == ["+0xff1b", "-0xff1b", "+0xffe1", "+0x42", "-0x42", "-0xffe1", "+0xff0d", "-0xff0d"]
    assert (vmware.folder / "home" / "provisioned").exists()
    assert "password" in done.text


def test_with_every_option(vmware, write_vmware: Template, golden: Golden) -> None:
    done = vmware.vmforge("build", write_vmware("vmware-iso", EVERYTHING).name)
    assert done.status == 0, done.text
    golden("builders/vmware/everything.txt", vmware.story())
    golden("builders/vmware/everything.vmx", vmware.normal((vmware.work / "out" / "whole.vmx").read_text()))
    assert (vmware.work / "out" / "whole.ova").read_text() == "made of whole.vmx"
    assert (vmware.folder / "home" / "tools-linux.iso").read_text() == "tools"


def test_the_file_of_a_new_machine(vmware, write_vmware: Template, golden: Golden) -> None:
    vmware.break_down(start="Error: The operation was canceled")
    template = write_vmware("vmware-iso", EVERYTHING)
    done = vmware.vmforge("build", "-on-error=abort", template.name)
    assert "The operation was canceled" in done.text
    golden("builders/vmware/new.vmx", vmware.normal((vmware.work / "out" / "whole.vmx").read_text()))


def test_with_templates_of_its_own(vmware, write_vmware: Template) -> None:
    (vmware.work / "own.vmx").write_text(
        'displayname = "{{ .Name }}"\nguestos = "{{ .GuestOS }}"\nide1:0.present = "TRUE"\n'
        'ide1:0.filename = "{{ .ISOPath }}"\nscsi0:0.filename = "{{ .DiskName }}.vmdk"\n'
    )
    (vmware.work / "disk.vmx").write_text('{{ .DiskType }}0:{{ .DiskUnit }}.fileName = "{{ .DiskName }}"\n')
    options = """
  vmx_template_path      = "own.vmx"
  vmx_disk_template_path = "disk.vmx"
  disk_additional_size   = [512]
"""
    done = vmware.vmforge("build", write_vmware("vmware-iso", INSTALLED + options).name)
    assert done.status == 0, done.text
    text = (vmware.work / "output-base" / "packer-base.vmx").read_text()
    assert 'displayname = "packer-base"\nguestos = "debian12-64"\n' in text
    assert 'scsi0:1.fileName = "disk-1.vmdk"\n' in text


def test_from_another_machine(vmware, write_vmware: Template, golden: Golden) -> None:
    source = vmware.work / "source"
    source.mkdir()
    (source / "s.vmdk").write_text("disk")
    (source / "s.vmx").write_text(
        'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "s.vmdk"\nide1:0.present = "TRUE"\n'
        'ide1:0.fileName = "auto detect"\n'
    )
    options = """
  source_path     = "source/s.vmx"
  linked          = true
  attach_snapshot = "clean"
  cd_content      = { "user-data" = "" }
  skip_export     = true
  format          = "ovf"
  disable_vnc     = true
"""
    done = vmware.vmforge("build", write_vmware("vmware-vmx", options).name)
    assert done.status == 0, done.text
    golden("builders/vmware/vmx.txt", vmware.story())
    text = (vmware.work / "output-base" / "packer-base.vmx").read_text()
    assert 'ide1:1.deviceType = "cdrom-raw"' in text


def test_from_an_appliance(vmware, write_vmware: Template) -> None:
    (vmware.work / "a.ova").write_text("appliance")
    done = vmware.vmforge("build", write_vmware("vmware-vmx", '  source_path = "a.ova"').name)
    assert done.status == 0, done.text
    assert any(call[0] == "ovftool" and call[-1].endswith("packer-base.vmx") for call in vmware.calls())


# -- what goes wrong ----------------------------------------------------------------------------------


def test_without_vmware(room, write_template: Template) -> None:
    done = room.vmforge("build", write_template("vmware-iso", INSTALLED).name)
    assert done.status == 1
    assert "there is no `vmrun` on this machine" in done.text


def test_a_failure_ends_the_machine(vmware, write_vmware: Template) -> None:
    done = vmware.vmforge("build", write_vmware("vmware-iso", INSTALLED, provision="exit 3").name)
    assert done.status == 1
    assert vmware.state["running"] == []
    assert not (vmware.work / "output-base").exists()


def test_the_next_run_ends_what_a_killed_one_left(vmware, write_vmware: Template) -> None:
    process = vmware.start("build", write_vmware("vmware-iso", INSTALLED, provision="sleep 100").name)
    vmware.wait_for_call("getGuestIPAddress")
    process.kill()
    process.finish()
    assert vmware.state["running"]
    done = vmware.vmforge("build", write_vmware("vmware-iso", INSTALLED).name)
    assert done.status == 0, done.text
    assert vmware.state["running"] == []


def test_esxi_is_another_builders(vmware, write_vmware: Template) -> None:
    options = """
  remote_type               = "esx5"
  remote_host               = "esxi.example.com"
  remote_port               = 22
  remote_username           = "root"
  remote_password           = "secret"
  remote_private_key_file   = ""
  remote_datastore          = "datastore1"
  remote_cache_datastore    = "datastore1"
  remote_cache_directory    = "cache"
  remote_output_directory   = "out"
  cleanup_remote_cache      = true
  skip_validate_credentials = true
  vnc_over_websocket        = true
  insecure_connection       = true
"""
    template = write_vmware("vmware-iso", INSTALLED + options)
    checked = vmware.vmforge("validate", template.name)
    assert checked.status == 0
    assert "use the builder `vsphere-iso`" in checked.text
    done = vmware.vmforge("build", template.name)
    assert done.status == 1
    assert "vmforge does not build on ESXi over SSH" in done.text
    assert vmware.calls() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ('serial = "FILE"', "`FILE` is no serial port"),
        ('parallel = "AUTO:sideways"', "direction `sideways` is none of `bi`, `uni`"),
        ("disable_vnc = true", "is typed over VNC"),
        ('ovftool_options = ["-q"]', "`ovftool_options` without an export"),
        ('vmx_template_path = "missing.vmx"', "there is no file `missing.vmx`"),
        ('disk_adapter_type = "ide"\n  disk_additional_size = [1, 2]', "there is room for 2 disks on IDE"),
        ("memory = 0", "`memory` is 0"),
    ],
)
def test_mistakes(vmware, write_vmware: Template, options: str, message: str) -> None:
    template = write_vmware("vmware-iso", f"{INSTALLED}\n  {options}")
    assert message in vmware.vmforge("validate", template.name).text


# -- parts --------------------------------------------------------------------------------------------


def test_names_of_entries_are_the_same_in_any_case() -> None:
    vmx = Vmx.parse('#!/usr/bin/vmware\nGuestOS = "other"\nannotation = "a |22b|22|0Ac"\nmemsize="5"\n')
    vmx.update({"guestos": "debian", "memSize": ""})
    assert str(vmx) == 'GuestOS = "debian"\nannotation = "a |22b|22|0Ac"\n'
    assert vmx.get("ANNOTATION") == 'a "b"\nc'


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("FILE:/tmp/log,TRUE", ("serial0.yieldOnMsrRead", "TRUE")),
        ("DEVICE:", ("serial0.fileName", "auto detect")),
        ("PIPE:/p,client,vm", ("serial0.tryNoRxLoss", "FALSE")),
        ("AUTO:", ("serial0.autodetect", "TRUE")),
    ],
)
def test_serial_ports(text: str, entry: tuple[str, str]) -> None:
    assert entry in serial_port(text).items()


def test_parallel_ports() -> None:
    assert parallel_port("FILE:/tmp/p")["parallel0.fileType"] == "file"
    assert parallel_port("NONE") == {}


def test_the_last_lease_of_a_card_counts(tmp_path: Path) -> None:
    leases = tmp_path / "dhcpd.leases"
    leases.write_text(
        "lease 192.168.1.128 {\n  starts 1 2026/01/05 10:00:00;\n  hardware ethernet 00:0c:29:aa:bb:cc;\n}\n"
        "lease 192.168.1.130 {\n  hardware ethernet 00:0C:29:AA:BB:CC;\n}\n"
        "lease 192.168.1.131 {\n  hardware ethernet 00:0c:29:00:00:01;\n}\n"
    )
    assert leased_address("00:0c:29:aa:bb:cc", [tmp_path / "none", leases]) == "192.168.1.130"
    assert leased_address("00:0c:29:ff:ff:ff", [leases]) == ""
