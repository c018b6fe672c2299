"""A virtual machine as a value, and that value as libvirt's domain XML: a pure function.

Everything sits where plain QEMU would put it (`pc`: network card in PCI slot 3, or 4 behind a
virtio-scsi controller), because installers and guests name their network cards by the slot: a
template that says `ens3` must find it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, repeat
from xml.etree import ElementTree as ET

from vmforge.hypervisor.devices import (
    AgentChannel,
    Cdrom,
    Device,
    Disk,
    DiskBus,
    Firmware,
    Floppy,
    Interface,
    Kernel,
    ScsiController,
    SerialLog,
    Topology,
    Tpm,
    Video,
    Vnc,
    no_usb,
)
from vmforge.hypervisor.devices.cpu import CpuModel, cpu_xml
from vmforge.hypervisor.devices.element import child, element
from vmforge.sdk.values import Size

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
ET.register_namespace("qemu", QEMU_NAMESPACE)

# Bootable kinds of devices; the default tries the disk first: an empty one falls through to the
# installer's disc, and nobody has to change the order once the system is installed.
HARD_DISK, CD = "hd", "cdrom"


@dataclass(frozen=True, slots=True)
class Owner:
    """A user of the host, by numbers."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """All that makes a machine. `accel` is `kvm` or `tcg`; `cpu_model` is QEMU's `-cpu` text, empty
    for the best there is; an empty `emulator` leaves the choice to libvirt.

    `restart_on_reboot`: a guest's reboot ends the QEMU process and starts it again (faster under
    emulation, and visible); else QEMU resets the guest in place. `ends_on_reboot`: it turns the
    machine off. `owner` is whom a daemon is to run QEMU as.

    `kernel` is booted in place of what the disks and discs hold, until QEMU ends.

    `qemu_arguments` are (switch, value) pairs handed to QEMU as they are. QEMU makes the devices among
    them before libvirt's: `reserved_slots` are the PCI slots that they name, and `unplaced_devices` is
    how many of them take the first free ones.
    """

    name: str
    uuid: str
    memory: Size
    vcpus: int = 1
    topology: Topology | None = None
    arch: str = "x86_64"
    emulator: str = ""
    machine_type: str = "pc"
    accel: str = "tcg"
    cpu_model: str = ""
    title: str = ""
    firmware: Firmware | None = None
    kernel: Kernel | None = None
    boot: tuple[str, ...] = (HARD_DISK, CD)
    boot_menu: bool = False
    disks: tuple[Disk, ...] = ()
    cdroms: tuple[Cdrom, ...] = ()
    floppy: Floppy | None = None
    interfaces: tuple[Interface, ...] = (Interface(),)
    graphics: Vnc | None = field(default_factory=Vnc)
    video: Video = field(default_factory=Video)
    serial_log: SerialLog | None = None
    tpm: Tpm | None = None
    agent: AgentChannel | None = None
    restart_on_reboot: bool = True
    ends_on_reboot: bool = False
    translation_cache: Size | None = None
    owner: Owner | None = None
    qemu_arguments: tuple[tuple[str, str], ...] = ()
    reserved_slots: tuple[int, ...] = ()
    unplaced_devices: int = 0
    extra_devices: tuple[Device, ...] = ()

    @property
    def is_q35(self) -> bool:
        return "q35" in self.machine_type

    @property
    def is_pc(self) -> bool:
        return self.machine_type == "pc" or "i440fx" in self.machine_type

    @property
    def processors(self) -> int:
        """How many processors the topology has room for: at least `vcpus`."""
        shape = self.topology
        return max(self.vcpus, shape.sockets * shape.cores * shape.threads if shape else 0)


def domain_xml(spec: DomainSpec, *, description: str = "", vnc_port: int | None = None) -> str:
    """The domain's XML. `vnc_port` is the port to use for a VNC server on TCP."""
    domain = element("domain", type_="kvm" if spec.accel == "kvm" else "qemu")
    child(domain, "name", spec.name)
    child(domain, "uuid", spec.uuid)
    if spec.title:
        child(domain, "title", spec.title)
    if description:
        child(domain, "description", description)
    child(domain, "memory", str(spec.memory.bytes // 1024), unit="KiB")
    current = spec.vcpus if spec.vcpus != spec.processors else None
    child(domain, "vcpu", str(spec.processors), placement="static", current=current)
    domain.append(_os(spec))
    domain.append(_features(spec))
    domain.append(cpu_xml(spec.cpu_model, spec.accel, spec.processors, spec.topology))
    child(domain, "clock", offset="utc")
    child(domain, "on_poweroff", "destroy")
    in_place = not (spec.restart_on_reboot or spec.ends_on_reboot)
    child(domain, "on_reboot", "restart" if in_place else "destroy")
    child(domain, "on_crash", "destroy")
    domain.append(_devices(spec, vnc_port))
    if spec.owner is not None:
        domain.append(_owner(spec.owner))
    arguments = _arguments(spec)
    if arguments:
        domain.append(_command_line(arguments))
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def _owner(owner: Owner) -> ET.Element:
    """QEMU runs as this user, and the files stay whose they are: https://libvirt.org/drvqemu.html, under
    "POSIX users/groups"."""
    label = element("seclabel", type_="static", model="dac", relabel="no")
    child(label, "label", f"+{owner.uid}:+{owner.gid}")
    return label


def _os(spec: DomainSpec) -> ET.Element:
    os = element("os")
    child(os, "type", "hvm", arch=spec.arch, machine=spec.machine_type)
    if spec.firmware is not None:
        spec.firmware.add_to(os)
    if spec.kernel is not None:
        spec.kernel.add_to(os)
    if spec.boot_menu:
        child(os, "bootmenu", enable="yes")
    return os


def _features(spec: DomainSpec) -> ET.Element:
    features = element("features")
    if spec.arch in ("x86_64", "i686") or spec.firmware is not None:
        child(features, "acpi")
    if spec.arch in ("x86_64", "i686"):
        child(features, "apic")
    if getattr(spec.firmware, "secure_boot", False):
        child(features, "smm", state="on")
    if spec.translation_cache is not None and spec.accel == "tcg":
        tcg = child(features, "tcg")
        child(tcg, "tb-cache", str(spec.translation_cache.mebibytes), unit="MiB")
    return features


def _devices(spec: DomainSpec, vnc_port: int | None) -> ET.Element:
    devices = element("devices")
    if spec.emulator:
        child(devices, "emulator", spec.emulator)
    slots = _pci_slots(spec)
    names = _Targets()
    boot = _boot_orders(spec)
    devices.extend(_controllers(spec, slots))
    cards = [card.xml(spec.uuid, i, slot=next(slots)) for i, card in enumerate(spec.interfaces)]
    for disk in spec.disks:
        bus = _bus(spec, disk.bus)
        slot = next(slots) if bus is DiskBus.VIRTIO else None
        devices.append(disk.xml(names.take(bus), bus, boot=next(boot[HARD_DISK], None), slot=slot))
    for cdrom in spec.cdroms:
        bus = _bus(spec, cdrom.bus)
        devices.append(cdrom.xml(names.take(bus), bus, boot=next(boot[CD], None)))
    if spec.floppy is not None:
        devices.append(spec.floppy.xml())
    devices.extend(cards)
    if spec.agent is not None:
        devices.append(spec.agent.controller_xml(next(slots)))
    devices.extend(_plain_devices(spec, vnc_port))
    return devices


def _plain_devices(spec: DomainSpec, vnc_port: int | None) -> Iterator[ET.Element]:
    if spec.serial_log is not None:
        yield spec.serial_log.xml()
    if spec.tpm is not None:
        yield spec.tpm.xml()
    if spec.agent is not None:
        yield spec.agent.xml()
    if spec.graphics is not None:
        yield spec.graphics.xml(vnc_port)
    yield spec.video.xml(slot=_video_slot(spec))
    if not (spec.is_pc or spec.is_q35):
        # these boards have no PS/2, and something must take the boot command
        yield element("input", type_="keyboard", bus="virtio")
    for device in spec.extra_devices:
        yield device.xml()
    yield element("memballoon", model="none")


def _controllers(spec: DomainSpec, slots: Iterator[int | None]) -> Iterator[ET.Element]:
    if spec.is_pc or spec.is_q35:
        yield no_usb()
    attached = [disk.bus for disk in spec.disks] + [cdrom.bus for cdrom in spec.cdroms]
    used = {_bus(spec, bus) for bus in attached}
    kinds = [bus for bus in (DiskBus.VIRTIO_SCSI, DiskBus.SCSI) if bus in used]
    for index, bus in enumerate(kinds):
        yield ScsiController(bus, index).xml(slot=next(slots))


def first_slot(spec: DomainSpec) -> int | None:
    """The PCI slot after the chipset's and the graphics card's; None where libvirt places all devices."""
    if spec.is_pc:
        return 3
    return 2 if spec.is_q35 else None


def _pci_slots(spec: DomainSpec) -> Iterator[int | None]:
    """Free slots in the order in which QEMU hands them out."""
    first = first_slot(spec)
    if first is None:
        return repeat(None)
    return (n for n in range(first + spec.unplaced_devices, 31) if n not in spec.reserved_slots)


def _video_slot(spec: DomainSpec) -> int | None:
    """None for where libvirt puts it anyway."""
    first = first_slot(spec)
    return first - 1 + spec.unplaced_devices if first is not None and spec.unplaced_devices else None


def _bus(spec: DomainSpec, bus: DiskBus) -> DiskBus:
    """`ide` is what a machine without IDE uses in its place: q35 has SATA, other boards virtio-scsi."""
    if bus is not DiskBus.IDE or spec.is_pc:
        return bus
    return DiskBus.SATA if spec.is_q35 else DiskBus.VIRTIO_SCSI


def _boot_orders(spec: DomainSpec) -> dict[str, Iterator[int]]:
    """The boot order of each disk and each CD: all of one kind before all of the next."""
    orders = {HARD_DISK: iter(()), CD: iter(())}  # type: dict[str, Iterator[int]]
    amounts = {HARD_DISK: len(spec.disks), CD: len(spec.cdroms)}
    first = 1
    for kind in spec.boot:
        orders[kind] = iter(range(first, first + amounts[kind]))
        first += amounts[kind]
    return orders


class _Targets:
    """Hands out target names: `vda`, `vdb`, `hda`, `sda` ..."""

    def __init__(self) -> None:
        self._letters: dict[str, Iterator[int]] = {}

    def take(self, bus: DiskBus) -> str:
        letters = self._letters.setdefault(bus.prefix, count(ord("a")))
        return f"{bus.prefix}{chr(next(letters))}"


def _arguments(spec: DomainSpec) -> Sequence[tuple[str, str]]:
    if spec.cpu_model and CpuModel.parse(spec.cpu_model) is None:
        # QEMU takes the last of several `-cpu`
        return (("-cpu", spec.cpu_model), *spec.qemu_arguments)
    return spec.qemu_arguments


def _command_line(arguments: Sequence[tuple[str, str]]) -> ET.Element:
    commandline = ET.Element(f"{{{QEMU_NAMESPACE}}}commandline")
    for argument in arguments:
        for part in argument:
            if part:
                ET.SubElement(commandline, f"{{{QEMU_NAMESPACE}}}arg", value=part)
    return commandline
