"""A network card and the network behind it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child, element, pci_address

# QEMU's names for the card that libvirt calls `virtio`.
_VIRTIO = {"virtio", "virtio-net", "virtio-net-pci"}

_RULE = re.compile(
    r"(?P<protocol>tcp|udp)?:(?P<host>[^:]*):(?P<host_port>\d+)-(?P<guest>[^:]*):(?P<guest_port>\d+)"
)


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of the host that leads into the guest. An empty address means all, as in QEMU."""

    guest_port: int
    host_port: int
    host_address: str = ""
    guest_address: str = ""
    protocol: str = "tcp"

    @classmethod
    def parse(cls, rule: str) -> Forward | None:
        """Read a rule of QEMU's (`tcp::2222-:22`); None when it says more than that."""
        match = _RULE.fullmatch(rule)
        if match is None:
            return None
        return cls(
            int(match["guest_port"]),
            int(match["host_port"]),
            match["host"],
            match["guest"],
            match["protocol"] or "tcp",
        )

    def rule(self) -> str:
        """The rule as QEMU's `hostfwd_add` takes it."""
        host = f"{self.host_address}:{self.host_port}"
        return f"{self.protocol}:{host}-{self.guest_address}:{self.guest_port}"


@dataclass(frozen=True, slots=True)
class Interface:
    """A card of QEMU's model name `model`, on a bridge of the host or, without one, on QEMU's own
    user network (10.0.2.0/24, the host at 10.0.2.2). `forwards` are set up when the machine starts."""

    model: str = "virtio-net"
    bridge: str = ""
    mac: str = ""
    forwards: tuple[Forward, ...] = ()

    @staticmethod
    def netdev(index: int) -> str:
        """QEMU's id of the network behind the card of this position."""
        return f"hostua-net{index}"

    def address(self, uuid: str, index: int) -> str:
        """The MAC address: the same for every start of a machine, so that a guest that remembers
        its card finds it again after a restart."""
        if self.mac:
            return self.mac
        digest = hashlib.sha256(f"{uuid}/{index}".encode()).hexdigest()
        return f"52:54:00:{digest[0:2]}:{digest[2:4]}:{digest[4:6]}"

    def xml(self, uuid: str, index: int, *, slot: int | None = None) -> Element:
        card = element("interface", type_="bridge" if self.bridge else "user")
        child(card, "mac", address=self.address(uuid, index))
        if self.bridge:
            child(card, "source", bridge=self.bridge)
        child(card, "model", type_="virtio" if self.model in _VIRTIO else self.model)
        # nothing boots from the network, and starting iPXE costs a second under emulation
        child(card, "rom", enabled="no")
        child(card, "alias", name=f"ua-net{index}")
        pci_address(card, slot)
        return card
