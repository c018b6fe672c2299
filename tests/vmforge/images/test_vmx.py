"""VMX files, text for text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vmforge.images.guests import Guest
from vmforge.images.hardware import DiskController, NetworkCard
from vmforge.images.vmx import VmxOptions, vmx_text
from vmforge.sdk.appliance import Appliance, FirmwareKind
from vmforge.sdk.values import Size

ONE = Appliance(name="web", disks=(Path("web.qcow2"),), cpus=2, memory=Size.parse("2G"))

CASES = {
    "default": (ONE, ["disk.vmdk"], VmxOptions()),
    "uefi-nvme": (
        replace(ONE, firmware=FirmwareKind.UEFI, name='say "hi"'),
        ["disk.vmdk", "data.vmdk"],
        VmxOptions(
            guest=Guest.UBUNTU,
            secure_boot=True,
            disk_controller=DiskController.NVME,
            network_card=NetworkCard.VMXNET3,
            network="bridged",
            annotation="one\ntwo | three",
        ),
    ),
    "arm": (
        replace(ONE, architecture="aarch64", firmware=FirmwareKind.UEFI),
        ["disk.vmdk"],
        VmxOptions(hardware_version=20),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_file(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"vmx/{name}.vmx", vmx_text(*CASES[name]))


@pytest.mark.parametrize("controller", DiskController)
@pytest.mark.parametrize("card", NetworkCard)
def test_every_device_has_a_name(controller: DiskController, card: NetworkCard) -> None:
    text = vmx_text(ONE, ["disk.vmdk"], VmxOptions(disk_controller=controller, network_card=card))
    settings = dict(line.split(" = ") for line in text.splitlines())
    assert settings["ethernet0.virtualDev"].strip('"')
    assert [name for name, value in settings.items() if value == '"disk.vmdk"'] != []


def test_another_reader_finds_the_disks() -> None:
    vmx = pytest.importorskip(
        "dissect.hypervisor.descriptor.vmx", reason="dissect.hypervisor is not installed"
    )
    for controller in DiskController:
        text = vmx_text(ONE, ["disk.vmdk", "data.vmdk"], VmxOptions(disk_controller=controller))
        assert sorted(vmx.VMX.parse(text).disks()) == ["data.vmdk", "disk.vmdk"]
