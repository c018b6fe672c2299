"""Where a machine's disks and discs are attached: VirtualBox's controllers and their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vmforge.builders.virtualbox.config import HardwareOptions

# Names as Packer gives them, which templates' own commands use.
_CONTROLLERS: Final = {
    "ide": ("IDE Controller", "ide", "PIIX4"),
    "sata": ("SATA Controller", "sata", "IntelAhci"),
    "scsi": ("SCSI Controller", "scsi", "LsiLogic"),
    "pcie": ("NVMe Controller", "pcie", "NVMe"),
    "virtio": ("VirtIO Controller", "virtio", "VirtIO"),
}
FLOPPY_CONTROLLER: Final = "Floppy Controller"
_MOST: Final = {"sata": 30, "scsi": 15, "pcie": 255, "virtio": 256}
_COUNTED: Final = ("sata", "pcie")

# On IDE the installer's disc, the additions and the CD of the build have places of their own, disks the
# others.
_IDE_DISKS: Final = ((0, 0), (1, 0), (1, 1))
_IDE_DISCS: Final = ((0, 1), (1, 0), (1, 1))


@dataclass(frozen=True, slots=True)
class Place:
    """A place on a controller."""

    controller: str
    port: int
    device: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """The place as `storageattach` takes it."""
        return ("--storagectl", self.controller, "--port", str(self.port), "--device", str(self.device))


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller to be made; `ports` is None where VirtualBox has a fixed number."""

    name: str
    bus: str
    chip: str
    ports: int | None

    @property
    def arguments(self) -> tuple[str, ...]:
        """What makes it, as `storagectl` takes it."""
        count = () if self.ports is None else ("--portcount", str(self.ports))
        return ("--name", self.name, "--add", self.bus, "--controller", self.chip, *count, "--bootable", "on")


@dataclass(frozen=True)
class Places:
    """The places of a new machine's disks, and of the discs that come and go with its build."""

    disks: tuple[Place, ...]
    discs: tuple[Place, ...]
    controllers: tuple[Controller, ...]


def plan(config: HardwareOptions, disc_buses: tuple[str, ...]) -> Places:
    """Place the disks, and discs on these buses: the installer's first. Raises ValueError when there is not
    room for all of them."""
    disk_bus = config.hard_drive_interface.value
    count = 1 + len(config.disk_additional_size)
    free = _free_places(disk_bus, disc_buses.count("ide"))
    if count > len(free):
        raise ValueError(f"there is room for {len(free)} disks beside the discs, not for {count}")
    name = _CONTROLLERS[disk_bus][0]
    used = {disk_bus: count}
    discs = tuple(_disc_place(bus, number, used) for number, bus in enumerate(disc_buses))
    least = {"sata": config.sata_port_count, "pcie": config.nvme_port_count}
    buses = dict.fromkeys([disk_bus, *disc_buses])
    controllers = tuple(
        Controller(*_CONTROLLERS[bus], max(least[bus], used[bus]) if bus in _COUNTED else None)
        for bus in buses
    )
    return Places(tuple(Place(name, *place) for place in free[:count]), discs, controllers)


def _free_places(bus: str, discs: int) -> list[tuple[int, int]]:
    """The places for disks on a bus; on IDE beside so many discs."""
    if bus == "ide":
        taken = _IDE_DISCS[:discs]
        return [place for place in _IDE_DISKS if place not in taken]
    return [(port, 0) for port in range(_MOST[bus])]


def _disc_place(bus: str, number: int, used: dict[str, int]) -> Place:
    name = _CONTROLLERS[bus][0]
    if bus == "ide":
        return Place(name, *_IDE_DISCS[number])
    port = used.get(bus, 0)
    used[bus] = port + 1
    return Place(name, port, 0)


# Buses of discs by VirtualBox's names of their controllers' chips.
_DISC_CHIPS: Final = {"PIIX3": "ide", "PIIX4": "ide", "ICH6": "ide", "IntelAhci": "sata"}


def free_places(info: Mapping[str, str], bus: str = "") -> Iterator[Place]:
    """The places for discs on the controllers of a machine that `showvminfo` describes; `bus` leaves out
    those of others."""
    for name, found in _disc_controllers(info):
        if bus and found != bus:
            continue
        for key, medium in info.items():
            port, _, device = key.removeprefix(f"{name}-").partition("-")
            if key.startswith(f"{name}-") and medium == "none" and port.isdigit() and device.isdigit():
                yield Place(name, int(port), int(device))


def spare_controller(info: Mapping[str, str], discs: int, bus: str = "") -> Controller | None:
    """A controller for so many discs that can be added to such a machine, which has one of each bus at most;
    None when it has them already."""
    has = {found for _, found in _disc_controllers(info)}
    for wanted in (bus,) if bus else ("ide", "sata"):
        if wanted not in has and wanted in ("ide", "sata"):
            _, name, chip = _CONTROLLERS[wanted]
            return Controller(
                f"Build {wanted.upper()} Controller", name, chip, discs if wanted == "sata" else None
            )
    return None


def _disc_controllers(info: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The name and bus of each."""
    for key, name in info.items():
        number = key.removeprefix("storagecontrollername")
        chip = info.get(f"storagecontrollertype{number}", "") if number != key else ""
        if chip in _DISC_CHIPS:
            yield name, _DISC_CHIPS[chip]
