"""VirtualBox's own description of a machine, as its exports carry it inside the OVF descriptor.

It is written for UEFI alone, which plain OVF cannot tell VirtualBox. Settings version 1.16 is that of
VirtualBox 5.1, which all later ones read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from vmforge.images.guests import Guest, guest_names
from vmforge.images.hardware import DiskController, NetworkCard, disk_places
from vmforge.sdk.appliance import Appliance

_SETTINGS_VERSION = "1.16-linux"
_NAMESPACE = uuid.UUID("6f6b1d6e-6a3b-5d6f-9a55-0c3f2f0d9c11")

_CONTROLLERS = {
    DiskController.LSILOGIC: "LsiLogic",
    DiskController.LSILOGIC_SAS: "LsiLogicSas",
    DiskController.BUSLOGIC: "BusLogic",
    DiskController.PVSCSI: "LsiLogic",
    DiskController.AHCI: "AHCI",
    DiskController.NVME: "NVMe",
    DiskController.IDE: "PIIX4",
    DiskController.VIRTIO: "VirtioSCSI",
}
# VirtualBox has neither of VMware's newer cards
_CARDS = {
    NetworkCard.E1000: "82540EM",
    NetworkCard.E1000E: "82540EM",
    NetworkCard.VMXNET3: "82540EM",
    NetworkCard.PCNET32: "Am79C973",
    NetworkCard.VIRTIO: "virtio",
}
_FIXED_PORTS = {DiskController.IDE: 2, DiskController.LSILOGIC: 16, DiskController.BUSLOGIC: 16}
_DEVICES_PER_IDE_PORT = 2


def disk_uuid(appliance: Appliance, number: int) -> str:
    """The identity of a disk inside its descriptor; counted from 0."""
    return str(uuid.uuid5(_NAMESPACE, f"{appliance.name}/disk{number}"))


def machine_element(
    appliance: Appliance,
    *,
    disks: int,
    controller: DiskController,
    card: NetworkCard,
    cards: int,
    mac_address: str,
    guest: Guest,
) -> ET.Element:
    """`vbox:Machine` for a machine with UEFI. `cards` network cards, all on VirtualBox's NAT."""
    machine = ET.Element(
        "vbox:Machine",
        {
            "ovf:required": "false",
            "version": _SETTINGS_VERSION,
            "uuid": f"{{{uuid.uuid5(_NAMESPACE, appliance.name)}}}",
            "name": appliance.name,
            "OSType": guest_names(guest, appliance.architecture).virtualbox or "Other_64",
            "snapshotFolder": "Snapshots",
        },
    )
    ET.SubElement(machine, "ovf:Info").text = "The machine in VirtualBox's own format"
    hardware = ET.SubElement(machine, "Hardware")
    cpu = ET.SubElement(hardware, "CPU", {"count": str(appliance.cpus)})
    for feature in ("PAE", "LongMode"):
        ET.SubElement(cpu, feature, {"enabled": "true"})
    ET.SubElement(hardware, "Memory", {"RAMSize": str(appliance.memory.mebibytes)})
    ET.SubElement(hardware, "Firmware", {"type": "EFI"})
    ET.SubElement(ET.SubElement(hardware, "BIOS"), "IOAPIC", {"enabled": "true"})
    _add_network(hardware, card, cards, mac_address)
    _add_storage(machine, appliance, controller, disks)
    return machine


def _add_network(hardware: ET.Element, card: NetworkCard, cards: int, mac_address: str) -> None:
    network = ET.SubElement(hardware, "Network")
    for slot in range(cards):
        attributes = {"slot": str(slot), "enabled": "true", "cable": "true", "type": _CARDS[card]}
        if mac_address and slot == 0:
            attributes["MACAddress"] = mac_address.replace(":", "").upper()
        ET.SubElement(ET.SubElement(network, "Adapter", attributes), "NAT")


def _add_storage(machine: ET.Element, appliance: Appliance, controller: DiskController, disks: int) -> None:
    controllers = ET.SubElement(machine, "StorageControllers")
    places = list(disk_places(controller, disks))
    if controller is DiskController.IDE:  # the two channels are ports of one controller
        places = [(0, bus * _DEVICES_PER_IDE_PORT + unit) for bus, unit in places]
    for bus in dict.fromkeys(bus for bus, _ in places):
        units = [unit for other, unit in places if other == bus]
        element = ET.SubElement(controllers, "StorageController", _attributes(controller, bus, units))
        for number, (other, unit) in enumerate(places):
            if other == bus:
                _attach(element, controller, unit, disk_uuid(appliance, number))


def _attributes(controller: DiskController, bus: int, units: Iterable[int]) -> dict[str, str]:
    ports = _FIXED_PORTS.get(controller, max(units) + 1)
    return {
        "name": f"{controller} {bus}",
        "type": _CONTROLLERS[controller],
        "PortCount": str(ports),
        "useHostIOCache": "true" if controller is DiskController.IDE else "false",
        "Bootable": "true",
    }


def _attach(element: ET.Element, controller: DiskController, unit: int, image: str) -> None:
    port, device = divmod(unit, _DEVICES_PER_IDE_PORT) if controller is DiskController.IDE else (unit, 0)
    attributes = {"type": "HardDisk", "hotpluggable": "false", "port": str(port), "device": str(device)}
    ET.SubElement(ET.SubElement(element, "AttachedDevice", attributes), "Image", {"uuid": f"{{{image}}}"})
