"""A floppy drive with a disk in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child, element, source


@dataclass(frozen=True, slots=True)
class Floppy:
    """A raw image of a floppy disk. Never booted from."""

    path: Path

    def xml(self) -> Element:
        drive = element("disk", type_="file", device="floppy")
        child(drive, "driver", name="qemu", type_="raw")
        source(drive, self.path)
        child(drive, "target", dev="fda", bus="fdc")
        return drive
