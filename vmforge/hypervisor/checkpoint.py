"""Freezes a running machine: its disks as they are, and beside them what was in its memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from vmforge.hypervisor import faults
from vmforge.hypervisor.devices.element import child, element
from vmforge.hypervisor.library import libvirt


def freeze(
    domain: Any,
    memory: Path,
    overlays: Mapping[Path, Path],
    while_still: Callable[[], None],
    before_it_goes_on: Callable[[], None],
) -> None:
    """Write the guest's memory to `memory`, and let each disk go on in its overlay, an existing qcow2 image
    with the disk behind it. The guest stands still from before `while_still` is called until after
    `before_it_goes_on`, which is called once the overlays are in use.

    Raises `MachineError` when libvirt cannot do that (a device that cannot be saved, say), and what
    `while_still` raises; the machine then runs on as it was.
    """
    flags = (
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
        | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
        | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
    )
    domain.suspend()
    try:
        while_still()  # first: once the overlays are in use there is no way back
        domain.snapshotCreateXML(snapshot_xml(domain.XMLDesc(0), memory, overlays), flags)
        before_it_goes_on()
    except libvirt.libvirtError as error:
        memory.unlink(missing_ok=True)
        raise faults.failed(error, "save the machine's memory") from error
    finally:
        domain.resume()


def snapshot_xml(domain: str, memory: Path, overlays: Mapping[Path, Path]) -> str:
    """The snapshot of a domain, as https://libvirt.org/formatsnapshot.html describes it."""
    snapshot = element("domainsnapshot")
    child(snapshot, "memory", snapshot="external", file=memory)
    disks = child(snapshot, "disks")
    for disk in ET.fromstring(domain).findall("devices/disk"):
        target, source = disk.find("target"), disk.find("source")
        file = source.get("file") if source is not None else None
        overlay = overlays.get(Path(file)) if file else None
        name = target.get("dev") if target is not None else None
        entry = child(disks, "disk", name=name, snapshot="no" if overlay is None else "external")
        if overlay is not None:
            child(entry, "driver", type_="qcow2")
            child(entry, "source", file=overlay)
    return ET.tostring(snapshot, encoding="unicode")
