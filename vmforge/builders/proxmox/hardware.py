"""From the options to the parameters of Proxmox's `qemu` calls: pure functions of values.

The parameters' formats are those of https://pve.proxmox.com/pve-docs/qm.1.html, section "Configuration".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmforge.builders.proxmox.blocks import Bus, Disk, EfiConfig, IpConfig, IsoFile, NetworkAdapter, PciDevice
from vmforge.builders.proxmox.config import MachineOptions, ProxmoxCloneConfig, ProxmoxOptions

Parameters = dict[str, str | int]

# How many devices a bus has.
BUS_SIZES: Mapping[str, int] = {"ide": 4, "sata": 6, "scsi": 31, "virtio": 16}
# Proxmox's own installer and most templates have the CD on `ide2`.
_CD_ORDER = {"ide": (2, 3, 0, 1)}
_DEFAULTS: Parameters = {
    "memory": 512,
    "cores": 1,
    "sockets": 1,
    "cpu": "kvm64",
    "ostype": "other",
    "scsihw": "lsi",
    "balloon": 0,
}


class NoRoom(ValueError):
    """A bus has no place left; the text is a message for the user."""


@dataclass(frozen=True)
class Places:
    """Which devices are where: `disks` and `isos` in the order of the options."""

    disks: tuple[str, ...]
    isos: tuple[str, ...]


def places(config: ProxmoxOptions, isos: Iterable[IsoFile], taken: Iterable[str] = ()) -> Places:
    """A place for each disk and ISO beside those that are `taken`. Raises `NoRoom`."""
    isos = tuple(isos)
    used = set(taken)
    fixed = [fixed_place(iso) for iso in isos]
    for place in filter(None, fixed):
        if place in used:
            raise NoRoom(f"two drives are at `{place}`")
        used.add(place)
    disks = tuple(_take(disk.type.value, used) for disk in config.disks)
    return Places(
        disks,
        tuple(
            place or _take(iso.type.value, used, _CD_ORDER) for iso, place in zip(isos, fixed, strict=True)
        ),
    )


def fixed_place(iso: IsoFile) -> str:
    """Where the options themselves put an ISO; empty when they do not."""
    if iso.device:
        return iso.device
    return f"{iso.type}{iso.index}" if iso.index is not None else ""


def free_place(bus: str, used: Iterable[str]) -> str:
    """A free place for a CD. Raises `NoRoom`."""
    return _take(bus, set(used), _CD_ORDER)


def _take(bus: str, used: set[str], order: Mapping[str, tuple[int, ...]] | None = None) -> str:
    for number in (order or {}).get(bus, range(BUS_SIZES[bus])):
        if (place := f"{bus}{number}") not in used:
            used.add(place)
            return place
    raise NoRoom(f"`{bus}` has room for {BUS_SIZES[bus]} drives")


def new_machine(config: ProxmoxOptions, at: Places, volumes: Iterable[str], number: int) -> Parameters:
    """The parameters of a new machine with that number, but for its name and description. `volumes` are what
    the ISOs are by now (`local:iso/debian.iso`)."""
    drives = {place: f"{volume},media=cdrom" for place, volume in zip(at.isos, volumes, strict=True)}
    order = ";".join((*at.disks[:1], *at.isos, *(f"net{n}" for n in range(len(config.network_adapters)))))
    return {
        **_DEFAULTS,
        **({"boot": f"order={order}"} if order else {}),
        **_machine(config, number),
        **_agent(config),
        **{place: _disk(disk) for place, disk in zip(at.disks, config.disks, strict=True)},
        **drives,
    }


def changes(config: ProxmoxCloneConfig, at: Places, volumes: Iterable[str], number: int) -> Parameters:
    """What the options change in a clone with that number."""
    return {
        **_machine(config, number),
        **_agent(config),
        **_cloud_init(config),
        **{place: _disk(disk) for place, disk in zip(at.disks, config.disks, strict=True)},
        **{place: f"{volume},media=cdrom" for place, volume in zip(at.isos, volumes, strict=True)},
    }


def drives_of(machine: Mapping[str, object]) -> dict[str, str]:
    """The drives in a machine's configuration, by place."""
    names = {f"{bus}{number}" for bus, size in BUS_SIZES.items() for number in range(size)}
    return {name: str(value) for name, value in machine.items() if name in names}


def storage_of(drive: str) -> str:
    """The storage of a drive; empty for none."""
    storage, colon, _ = drive.partition(",")[0].partition(":")
    return storage if colon else ""


def _machine(config: MachineOptions, number: int) -> Parameters:
    found: Parameters = {}
    simple: dict[str, str | int | bool | None] = {
        "memory": config.memory,
        "balloon": config.ballooning_minimum,
        "cores": config.cores,
        "sockets": config.sockets,
        "cpu": config.cpu_type or None,
        "numa": config.numa,
        "ostype": config.os or None,
        "bios": config.bios,
        "machine": config.machine or None,
        "scsihw": config.scsi_controller or None,
        "onboot": config.onboot,
        "kvm": 0 if config.disable_kvm else None,
        "boot": config.boot or None,
        "tags": config.tags or None,
        "args": config.qemu_additional_args or None,
    }
    for name, value in simple.items():
        if value is not None:
            found[name] = (
                int(value) if isinstance(value, bool) else str(value) if isinstance(value, str) else value
            )
    found |= {f"net{n}": _adapter(card, (number, n)) for n, card in enumerate(config.network_adapters)}
    found |= {f"serial{n}": serial for n, serial in enumerate(config.serials)}
    found |= {f"hostpci{n}": _pci(device) for n, device in enumerate(config.pci_devices)}
    return found | _extras(config)


def _extras(config: MachineOptions) -> Parameters:
    found: Parameters = {}
    efi = config.efi_config or (EfiConfig(efi_storage_pool=config.efidisk) if config.efidisk else None)
    if efi is not None:
        found["efidisk0"] = _joined(
            f"{efi.efi_storage_pool}:1",
            efitype=efi.efi_type,
            format=efi.efi_format,
            **{"pre-enrolled-keys": int(efi.pre_enrolled_keys)},
        )
    if (tpm := config.tpm_config) is not None:
        found["tpmstate0"] = _joined(f"{tpm.tpm_storage_pool}:1", version=tpm.tpm_version.value)
    if (rng := config.rng0) is not None:
        found["rng0"] = _joined(f"source={rng.source}", max_bytes=rng.max_bytes, period=rng.period or None)
    if (vga := config.vga) is not None:
        found["vga"] = _joined(vga.type or "std", memory=vga.memory or None)
    return found


def _agent(config: MachineOptions) -> Parameters:
    agent = config.agent
    text = _joined(
        str(int(agent.enabled)),
        type=agent.type.value if agent.type else None,
        fstrim_cloned_disks=1 if agent.fstrim else None,
        **{"freeze-fs-on-backup": 0 if agent.disable_freeze else None},
    )
    return {"agent": text}


def _disk(disk: Disk) -> str:
    gibibytes = f"{disk.disk_size.bytes / 1024**3:.6f}".rstrip("0").rstrip(".")
    return _joined(
        f"{disk.storage_pool}:{gibibytes}",
        cache=disk.cache_mode.value,
        format=disk.format,
        iothread=int(disk.io_thread) or None,
        aio=disk.asyncio.value if disk.asyncio else None,
        backup=0 if disk.exclude_from_backup else None,
        discard="on" if disk.discard else None,
        ssd=int(disk.ssd) or None if disk.type is not Bus.VIRTIO else None,
    )


def _adapter(card: NetworkAdapter, place: tuple[int, int]) -> str:
    address = _repeatable(*place) if card.mac_address == "repeatable" else card.mac_address
    return _joined(
        f"{card.model}={address}" if address else card.model,
        bridge=card.bridge or None,
        queues=card.packet_queues or None,
        mtu=card.mtu or None,
        tag=card.vlan_tag or None,
        firewall=int(card.firewall),
    )


def _repeatable(machine: int, card: int) -> str:
    """A locally administered address that the card of a machine with that number always gets."""
    digest = hashlib.sha256(f"{machine}/{card}".encode()).digest()
    return ":".join(f"{byte:02X}" for byte in (0x02, *digest[:5]))


def _pci(device: PciDevice) -> str:
    hidden = device.hide_rombar if device.rombar is None else not device.rombar
    names = {
        "device-id": device.device_id,
        "vendor-id": device.vendor_id,
        "sub-device-id": device.sub_device_id,
        "sub-vendor-id": device.sub_vendor_id,
        "legacy-igd": int(device.legacy_igd) or None,
        "x-vga": int(device.x_vga) or None,
    }
    return _joined(
        f"mapping={device.mapping}" if device.mapping else f"host={device.host}",
        rombar=0 if hidden else None,
        romfile=device.romfile,
        mdev=device.mdev,
        pcie=int(device.pcie) or None,
        **names,
    )


def _cloud_init(config: ProxmoxCloneConfig) -> Parameters:
    found: Parameters = {
        name: value
        for name, value in (("nameserver", config.nameserver), ("searchdomain", config.searchdomain))
        if value
    }
    return found | {f"ipconfig{number}": _address(block) for number, block in enumerate(config.ipconfig)}


def _address(block: IpConfig) -> str:
    named = {"ip": block.ip, "gw": block.gateway, "ip6": block.ip6, "gw6": block.gateway6}
    return ",".join(f"{name}={value}" for name, value in named.items() if value)


def _joined(first: str, **named: str | int | None) -> str:
    return ",".join((first, *(f"{name}={value}" for name, value in named.items() if value not in (None, ""))))
