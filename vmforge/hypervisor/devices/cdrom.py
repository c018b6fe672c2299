"""A CD drive with a disc in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.disk import DiskBus
from vmforge.hypervisor.devices.element import child, element, source


@dataclass(frozen=True, slots=True)
class Cdrom:
    """A disc image. On the virtio bus there are no CD drives: the guest sees a read-only disk."""

    path: Path
    bus: DiskBus = DiskBus.IDE

    def xml(self, target: str, bus: DiskBus, *, boot: int | None = None) -> Element:
        kind = "disk" if bus is DiskBus.VIRTIO else "cdrom"
        drive = element("disk", type_="file", device=kind)
        child(drive, "driver", name="qemu", type_="raw")
        source(drive, self.path)
        child(drive, "target", dev=target, bus=bus.libvirt_name)
        child(drive, "readonly")
        if boot is not None:
            child(drive, "boot", order=boot)
        return drive
