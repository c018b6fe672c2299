"""OVF descriptors: text for text, and held against DMTF's schema."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vmforge.errors import VmforgeError
from vmforge.images.guests import Guest, guest_names
from vmforge.images.hardware import (
    DiskController,
    HardwareOptions,
    Hypervisor,
    NetworkCard,
    disk_controller,
    disk_places,
    network_card,
)
from vmforge.images.ovf import OvfDisk, OvfFile, OvfOptions, OvfVersion, ovf_descriptor
from vmforge.sdk.appliance import Appliance, FirmwareKind
from vmforge.sdk.values import Size

SCHEMA = Path(__file__).parent / "dsp8023" / "envelope.xsd"

ONE = Appliance(name="web", disks=(Path("web.qcow2"),), cpus=2, memory=Size.parse("2G"))
TWO = replace(ONE, disks=(Path("web.qcow2"), Path("web-1.qcow2")), firmware=FirmwareKind.UEFI)
EVERYTHING = OvfOptions(
    guest=Guest.DEBIAN,
    secure_boot=True,
    networks=("inside", "outside"),
    mac_address="52:54:00:12:34:56",
    product="Web & more",
    product_version="1.2",
    product_url="https://example.org/web",
    vendor="Example",
    vendor_url="https://example.org",
    annotation="Two lines:\nthis is the <second>",
    eula="Do as you like.",
)

CASES = {
    "default": (ONE, OvfOptions()),
    "everything": (TWO, EVERYTHING),
    "nvme": (
        ONE,
        OvfOptions(
            disk_controller=DiskController.NVME, network_card=NetworkCard.VMXNET3, hardware_version=19
        ),
    ),
    "version-2": (TWO, replace(EVERYTHING, version=OvfVersion.V2)),
    "virtualbox": (ONE, OvfOptions(target=Hypervisor.VIRTUALBOX, mac_address="08:00:27:12:34:56")),
    "virtualbox-uefi": (TWO, OvfOptions(target=Hypervisor.VIRTUALBOX, mac_address="08:00:27:12:34:56")),
    "virtualbox-ide-uefi": (
        replace(TWO, disks=(Path("disk"),) * 3),
        OvfOptions(target=Hypervisor.VIRTUALBOX, disk_controller=DiskController.IDE),
    ),
    "windows": (replace(ONE, name="Büro 1"), OvfOptions(guest=Guest.WINDOWS_2022)),
    "arm": (
        replace(ONE, architecture="aarch64", firmware=FirmwareKind.UEFI),
        OvfOptions(guest=Guest.UBUNTU, hardware_version=20),
    ),
}
# VirtualBox's own element stands where the schema has no place for it, as in its own exports.
BEYOND_THE_SCHEMA = {"virtualbox-uefi", "virtualbox-ide-uefi"}


def descriptor(appliance: Appliance, options: OvfOptions) -> str:
    disks = [
        OvfDisk(name=f"web-disk{number}.vmdk", size=1000 * number, capacity=number << 30, populated=1 << 20)
        for number, _ in enumerate(appliance.disks, 1)
    ]
    files = [OvfFile(name="web-efivars.fd", size=540672)] if appliance is TWO else []
    return ovf_descriptor(appliance, disks, options, files)


@pytest.mark.parametrize("name", CASES)
def test_descriptor(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"ovf/{name}.ovf", descriptor(*CASES[name]))


@pytest.mark.parametrize("controller", DiskController)
@pytest.mark.parametrize("card", NetworkCard)
def test_every_device_satisfies_the_schema(
    controller: DiskController, card: NetworkCard, tmp_path: Path
) -> None:
    validate(descriptor(TWO, OvfOptions(disk_controller=controller, network_card=card)), tmp_path)


@pytest.mark.parametrize(
    "name", [name for name in CASES if "2" not in name and name not in BEYOND_THE_SCHEMA]
)
def test_the_schema_is_satisfied(name: str, tmp_path: Path) -> None:
    validate(descriptor(*CASES[name]), tmp_path)


def test_the_schema_would_tell(tmp_path: Path) -> None:
    text = descriptor(*CASES["default"])
    parent, subtype = "<rasd:Parent>3</rasd:Parent>", "<rasd:ResourceType>17</rasd:ResourceType>"
    swapped = text.replace(parent, "@").replace(subtype, parent).replace("@", subtype)
    assert swapped != text
    with pytest.raises(AssertionError, match="Parent"):
        validate(swapped, tmp_path)


def validate(text: str, folder: Path) -> None:
    program = shutil.which("xmllint")
    if program is None:
        pytest.skip("xmllint is not installed (`apt install libxml2-utils`)")
    path = folder / "x.ovf"
    path.write_text(text, encoding="utf-8")
    run = subprocess.run(
        [program, "--noout", "--nonet", "--schema", SCHEMA, path], check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_characters_that_xml_cannot_hold_are_left_out() -> None:
    appliance = replace(ONE, name="a\x00b\x1b")
    text = ovf_descriptor(
        appliance, [], OvfOptions(annotation="c\x07\td\ufffe", target=Hypervisor.VIRTUALBOX)
    )
    root = ET.fromstring(text)
    texts = [element.text for element in root.iter()]
    assert "ab" in texts and "c\td" in texts


def test_without_a_wish_the_guest_keeps_what_it_was_installed_on() -> None:
    options, vmware = HardwareOptions(), Hypervisor.VMWARE
    assert disk_controller(replace(ONE, disk_bus="sata"), options, vmware) is DiskController.AHCI
    assert disk_controller(replace(ONE, disk_bus="ide"), options, vmware) is DiskController.IDE
    assert disk_controller(ONE, options, vmware) is DiskController.LSILOGIC
    assert disk_controller(ONE, options, Hypervisor.VIRTUALBOX) is DiskController.AHCI
    windows = HardwareOptions(guest=Guest.WINDOWS_11)
    assert disk_controller(ONE, windows, vmware) is DiskController.LSILOGIC_SAS
    assert network_card(replace(ONE, network_model="vmxnet3"), options, vmware) is NetworkCard.VMXNET3
    assert network_card(ONE, options, vmware) is NetworkCard.E1000
    assert network_card(ONE, options, Hypervisor.VIRTUALBOX) is NetworkCard.VIRTIO
    wish = HardwareOptions(network_card=NetworkCard.E1000E, disk_controller=DiskController.PVSCSI)
    assert network_card(ONE, wish, vmware) is NetworkCard.E1000E
    assert disk_controller(ONE, wish, Hypervisor.VIRTUALBOX) is DiskController.PVSCSI


def test_disks_leave_the_address_of_the_scsi_controller_alone() -> None:
    places = list(disk_places(DiskController.LSILOGIC, 17))
    assert (0, 7) not in places and len(set(places)) == 17
    assert places[6:9] == [(0, 6), (0, 8), (0, 9)] and places[15:] == [(1, 0), (1, 1)]
    assert list(disk_places(DiskController.IDE, 3)) == [(0, 0), (0, 1), (1, 0)]


def test_too_many_disks_are_refused() -> None:
    with pytest.raises(VmforgeError, match="5 disks do not fit on `ide` controllers, which take 4") as caught:
        list(disk_places(DiskController.IDE, 5))
    assert caught.value.hint == "choose another disk controller"


@pytest.mark.parametrize("guest", Guest)
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_every_guest_has_names(guest: Guest, architecture: str) -> None:
    names = guest_names(guest, architecture)
    assert names.description and 0 < names.cim <= 65535 and names.vmx
    assert bool(names.vsphere) is (architecture == "x86_64")
