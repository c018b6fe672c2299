"""The channel to QEMU's agent in the guest: a virtio serial port that the agent opens by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child, element, pci_address

_NAME = "org.qemu.guest_agent.0"


@dataclass(frozen=True, slots=True)
class AgentChannel:
    """The host's side is a socket at `path`, at one of libvirt's choosing without."""

    path: Path | None = None

    def controller_xml(self, slot: int | None) -> Element:
        controller = element("controller", type_="virtio-serial", index="0")
        pci_address(controller, slot)
        return controller

    def xml(self) -> Element:
        channel = element("channel", type_="unix")
        child(channel, "source", mode="bind", path=self.path)
        child(channel, "target", type_="virtio", name=_NAME)
        return channel
