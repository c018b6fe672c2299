"""The descriptor of an appliance in the Open Virtualization Format (DMTF DSP0243, versions 1.1 and 2.0)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from xml.etree import ElementTree as ET

from vmforge.images.guests import guest_names
from vmforge.images.hardware import (
    DiskController,
    HardwareOptions,
    Hypervisor,
    NetworkCard,
    disk_controller,
    disk_places,
    network_card,
)
from vmforge.images.virtualbox import disk_uuid, machine_element
from vmforge.sdk.appliance import Appliance, FirmwareKind


class OvfVersion(StrEnum):
    """VMware, oVirt and most tools read 1.1 only; VirtualBox reads both."""

    V1 = "1.1"
    V2 = "2.0"


@dataclass(frozen=True, kw_only=True)
class OvfOptions(HardwareOptions):
    """What a descriptor says beyond the appliance. Empty texts leave their elements out.

    `networks` has the name of one network per network card; empty means one card on the network that the
    target has anyway. `mac_address` is the first card's, as in `08:00:27:12:34:56`.
    """

    version: OvfVersion = OvfVersion.V1
    target: Hypervisor = Hypervisor.VMWARE
    networks: tuple[str, ...] = ()
    mac_address: str = ""
    product: str = ""
    product_version: str = ""
    product_url: str = ""
    vendor: str = ""
    vendor_url: str = ""
    annotation: str = ""
    eula: str = ""


@dataclass(frozen=True, kw_only=True)
class OvfFile:
    """A file of the package: its name there, and its size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class OvfDisk(OvfFile):
    """A disk's file, the disk's capacity, and roughly how much of that is in use, both in bytes."""

    capacity: int
    populated: int


_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
_NAMESPACES = {
    "rasd": f"{_CIM}ResourceAllocationSettingData",
    "vssd": f"{_CIM}VirtualSystemSettingData",
    "vmw": "http://www.vmware.com/schema/ovf",
}
_VIRTUALBOX_NAMESPACE = "http://www.virtualbox.org/ovf/machine"
_V2_NAMESPACES = {
    "epasd": f"{_CIM}EthernetPortAllocationSettingData.xsd",
    "sasd": f"{_CIM}StorageAllocationSettingData.xsd",
}
_STREAM_OPTIMIZED = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"

# CIM_ResourceAllocationSettingData.ResourceType
_PROCESSOR, _MEMORY, _IDE, _SCSI, _ETHERNET, _DISK, _OTHER_STORAGE = 3, 4, 5, 6, 10, 17, 20

# A controller's type, and its subtype for VMware and for VirtualBox
_CONTROLLERS = {
    DiskController.LSILOGIC: (_SCSI, "lsilogic", "LsiLogic"),
    DiskController.LSILOGIC_SAS: (_SCSI, "lsilogicsas", "LsiLogicSas"),
    DiskController.BUSLOGIC: (_SCSI, "buslogic", "BusLogic"),
    DiskController.PVSCSI: (_SCSI, "VirtualSCSI", "VirtualSCSI"),
    DiskController.AHCI: (_OTHER_STORAGE, "vmware.sata.ahci", "AHCI"),
    DiskController.NVME: (_OTHER_STORAGE, "vmware.nvme.controller", "NVMe"),
    DiskController.IDE: (_IDE, "", "PIIX4"),
    DiskController.VIRTIO: (_OTHER_STORAGE, "VirtioSCSI", "VirtioSCSI"),
}
_CARDS = {
    NetworkCard.E1000: "E1000",
    NetworkCard.E1000E: "E1000e",
    NetworkCard.VMXNET3: "VmxNet3",
    NetworkCard.PCNET32: "PCNet32",
    NetworkCard.VIRTIO: "virtio",
}
_DEFAULT_NETWORK = {Hypervisor.VMWARE: "VM Network", Hypervisor.VIRTUALBOX: "NAT"}
_VIRTUALBOX_FAMILY = "virtualbox-2.2"

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_Attributes = Mapping[str, str | int]


def ovf_descriptor(
    appliance: Appliance, disks: Sequence[OvfDisk], options: OvfOptions, files: Sequence[OvfFile] = ()
) -> str:
    """The descriptor's text: the same for the same arguments.

    `disks` are the appliance's, in their order; `files` are listed and not used by the machine. Raises
    `VmforgeError` when the machine has no room for that many disks.
    """
    appliance = replace(appliance, name=_legal(appliance.name))
    envelope = ET.Element("Envelope", _envelope_attributes(options))
    _add_references(envelope, disks, files)
    _add_disk_section(envelope, appliance, disks, options)
    _add_network_section(envelope, options)
    _add_system(envelope, appliance, len(disks), options)
    ET.indent(envelope)
    text = ET.tostring(envelope, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _envelope_attributes(options: OvfOptions) -> dict[str, str]:
    is_v2 = options.version is OvfVersion.V2
    own = f"http://schemas.dmtf.org/ovf/envelope/{2 if is_v2 else 1}"
    attributes = {"xmlns": own, "xmlns:ovf": own}
    attributes |= {f"xmlns:{prefix}": uri for prefix, uri in _NAMESPACES.items()}
    if is_v2:
        attributes |= {f"xmlns:{prefix}": uri for prefix, uri in _V2_NAMESPACES.items()}
        attributes["ovf:version"] = "2.0"
    if options.target is Hypervisor.VIRTUALBOX:
        attributes["xmlns:vbox"] = _VIRTUALBOX_NAMESPACE
    return attributes


def _add_references(envelope: ET.Element, disks: Sequence[OvfDisk], files: Sequence[OvfFile]) -> None:
    references = _add(envelope, "References")
    package: list[OvfFile] = [*disks, *files]
    for number, file in enumerate(package, 1):
        _add(
            references,
            "File",
            {"ovf:href": file.name, "ovf:id": f"file{number}", "ovf:size": file.size},
        )


def _add_disk_section(
    envelope: ET.Element, appliance: Appliance, disks: Sequence[OvfDisk], options: OvfOptions
) -> None:
    section = _add_section(envelope, "DiskSection", "The virtual disks of this package")
    for number, disk in enumerate(disks, 1):
        attributes: dict[str, str | int] = {
            "ovf:capacity": disk.capacity,
            "ovf:capacityAllocationUnits": "byte",
            "ovf:diskId": f"vmdisk{number}",
            "ovf:fileRef": f"file{number}",
            "ovf:format": _STREAM_OPTIMIZED,
            "ovf:populatedSize": disk.populated,
        }
        if options.target is Hypervisor.VIRTUALBOX:
            attributes["vbox:uuid"] = disk_uuid(appliance, number - 1)
        _add(section, "Disk", attributes)


def _networks(options: OvfOptions) -> tuple[str, ...]:
    return options.networks or (_DEFAULT_NETWORK[options.target],)


def _add_network_section(envelope: ET.Element, options: OvfOptions) -> None:
    section = _add_section(envelope, "NetworkSection", "The networks that this appliance connects to")
    for name in dict.fromkeys(_networks(options)):
        network = _add(section, "Network", {"ovf:name": name})
        _add(network, "Description", text=f"The network {name}")


def _add_system(envelope: ET.Element, appliance: Appliance, disks: int, options: OvfOptions) -> None:
    system = _add(envelope, "VirtualSystem", {"ovf:id": appliance.name})
    _add(system, "Info", text="A virtual machine")
    _add(system, "Name", text=appliance.name)
    _add_guest(system, appliance, options)
    _add_texts(system, options)
    _add_hardware(system, appliance, disks, options)
    if options.target is Hypervisor.VIRTUALBOX and appliance.firmware is FirmwareKind.UEFI:
        # VirtualBox learns of the firmware from its own element only, and then reads nothing else
        system.append(
            machine_element(
                appliance,
                disks=disks,
                controller=disk_controller(appliance, options, options.target),
                card=network_card(appliance, options, options.target),
                cards=len(_networks(options)),
                mac_address=options.mac_address,
                guest=options.guest,
            )
        )


def _add_guest(system: ET.Element, appliance: Appliance, options: OvfOptions) -> None:
    names = guest_names(options.guest, appliance.architecture)
    attributes: dict[str, str | int] = {"ovf:id": names.cim}
    if names.vsphere and options.target is Hypervisor.VMWARE:
        attributes["vmw:osType"] = names.vsphere
    section = _add_section(system, "OperatingSystemSection", "The guest operating system", attributes)
    _add(section, "Description", text=names.description)
    if names.virtualbox and options.target is Hypervisor.VIRTUALBOX:
        _add(section, "vbox:OSType", {"ovf:required": "false"}, names.virtualbox)


def _add_texts(system: ET.Element, options: OvfOptions) -> None:
    product = {
        "Product": options.product,
        "Vendor": options.vendor,
        "Version": options.product_version,
        "ProductUrl": options.product_url,
        "VendorUrl": options.vendor_url,
    }
    if any(product.values()):
        section = _add_section(system, "ProductSection", "The software of this appliance")
        for tag, text in product.items():
            if text:
                _add(section, tag, text=text)
    if options.annotation:
        section = _add_section(system, "AnnotationSection", "A description of this appliance")
        _add(section, "Annotation", text=options.annotation)
    if options.eula:
        section = _add_section(system, "EulaSection", "The license agreement")
        _add(section, "License", text=options.eula)


def _add_hardware(system: ET.Element, appliance: Appliance, disks: int, options: OvfOptions) -> None:
    section = _add_section(system, "VirtualHardwareSection", "The hardware that this machine needs")
    family = f"vmx-{options.hardware_version:02}"
    _add_settings(
        _add(section, "System"),
        "vssd",
        {
            "ElementName": "Virtual Hardware Family",
            "InstanceID": 0,
            "VirtualSystemIdentifier": appliance.name,
            "VirtualSystemType": _VIRTUALBOX_FAMILY if options.target is Hypervisor.VIRTUALBOX else family,
        },
    )
    ids = itertools.count(1)
    for settings in _processor_and_memory(appliance):
        _add_settings(_add(section, "Item"), "rasd", {**settings, "InstanceID": next(ids)})
    storage, ethernet = _storage(appliance, disks, options, ids), _ethernet(appliance, options, ids)
    is_v2 = options.version is OvfVersion.V2
    for settings in storage.controllers:
        _add_settings(_add(section, "Item"), "rasd", settings)
    # OVF 2.0 has kinds of items of their own for network ports and storage
    for settings in ethernet:
        item = _add(section, "EthernetPortItem" if is_v2 else "Item")
        _add_settings(item, "epasd" if is_v2 else "rasd", settings)
    for settings in storage.disks:
        item = _add(section, "StorageItem" if is_v2 else "Item")
        _add_settings(item, "sasd" if is_v2 else "rasd", settings)
    _add_firmware(section, appliance, options)


def _processor_and_memory(appliance: Appliance) -> Iterator[_Attributes]:
    yield {
        "AllocationUnits": "hertz * 10^6",
        "Description": "Number of virtual CPUs",
        "ElementName": f"{appliance.cpus} virtual CPU(s)",
        "ResourceType": _PROCESSOR,
        "VirtualQuantity": appliance.cpus,
    }
    memory = appliance.memory.mebibytes
    yield {
        "AllocationUnits": "byte * 2^20",
        "Description": "Memory size",
        "ElementName": f"{memory} MiB of memory",
        "ResourceType": _MEMORY,
        "VirtualQuantity": memory,
    }


@dataclass(frozen=True)
class _Storage:
    controllers: Sequence[_Attributes]
    disks: Sequence[_Attributes]


def _storage(appliance: Appliance, disks: int, options: OvfOptions, ids: Iterator[int]) -> _Storage:
    controller = disk_controller(appliance, options, options.target)
    resource, vmware, virtualbox = _CONTROLLERS[controller]
    subtype = virtualbox if options.target is Hypervisor.VIRTUALBOX else vmware
    places = list(disk_places(controller, disks))
    buses: dict[int, int] = {}
    controllers: list[_Attributes] = []
    for bus in dict.fromkeys(bus for bus, _ in places):
        buses[bus] = next(ids)
        settings: dict[str, str | int] = {
            "Address": bus,
            "Description": "Disk controller",
            "ElementName": f"{controller} controller {bus}",
            "InstanceID": buses[bus],
            "ResourceType": resource,
        }
        controllers.append({**settings, "ResourceSubType": subtype} if subtype else settings)
    return _Storage(
        controllers,
        [
            {
                "AddressOnParent": address,
                "Description": "Hard disk",
                "ElementName": f"Hard disk {number}",
                "HostResource": f"ovf:/disk/vmdisk{number}",
                "InstanceID": next(ids),
                "Parent": buses[bus],
                "ResourceType": _DISK,
            }
            for number, (bus, address) in enumerate(places, 1)
        ],
    )


def _ethernet(appliance: Appliance, options: OvfOptions, ids: Iterator[int]) -> list[_Attributes]:
    subtype = _CARDS[network_card(appliance, options, options.target)]
    cards: list[_Attributes] = []
    for number, network in enumerate(_networks(options), 1):
        settings: dict[str, str | int] = {
            "AutomaticAllocation": "true",
            "Connection": network,
            "Description": f"{subtype} Ethernet adapter",
            "ElementName": f"Network adapter {number}",
            "InstanceID": next(ids),
            "ResourceSubType": subtype,
            "ResourceType": _ETHERNET,
        }
        is_named = number == 1 and options.mac_address
        cards.append({**settings, "Address": options.mac_address} if is_named else settings)
    return cards


def _add_firmware(section: ET.Element, appliance: Appliance, options: OvfOptions) -> None:
    """Said for BIOS too: later versions of VMware choose by the guest when nothing is said."""
    is_uefi = appliance.firmware is FirmwareKind.UEFI
    _add_config(section, "firmware", "efi" if is_uefi else "bios")
    if is_uefi:
        _add_config(section, "bootOptions.efiSecureBootEnabled", str(options.secure_boot).lower())


def _add_config(section: ET.Element, key: str, value: str) -> None:
    _add(section, "vmw:Config", {"ovf:required": "false", "vmw:key": key, "vmw:value": value})


def _add_settings(item: ET.Element, prefix: str, settings: _Attributes) -> None:
    """A CIM class's properties as elements, in the order of the alphabet, as its schema wants them."""
    for name in sorted(settings):
        _add(item, f"{prefix}:{name}", text=str(settings[name]))


def _add_section(
    parent: ET.Element, tag: str, info: str, attributes: _Attributes | None = None
) -> ET.Element:
    section = _add(parent, tag, attributes)
    _add(section, "Info", text=info)
    return section


def _add(
    parent: ET.Element, tag: str, attributes: _Attributes | None = None, text: str | None = None
) -> ET.Element:
    """Names keep their prefixes: many readers expect the elements without one, the attributes with."""
    element = ET.SubElement(
        parent, tag, {name: _legal(str(value)) for name, value in (attributes or {}).items()}
    )
    if text is not None:
        element.text = _legal(text)
    return element


def _legal(text: str) -> str:
    """Without the characters that XML 1.0 has no room for."""
    return _NOT_IN_XML.sub("", text)
