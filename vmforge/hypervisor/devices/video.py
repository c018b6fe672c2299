"""The graphics card."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child, element, pci_address

# QEMU's `-vga` names that libvirt spells differently.
_LIBVIRT_NAMES = {"std": "vga", "vmware": "vmvga"}


@dataclass(frozen=True, slots=True)
class Video:
    """A graphics card by QEMU's `-vga` name; `none` for a machine without one."""

    model: str = "std"

    def xml(self, *, slot: int | None = None) -> Element:
        video = element("video")
        child(video, "model", type_=_LIBVIRT_NAMES.get(self.model, self.model))
        if self.model != "none":
            pci_address(video, slot)
        return video
