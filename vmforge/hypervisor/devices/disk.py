"""A hard disk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child, element, pci_address, source


class DiskBus(StrEnum):
    """How a disk is attached. `scsi` is the LSI controller that QEMU gives to `if=scsi`."""

    VIRTIO = "virtio"
    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"
    VIRTIO_SCSI = "virtio-scsi"
    SD = "sd"

    @property
    def libvirt_name(self) -> str:
        return "scsi" if self is DiskBus.VIRTIO_SCSI else self.value

    @property
    def prefix(self) -> str:
        """The first letters of the target names on this bus."""
        return {DiskBus.VIRTIO: "vd", DiskBus.IDE: "hd"}.get(self, "sd")


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk image; `cache`, `discard` and `detect_zeroes` take QEMU's words."""

    path: Path
    format: str = "qcow2"
    bus: DiskBus = DiskBus.VIRTIO
    cache: str = "writeback"
    discard: str = "ignore"
    detect_zeroes: str = "off"

    def xml(self, target: str, bus: DiskBus, *, boot: int | None = None, slot: int | None = None) -> Element:
        disk = element("disk", type_="file", device="disk")
        child(
            disk,
            "driver",
            name="qemu",
            type_=self.format,
            cache=self.cache,
            # a write that fails stops the machine, so that the host can say why; the guest would
            # only see an I/O error and the build would end in a time-out
            error_policy="stop",
            discard=self.discard if self.discard != "ignore" else None,
            detect_zeroes=self.detect_zeroes if self.detect_zeroes != "off" else None,
        )
        source(disk, self.path)
        child(disk, "target", dev=target, bus=bus.libvirt_name)
        if boot is not None:
            child(disk, "boot", order=boot)
        pci_address(disk, slot if bus is DiskBus.VIRTIO else None)
        return disk
