"""What all elements share: how one is built, and where it sits on the PCI bus."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from xml.etree.ElementTree import Element, SubElement


class Device(Protocol):
    """A device that needs no place of its own: appended to the domain as it is."""

    def xml(self) -> Element: ...


def element(tag: str, text: str = "", **attributes: object) -> Element:
    """An element; attributes that are None are left out, `type_` is written `type`."""
    made = Element(tag, {name.rstrip("_"): str(v) for name, v in attributes.items() if v is not None})
    made.text = text or None
    return made


def child(parent: Element, tag: str, text: str = "", **attributes: object) -> Element:
    """The same as `element`, appended to `parent`."""
    made = element(tag, text, **attributes)
    parent.append(made)
    return made


def pci_address(parent: Element, slot: int | None) -> None:
    """Put a device into a slot of the root bus; None leaves the choice to libvirt."""
    if slot is not None:
        SubElement(
            parent, "address", type="pci", domain="0x0000", bus="0x00", slot=f"0x{slot:02x}", function="0x0"
        )


def source(parent: Element, path: Path) -> None:
    """Where a disk's bytes are: a file, or a block device below /dev."""
    is_device = str(path).startswith("/dev/")
    parent.set("type", "block" if is_device else "file")
    child(parent, "source").set("dev" if is_device else "file", str(path))
