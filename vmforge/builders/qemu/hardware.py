"""A configuration as a machine's specification (hypervisor/domain.py): a function of values."""

from __future__ import annotations

import math
import platform
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.qemu.config import CdromInterface, DiskFormat, DiskInterface, QemuConfig
from vmforge.hypervisor.devices import (
    Cdrom,
    Disk,
    DiskBus,
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
from vmforge.sdk import Secret, Size

_ARCHITECTURES = {"x86_64": "x86_64", "i386": "i686", "aarch64": "aarch64", "arm": "armv7l"}


@dataclass(frozen=True)
class Media:
    """The files that a machine is made of, by absolute paths: libvirt runs QEMU in a folder of its own.

    `discs` holds the installer's CD first, `seed` is what cloud-init reads. `firmware` is None for the one
    that QEMU starts by itself.
    """

    disks: tuple[Path, ...]
    disk_format: DiskFormat
    discs: tuple[Path, ...]
    floppy: Path | None
    firmware: Firmware | None
    serial_log: Path
    seed: Path | None = None


def domain_spec(config: QemuConfig, media: Media, accelerator: str) -> DomainSpec:
    """The machine that the template describes, before its `qemuargs`."""
    return DomainSpec(
        name=f"vmforge-{secrets.token_hex(6)}",
        uuid=str(uuid.uuid4()),
        memory=Size(config.memory_mebibytes * 1024**2),
        vcpus=processors(config),
        topology=_topology(config),
        arch=architecture(config.qemu_binary),
        emulator=_emulator(config.qemu_binary),
        machine_type=config.machine_type,
        accel=accelerator,
        cpu_model=config.cpu_model,
        firmware=media.firmware,
        disks=tuple(_disk(config, path, media.disk_format) for path in media.disks),
        cdroms=(
            *(Cdrom(path, _disc_bus(config)) for path in media.discs),
            *([Cdrom(media.seed, _seed_bus(config))] if media.seed is not None else []),
        ),
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
    if not config.cpus:
        return product
    return min(config.cpus, product) if all(parts) else config.cpus


def architecture(binary: str) -> str:
    """The guest's architecture in libvirt's words, by the emulator's name; `qemu-kvm` and the like are
    the host's own."""
    name = Path(binary).name
    if not name.startswith("qemu-system-"):
        return platform.machine()
    name = name.removeprefix("qemu-system-")
    return _ARCHITECTURES.get(name, name)


def _emulator(binary: str) -> str:
    return str(Path(binary).absolute()) if "/" in binary else binary


def _topology(config: QemuConfig) -> Topology | None:
    """With room for all processors; what the template leaves out is filled in as QEMU does it: cores
    first, then sockets, then threads."""
    if not (config.sockets or config.cores or config.threads):
        return None
    count, sockets, threads = processors(config), config.sockets or 1, config.threads or 1
    cores = config.cores or math.ceil(count / (sockets * threads))
    sockets = config.sockets or math.ceil(count / (cores * threads))
    threads = config.threads or math.ceil(count / (cores * sockets))
    return Topology(sockets, cores, threads)


def _disk(config: QemuConfig, path: Path, format: DiskFormat) -> Disk:
    return Disk(
        path,
        format=format.value,
        bus=DiskBus(config.disk_interface.value),
        cache=config.disk_cache.value,
        discard=config.discard.value,
        detect_zeroes=config.detect_zeroes.value,
    )


def _disc_bus(config: QemuConfig) -> DiskBus:
    # where the machine has no IDE, the domain puts it on what the machine has in its place
    return DiskBus((config.cdrom_interface or CdromInterface.IDE).value)


def _seed_bus(config: QemuConfig) -> DiskBus:
    # kernels made for clouds know virtio, and some of them no AHCI: they would see no CD on q35
    known = config.disk_interface is DiskInterface.VIRTIO
    return DiskBus.VIRTIO if known else _disc_bus(config)


def _graphics(config: QemuConfig) -> Vnc | None:
    if config.disable_vnc:
        return None
    ports, password = config.vnc_ports, _vnc_password(config)
    if ports is None:
        return Vnc(password=password)
    return Vnc(config.vnc_bind_address or "127.0.0.1", ports[0], ports[-1], password)


def _vnc_password(config: QemuConfig) -> Secret | None:
    """The template's, or one of the 8 characters that VNC looks at."""
    generated = Secret(secrets.token_urlsafe(6)) if config.vnc_use_password else None
    return config.vnc_password or generated


def _tpm(config: QemuConfig) -> Tpm | None:
    if not config.vtpm:
        return None
    return Tpm(config.tpm_device_type, "1.2" if config.use_tpm1 else "2.0")
