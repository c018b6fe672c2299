"""A configuration as a machine's specification (hypervisor/domain.py): a function of values."""

from __future__ import annotations

import math
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.qemu.config import CdromInterface, DiskInterface, QemuConfig
from vmforge.hypervisor.devices import (
    Bios,
    Cdrom,
    Disk,
    DiskBus,
    Efi,
    Firmware,
    Floppy,
    Interface,
    SerialLog,
    Topology,
    Tpm,
    Video,
    Vnc,
)
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.firmware import EfiFirmware, find_efi
from vmforge.sdk import Secret, Size

_ARCHITECTURES = {"x86_64": "x86_64", "i386": "i686", "aarch64": "aarch64", "arm": "armv7l"}


@dataclass(frozen=True)
class Media:
    """The files that a machine is made of. `install_disc` is None when it starts from a disk image."""

    disks: tuple[Path, ...]
    install_disc: Path | None
    extra_disc: Path | None
    floppy: Path | None
    output: Path
    serial_log: Path


def domain_spec(config: QemuConfig, media: Media, accelerator: str) -> DomainSpec:
    """The machine that the template describes, before its `qemuargs`."""
    return DomainSpec(
        # names of one length: a restored layer is renamed in place (docs/DESIGN.md, section 4)
        name=f"vmforge-{secrets.token_hex(6)}",
        uuid=str(uuid.uuid4()),
        memory=Size(config.memory_mebibytes * 1024**2),
        vcpus=processors(config),
        topology=_topology(config),
        arch=architecture(config.qemu_binary),
        emulator=config.qemu_binary,
        machine_type=config.machine_type,
        accel=accelerator,
        cpu_model=config.cpu_model,
        firmware=_firmware(config, media.output),
        disks=tuple(_disk(config, path) for path in media.disks),
        cdroms=tuple(_discs(config, media)),
        floppy=Floppy(media.floppy) if media.floppy is not None else None,
        interfaces=(Interface(model=config.net_device, bridge=config.net_bridge),),
        graphics=_graphics(config),
        video=Video(config.vga) if config.vga else Video(),
        serial_log=SerialLog(media.serial_log),
        tpm=_tpm(config),
    )


def processors(config: QemuConfig) -> int:
    """`-smp`'s count: `cpus`, at most what the topology has room for, else the topology's product."""
    parts = (config.sockets, config.cores, config.threads)
    product = math.prod(part or 1 for part in parts)
    if config.cpus is None:
        return product
    return min(config.cpus, product) if all(parts) else config.cpus


def architecture(binary: str) -> str:
    """The guest's architecture in libvirt's words, by the emulator's name."""
    name = Path(binary).name.removeprefix("qemu-system-")
    return _ARCHITECTURES.get(name, name if "qemu" not in name and name != "kvm" else "x86_64")


def _topology(config: QemuConfig) -> Topology | None:
    if not (config.sockets or config.cores or config.threads):
        return None
    count = config.cpus or 0
    cores, threads = config.cores or 1, config.threads or 1
    sockets = config.sockets or max(1, math.ceil(count / (cores * threads)))
    return Topology(sockets, cores, threads)


def _disk(config: QemuConfig, path: Path) -> Disk:
    return Disk(
        path,
        format=config.format.value,
        bus=_BUSES[config.disk_interface],
        cache=config.disk_cache.value,
        discard=config.disk_discard.value,
        detect_zeroes=config.disk_detect_zeroes.value,
    )


_BUSES = {interface: DiskBus(interface.value) for interface in DiskInterface}


def _discs(config: QemuConfig, media: Media) -> list[Cdrom]:
    bus = _disc_bus(config)
    return [Cdrom(path, bus) for path in (media.install_disc, media.extra_disc) if path is not None]


def _disc_bus(config: QemuConfig) -> DiskBus:
    if config.cdrom_interface is not None:
        return DiskBus(config.cdrom_interface.value)
    # q35 has no IDE; QEMU puts a CD there on SATA
    return DiskBus.SATA if "q35" in config.machine_type else DiskBus(CdromInterface.IDE.value)


def _firmware(config: QemuConfig, output: Path) -> Firmware | None:
    if config.firmware is not None:
        return Bios(config.firmware.absolute(), pflash=config.use_pflash)
    if not config.uses_efi:
        return None
    found = _efi_files(config)
    return Efi(found.code, found.variables, (output / "efivars.fd").absolute())


def _efi_files(config: QemuConfig) -> EfiFirmware:
    code, variables = config.efi_firmware_code, config.efi_firmware_vars
    if code is not None and variables is not None:
        return EfiFirmware(code.absolute(), variables.absolute())
    found = find_efi(architecture(config.qemu_binary))
    return EfiFirmware(code or found.code, variables or found.variables)


def _graphics(config: QemuConfig) -> Vnc | None:
    if config.disable_vnc:
        return None
    named = config.vnc_bind_address or config.vnc_port_min is not None or config.vnc_port_max is not None
    if not named:
        return Vnc()
    return Vnc(
        address=config.vnc_bind_address or "127.0.0.1",
        port_min=config.vnc_port_min or 5900,
        port_max=config.vnc_port_max or 6000,
        password=_vnc_password(config),
    )


def _vnc_password(config: QemuConfig) -> Secret | None:
    if config.vnc_password is not None:
        return config.vnc_password
    return Secret(secrets.token_urlsafe(6)) if config.vnc_use_password else None


def _tpm(config: QemuConfig) -> Tpm | None:
    if not config.vtpm:
        return None
    return Tpm(config.tpm_device_type, "1.2" if config.use_tpm1 else "2.0")
