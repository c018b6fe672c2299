"""The first serial port, written to a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child, element


@dataclass(frozen=True, slots=True)
class SerialLog:
    """What the guest writes to its serial console goes to `path`, across restarts of the machine."""

    path: Path

    def xml(self) -> Element:
        serial = element("serial", type_="file")
        child(serial, "source", path=self.path, append="on")
        child(serial, "target", port="0")
        return serial
