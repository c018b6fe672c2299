"""The user's `-netdev` and `-device` arguments as network cards; see `qemuargs` for the rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vmforge.hypervisor.devices import Forward, Interface
from vmforge.hypervisor.domain import DomainSpec, first_slot
from vmforge.hypervisor.qemuoptions import Options

Argument = tuple[str, str]

# The id that Packer gives to its network, which templates refer to.
DEFAULT_ID = "user.0"

# Names of devices that sit on the PCI bus, and beginnings of names of those that do not.
_PCI = re.compile(
    r"virtio-(?!.*-device$).*|.*-pci(-.*)?|e1000.*|rtl8139|ne2k_pci|pcnet|vmxnet3|tulip|i825\w+|i82801|nvme"
    r"|lsi\w*|megasas.*|mptsas1068|pvscsi|am53c974|dc390|ahci|ich9-ahci|ich9-usb-.*|nec-usb-xhci|qemu-xhci"
    r"|usb-ehci|pci-ohci|piix[34]-usb-uhci|AC97|ac97|ES1370|es1370|intel-hda|ich9-intel-hda|VGA|qxl(-vga)?"
    r"|secondary-vga|bochs-display|cirrus-vga|vmware-svga|ati-vga|edu|i6300esb|ivshmem-.*|pci-bridge"
)
_NOT_PCI = (
    "usb-",
    "scsi-",
    "ide-",
    "isa-",
    "virtserial",
    "virtconsole",
    "tpm-",
    "floppy",
    "pvpanic",
    "loader",
    "nvme-ns",
    "sd-card",
    "hda-",
    "ccid-",
    "i2c-",
    "smbus-",
    "intel-iommu",
    "ramfb",
    "vmmouse",
    "sb16",
)


@dataclass(frozen=True, slots=True)
class Network:
    """A specification, and the networks and devices that QEMU gets as they are."""

    spec: DomainSpec
    loose: tuple[Argument, ...] = ()


def replace_network(
    spec: DomainSpec, netdevs: Sequence[str] | None, devices: Sequence[str] | None, unplaced: int = 0
) -> Network:
    """Put the user's networks and devices in place of the builder's; None where the user has none.
    `unplaced` counts what else QEMU will put into PCI slots of its choice."""
    model = spec.interfaces[0].model if spec.interfaces else "virtio-net"
    networks = list(netdevs) if netdevs is not None else [_default_netdev(spec)]
    cards = list(devices or [])
    if not any(model in card for card in cards):
        cards.append(f"{model},netdev={DEFAULT_ID}")
    made: dict[int, Interface] = {}
    for index, card in enumerate(cards):
        behind = [network for network in networks if _id_of(network) == _netdev_of(card)]
        alone = sum(_netdev_of(other) == _netdev_of(card) for other in cards) == 1
        interface = _interface(behind[0], card) if len(behind) == 1 and alone else None
        if interface is not None:
            made[index] = interface
            networks.remove(behind[0])
    unplaced += sum(_places_itself(card) for index, card in enumerate(cards) if index not in made)
    spec = replace(spec, interfaces=tuple(made.values()), unplaced_devices=unplaced)
    placed = _place(spec, cards, made)
    return Network(placed.spec, (*(("-netdev", network) for network in networks), *placed.loose))


def _place(spec: DomainSpec, cards: Sequence[str], made: Mapping[int, Interface]) -> Network:
    """Give the devices that QEMU gets as they are the PCI slots that they would have had, in the order of
    the command line: QEMU makes them before libvirt's, and guests name network cards by their slots."""
    first = first_slot(spec)
    loose: list[Argument] = []
    if first is None:
        loose = [("-device", card) for index, card in enumerate(cards) if index not in made]
        return Network(spec, tuple(loose))
    reserved = []
    for index, card in enumerate(cards):
        if index in made:
            first += 1
        elif _is_pci(card):
            slot = first + spec.unplaced_devices
            reserved.append(slot)
            loose.append(("-device", f"{card},addr=0x{slot:x}"))
            first += 1
        else:
            loose.append(("-device", card))
    return Network(replace(spec, reserved_slots=tuple(reserved)), tuple(loose))


def _is_pci(card: str) -> bool:
    """Whether a device needs a PCI slot and says nothing about it."""
    options = Options.parse(card, implied="driver")
    chosen = options.get("bus") or options.get("addr")
    return not chosen and _PCI.fullmatch(options.get("driver")) is not None


def _places_itself(card: str) -> bool:
    """Whether a device may be one that QEMU puts into a free PCI slot: its name is not known."""
    options = Options.parse(card, implied="driver")
    if _is_pci(card) or options.get("bus") or options.get("addr"):
        return False
    return not options.get("driver").startswith(_NOT_PCI)


def _id_of(network: str) -> str:
    return Options.parse(network, implied="type").get("id")


def _default_netdev(spec: DomainSpec) -> str:
    bridge = spec.interfaces[0].bridge if spec.interfaces else ""
    return f"bridge,id={DEFAULT_ID},br={bridge}" if bridge else f"user,id={DEFAULT_ID}"


def _netdev_of(card: str) -> str:
    return Options.parse(card, implied="driver").get("netdev")


def _interface(network: str, card: str) -> Interface | None:
    """A network and its card as one element; None when either says more than an element can."""
    net, device = Options.parse(network, implied="type"), Options.parse(card, implied="driver")
    kind, bridge = net.take("type"), net.take("br")
    forwards = [Forward.parse(rule) for rule in net.take_all("hostfwd")]
    net.take("id"), device.take("netdev"), device.take("id")
    driver, mac = device.take("driver"), device.take("mac")
    if net.pairs or device.pairs or not all(forwards):
        return None
    if kind == "bridge":
        return Interface(driver, bridge or "br0", mac)
    if kind != "user" or bridge:
        return None
    return Interface(driver, "", mac, tuple(forward for forward in forwards if forward))
