"""VMX files: reading and writing them, and the one of a new machine.

The entries are those that VMware's own products write; there is no specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vmforge.builders.vmware.config import (
    DiscAdapter,
    DiskAdapter,
    Firmware,
    HardwareOptions,
    VMwareIsoConfig,
)
from vmforge.builders.vmware.ports import parallel_port, serial_port

_ENTRY: Final = re.compile(r'\s*([^#=\s][^=]*?)\s*=\s*"(.*)"\s*')
_HOST_ADAPTER: Final = 7  # a SCSI controller's own number
_ETHERNET: Final = re.compile(r"ethernet\d+\.", re.IGNORECASE)
_BRIDGES: Final = 4, 8, 4  # the first one's number after 0, their functions, and how many there are


@dataclass
class Vmx:
    """The entries of a VMX file, in order. Names are the same in any case."""

    _entries: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Vmx:
        """Read a file's text; lines that are no entries are left out."""
        made = cls()
        for line in text.splitlines():
            entry = _ENTRY.fullmatch(line)
            if entry is not None:
                made.set(entry[1], _decoded(entry[2]))
        return made

    def get(self, name: str, default: str = "") -> str:
        return self._entries.get(name.lower(), ("", default))[1]

    def set(self, name: str, value: str) -> None:
        known = self._entries.get(name.lower())
        self._entries[name.lower()] = (known[0] if known is not None else name, value)

    def update(self, entries: Mapping[str, str]) -> None:
        """Set entries; an empty value takes one away."""
        for name, value in entries.items():
            if value:
                self.set(name, value)
            else:
                self._entries.pop(name.lower(), None)

    def remove(self, pattern: re.Pattern[str]) -> None:
        """Take away the entries whose names begin so."""
        self._entries = {key: entry for key, entry in self._entries.items() if not pattern.match(key)}

    def names(self) -> Iterator[str]:
        return (name for name, _ in self._entries.values())

    def __str__(self) -> str:
        return "".join(f'{name} = "{_encoded(value)}"\n' for name, value in self._entries.values())


def _encoded(value: str) -> str:
    """Quotes and line breaks as VMware writes them: `|` and two hex digits."""
    return re.sub(r'["|\n\r]', lambda found: f"|{ord(found[0]):02X}", value)


def _decoded(value: str) -> str:
    return re.sub(r"\|([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), value)


def new_machine(config: VMwareIsoConfig, name: str, iso: Path) -> Vmx:
    """The file of a new machine, with its disks and the installer's disc."""
    vmx = Vmx()
    vmx.update(_base(config, name))
    vmx.update(_processor(config))
    vmx.update(_disks(config))
    vmx.update(disc(disc_place(config.disc_adapter, 0, disks_beside_discs(config)), iso))
    vmx.update(_network(config))
    vmx.update(_devices(config))
    return vmx


def _base(config: HardwareOptions, name: str) -> dict[str, str]:
    entries = {
        ".encoding": "UTF-8",
        "config.version": "8",
        "virtualHW.version": config.version,
        "virtualHW.productCompatibility": "hosted",
        "displayName": name,
        "guestOS": config.guest_os_type,
        "nvram": f"{name}.nvram",
        "extendedConfigFile": f"{name}.vmxf",
        "annotation": "made by vmforge",
        "tools.syncTime": "TRUE",
        "powerType.powerOff": "soft",
        "powerType.powerOn": "soft",
        "powerType.reset": "soft",
        "powerType.suspend": "soft",
        "msg.autoAnswer": "true",
        "uuid.action": "create",
        "vmci0.present": "TRUE",
        "hpet0.present": "TRUE",
        "floppy0.present": "FALSE",
        "bios.bootOrder": "hdd,cdrom",
    }
    if config.firmware is not Firmware.BIOS:
        secure = {"uefi.secureBoot.enabled": "TRUE"} if config.firmware is Firmware.EFI_SECURE else {}
        entries |= {"firmware": "efi", **secure}
    return entries | _bridges()


def _bridges() -> dict[str, str]:
    """The PCI bridges that VMware's newer devices sit behind."""
    first, functions, count = _BRIDGES
    entries = {"pciBridge0.present": "TRUE"}
    for number in range(first, first + count):
        entries[f"pciBridge{number}.present"] = "TRUE"
        entries[f"pciBridge{number}.virtualDev"] = "pcieRootPort"
        entries[f"pciBridge{number}.functions"] = str(functions)
    return entries


def _processor(config: HardwareOptions) -> dict[str, str]:
    cores = {"cpuid.coresPerSocket": str(config.cores)} if config.cores else {}
    nested = {"vhv.enable": "TRUE"} if config.vhv_enabled else {}
    return {"numvcpus": str(config.cpus), "memsize": str(config.memory), **cores, **nested}


def disk_names(config: HardwareOptions) -> list[str]:
    """The disks' files."""
    more = (f"{config.vmdk_name}-{number}" for number in range(1, 1 + len(config.disk_additional_size)))
    return [f"{name}.vmdk" for name in (config.vmdk_name, *more)]


def _disks(config: HardwareOptions) -> dict[str, str]:
    adapter = config.disk_adapter_type
    entries = controller(adapter.bus, 0)
    if adapter.bus == "scsi":
        chip = DiskAdapter.LSILOGIC if adapter is DiskAdapter.SCSI else adapter
        entries["scsi0.virtualDev"] = chip.value
    for number, name in enumerate(disk_names(config)):
        place = f"{adapter.bus}0:{_unit(adapter.bus, number)}"
        entries |= {f"{place}.present": "TRUE", f"{place}.fileName": name}
        entries |= {f"{place}.redo": ""} if adapter.bus == "scsi" else {}
    return entries


def disk_unit(config: HardwareOptions, number: int) -> int:
    """A disk's number on its controller."""
    return _unit(config.disk_adapter_type.bus, number)


def _unit(bus: str, number: int) -> int:
    return number + 1 if bus == "scsi" and number >= _HOST_ADAPTER else number


def disks_beside_discs(config: VMwareIsoConfig) -> int:
    """How many disks are on the discs' controller."""
    return 1 + len(config.disk_additional_size) if config.disk_adapter_type.bus == config.disc_adapter else 0


def controller(bus: str, number: int) -> dict[str, str]:
    return {} if bus == "ide" else {f"{bus}{number}.present": "TRUE"}


def disc_place(adapter: DiscAdapter, number: int, disks: int) -> str:
    """The place of a disc: the installer's is number 0. IDE's second channel is the discs'."""
    if adapter is DiscAdapter.IDE:
        return f"ide1:{number}"
    return f"{adapter}0:{_unit(adapter, disks + number)}"


def build_disc_place(config: VMwareIsoConfig) -> str:
    """The place of the CD that is made for the build."""
    return disc_place(config.disc_adapter, 1, disks_beside_discs(config))


def disc(place: str, image: Path) -> dict[str, str]:
    """A disc in a drive of its own."""
    bus, number = re.match(r"([a-z]+)(\d+)", place).groups()  # type: ignore[union-attr]
    return {
        **controller(bus, int(number)),
        f"{place}.present": "TRUE",
        f"{place}.deviceType": "cdrom-image",
        f"{place}.fileName": str(image),
    }


def no_disc(place: str) -> dict[str, str]:
    """The same drive, empty."""
    return {
        f"{place}.deviceType": "cdrom-raw",
        f"{place}.fileName": "auto detect",
        f"{place}.autodetect": "TRUE",
        f"{place}.startConnected": "FALSE",
    }


def floppy(image: Path) -> dict[str, str]:
    return {
        "floppy0.present": "TRUE",
        "floppy0.fileType": "file",
        "floppy0.fileName": str(image),
    }


NO_FLOPPY: Final[Mapping[str, str]] = {
    "floppy0.present": "FALSE",
    "floppy0.fileType": "",
    "floppy0.fileName": "",
}


def vnc(address: str, port: int, password: str) -> dict[str, str]:
    return {
        "RemoteDisplay.vnc.enabled": "TRUE",
        "RemoteDisplay.vnc.ip": address,
        "RemoteDisplay.vnc.port": str(port),
        "RemoteDisplay.vnc.password": password,
    }


NO_VNC: Final[Mapping[str, str]] = {
    "RemoteDisplay.vnc.enabled": "FALSE",
    "RemoteDisplay.vnc.ip": "",
    "RemoteDisplay.vnc.port": "",
    "RemoteDisplay.vnc.password": "",
}


def network_entries(network: str) -> tuple[str, str]:
    """The kind of connection and VMware's device, of what the option `network` says."""
    if network.lower() in ("nat", "hostonly", "bridged"):
        return network.lower(), ""
    return "custom", network


def _network(config: HardwareOptions) -> dict[str, str]:
    kind, device = network_entries(config.network)
    return {
        "ethernet0.present": "TRUE",
        "ethernet0.startConnected": "TRUE",
        "ethernet0.addressType": "generated",
        "ethernet0.virtualDev": config.network_adapter_type,
        "ethernet0.connectionType": kind,
        "ethernet0.vnet": device,
    }


def _devices(config: HardwareOptions) -> dict[str, str]:
    entries: dict[str, str] = {}
    if config.sound:
        entries |= {"sound.present": "TRUE", "sound.fileName": "-1", "sound.autodetect": "TRUE"}
    if config.usb:
        entries |= {"usb.present": "TRUE", "ehci.present": "TRUE"}
        if config.usb_version != "2.0":
            entries["usb_xhci.present"] = "TRUE"
    return entries | serial_port(config.serial) | parallel_port(config.parallel)


def without_network(vmx: Vmx) -> None:
    """Take all network cards out."""
    vmx.remove(_ETHERNET)


def hardware_address(vmx: Vmx) -> str:
    """The first network card's, once VMware has made one or the template has fixed it; else empty."""
    return (vmx.get("ethernet0.address") or vmx.get("ethernet0.generatedAddress")).lower()
