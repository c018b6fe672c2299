"""The configuration file of a machine of VMware Workstation or Fusion (`.vmx`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from vmforge.sdk.appliance import Appliance, FirmwareKind


@dataclass(frozen=True, kw_only=True)
class VmxOptions(HardwareOptions):
    """What a machine has beyond the appliance. `network` is `nat`, `bridged` or `hostonly`."""

    network: str = "nat"
    annotation: str = ""


# A controller's name in the file, and its model
_CONTROLLERS = {
    DiskController.LSILOGIC: ("scsi", "lsilogic"),
    DiskController.LSILOGIC_SAS: ("scsi", "lsisas1068"),
    DiskController.BUSLOGIC: ("scsi", "buslogic"),
    DiskController.PVSCSI: ("scsi", "pvscsi"),
    DiskController.AHCI: ("sata", ""),
    DiskController.NVME: ("nvme", ""),
    DiskController.IDE: ("ide", ""),
    DiskController.VIRTIO: ("scsi", "pvscsi"),
}
_CARDS = {
    NetworkCard.E1000: "e1000",
    NetworkCard.E1000E: "e1000e",
    NetworkCard.VMXNET3: "vmxnet3",
    NetworkCard.PCNET32: "vlance",
    NetworkCard.VIRTIO: "vmxnet3",
}
# PCI Express devices (vmxnet3, e1000e, nvme, pvscsi) want these ports
_ROOT_PORTS = (4, 5, 6, 7)


def vmx_text(appliance: Appliance, disks: Sequence[str], options: VmxOptions) -> str:
    """The file's text: the same for the same arguments.

    `disks` are the names of the appliance's disks as VMDK files, beside the file. VMware has no virtio:
    its own devices of the same kind stand for it. Raises `VmforgeError` when the machine has no room for
    that many disks.
    """
    settings = (
        *_machine(appliance, options),
        *_firmware(appliance, options),
        *_ports(),
        *_disks(appliance, disks, options),
        *_network(appliance, options),
    )
    return "".join(f'{name} = "{_escape(value)}"\n' for name, value in settings)


_Settings = Iterator[tuple[str, str]]


def _machine(appliance: Appliance, options: VmxOptions) -> _Settings:
    yield ".encoding", "UTF-8"
    yield "config.version", "8"
    yield "virtualHW.version", str(options.hardware_version)
    yield "virtualHW.productCompatibility", "hosted"
    yield "displayName", appliance.name
    if options.annotation:
        yield "annotation", options.annotation
    yield "guestOS", guest_names(options.guest, appliance.architecture).vmx
    yield "numvcpus", str(appliance.cpus)
    yield "cpuid.coresPerSocket", str(appliance.cpus)
    yield "memsize", str(appliance.memory.mebibytes)
    yield "floppy0.present", "FALSE"
    yield "usb.present", "TRUE"
    yield "vmci0.present", "TRUE"
    yield "hpet0.present", "TRUE"
    yield "tools.syncTime", "FALSE"
    for action in ("powerOff", "powerOn", "suspend", "reset"):
        yield f"powerType.{action}", "soft"


def _firmware(appliance: Appliance, options: VmxOptions) -> _Settings:
    """VMware makes the variables of its UEFI itself, when the machine first starts."""
    is_uefi = appliance.firmware is FirmwareKind.UEFI
    yield "firmware", "efi" if is_uefi else "bios"
    if is_uefi:
        yield "uefi.secureBoot.enabled", str(options.secure_boot).upper()


def _ports() -> _Settings:
    yield "pciBridge0.present", "TRUE"
    for number in _ROOT_PORTS:
        yield f"pciBridge{number}.present", "TRUE"
        yield f"pciBridge{number}.virtualDev", "pcieRootPort"
        yield f"pciBridge{number}.functions", "8"


def _disks(appliance: Appliance, disks: Sequence[str], options: VmxOptions) -> _Settings:
    controller = disk_controller(appliance, options, Hypervisor.VMWARE)
    name, model = _CONTROLLERS[controller]
    places = list(disk_places(controller, len(disks)))
    for bus in dict.fromkeys(bus for bus, _ in places):
        yield f"{name}{bus}.present", "TRUE"
        if model:
            yield f"{name}{bus}.virtualDev", model
    for (bus, address), disk in zip(places, disks, strict=True):
        yield f"{name}{bus}:{address}.present", "TRUE"
        yield f"{name}{bus}:{address}.fileName", disk


def _network(appliance: Appliance, options: VmxOptions) -> _Settings:
    yield "ethernet0.present", "TRUE"
    yield "ethernet0.virtualDev", _CARDS[network_card(appliance, options, Hypervisor.VMWARE)]
    yield "ethernet0.connectionType", options.network
    yield "ethernet0.addressType", "generated"


def _escape(value: str) -> str:
    """Quotes, bars and characters of control by their number behind a bar."""
    return "".join(f"|{ord(sign):02X}" if sign in '"|' or ord(sign) < 32 else sign for sign in value)
