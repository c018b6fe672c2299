"""A kernel that the machine starts by itself, past its firmware's boot order.

See https://libvirt.org/formatdomain.html#direct-kernel-boot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel and its initial RAM disk, files of the host, which QEMU reads when it starts."""

    image: Path
    initrd: Path
    command_line: str = ""

    def add_to(self, os: Element) -> None:
        child(os, "kernel", str(self.image))
        child(os, "initrd", str(self.initrd))
        if self.command_line:
            child(os, "cmdline", self.command_line)
