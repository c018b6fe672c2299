"""The hardware that VMware's and VirtualBox's machines can have, and what of it suits an appliance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from vmforge.errors import VmforgeError
from vmforge.images.guests import Guest
from vmforge.sdk.appliance import Appliance


class Hypervisor(StrEnum):
    """Whose machines are described."""

    VMWARE = "vmware"
    VIRTUALBOX = "virtualbox"


class DiskController(StrEnum):
    LSILOGIC = "lsilogic"
    LSILOGIC_SAS = "lsilogicsas"
    BUSLOGIC = "buslogic"
    PVSCSI = "pvscsi"
    AHCI = "ahci"
    NVME = "nvme"
    IDE = "ide"
    VIRTIO = "virtio"


class NetworkCard(StrEnum):
    E1000 = "e1000"
    E1000E = "e1000e"
    VMXNET3 = "vmxnet3"
    PCNET32 = "pcnet32"
    VIRTIO = "virtio"


@dataclass(frozen=True, kw_only=True)
class HardwareOptions:
    """What an exported machine is to be made of.

    None for controller or card takes what the guest was installed on where the target has it, and what
    most guests have drivers for where it has not (`disk_controller`, `network_card`). `hardware_version`
    is VMware's: 13 is read by ESXi 6.5, Workstation 14, Fusion 10 and everything later.
    """

    disk_controller: DiskController | None = None
    network_card: NetworkCard | None = None
    hardware_version: int = 13
    guest: Guest = Guest.LINUX
    secure_boot: bool = False


# What QEMU's buses and cards are called here.
_CONTROLLERS = {"ide": DiskController.IDE, "sata": DiskController.AHCI, "nvme": DiskController.NVME}
_CARDS = {
    "e1000": NetworkCard.E1000,
    "e1000-82540em": NetworkCard.E1000,
    "e1000e": NetworkCard.E1000E,
    "vmxnet3": NetworkCard.VMXNET3,
    "pcnet": NetworkCard.PCNET32,
}

# How many disks fit on one controller, and the address that SCSI controllers keep for themselves.
_SCSI = {
    DiskController.LSILOGIC,
    DiskController.LSILOGIC_SAS,
    DiskController.BUSLOGIC,
    DiskController.PVSCSI,
}
_UNITS = {DiskController.IDE: 2, DiskController.AHCI: 30, DiskController.NVME: 15}
_SCSI_UNITS, _SCSI_OWN_ADDRESS = 16, 7
# How many controllers of a kind a machine can have.
_BUSES, _IDE_BUSES = 4, 2


def disk_controller(appliance: Appliance, options: HardwareOptions, target: Hypervisor) -> DiskController:
    """The controller that the disks of an exported machine hang on."""
    if options.disk_controller is not None:
        return options.disk_controller
    if appliance.disk_bus in _CONTROLLERS:
        return _CONTROLLERS[appliance.disk_bus]
    if target is Hypervisor.VIRTUALBOX:
        return DiskController.AHCI
    if appliance.architecture == "aarch64":
        return DiskController.NVME  # VMware has no parallel SCSI there
    # Windows has had no driver for parallel SCSI since Vista
    return DiskController.LSILOGIC_SAS if options.guest.is_windows else DiskController.LSILOGIC


def network_card(appliance: Appliance, options: HardwareOptions, target: Hypervisor) -> NetworkCard:
    """The network card of an exported machine."""
    if options.network_card is not None:
        return options.network_card
    if target is Hypervisor.VIRTUALBOX and appliance.network_model.startswith("virtio"):
        return NetworkCard.VIRTIO
    default = NetworkCard.E1000E if appliance.architecture == "aarch64" else NetworkCard.E1000
    return _CARDS.get(appliance.network_model, default)


def disk_places(controller: DiskController, count: int) -> Iterator[tuple[int, int]]:
    """Where each of `count` disks goes: the number of its controller, and its address there.

    Raises `VmforgeError` when a machine cannot have that many.
    """
    units = range(_UNITS.get(controller, _SCSI_UNITS))
    addresses = [unit for unit in units if not (controller in _SCSI and unit == _SCSI_OWN_ADDRESS)]
    room = len(addresses) * (_IDE_BUSES if controller is DiskController.IDE else _BUSES)
    if count > room:
        message = f"{count} disks do not fit on `{controller}` controllers, which take {room} in a machine"
        raise VmforgeError(message, hint="choose another disk controller")
    for number in range(count):
        bus, place = divmod(number, len(addresses))
        yield bus, addresses[place]
