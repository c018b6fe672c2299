"""Controllers that must be named because libvirt's own choice differs from what QEMU's users expect."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.disk import DiskBus
from vmforge.hypervisor.devices.element import element, pci_address


@dataclass(frozen=True, slots=True)
class ScsiController:
    """The controller behind disks of bus `scsi` or `virtio-scsi`."""

    bus: DiskBus
    index: int = 0

    def xml(self, *, slot: int | None = None) -> Element:
        model = "virtio-scsi" if self.bus is DiskBus.VIRTIO_SCSI else "lsilogic"
        controller = element("controller", type_="scsi", index=self.index, model=model)
        pci_address(controller, slot)
        return controller


def no_usb() -> Element:
    """libvirt adds a USB controller unless told not to; guests lose boot time to it under emulation."""
    return element("controller", type_="usb", model="none")
