"""The user's `-drive` arguments as disks, discs and firmware; see `qemuargs` for the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vmforge.hypervisor.devices import Bios, Cdrom, Disk, DiskBus, Efi
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.qemuoptions import Options

_BUSES = {"virtio": DiskBus.VIRTIO, "ide": DiskBus.IDE, "scsi": DiskBus.SCSI, "sd": DiskBus.SD}


@dataclass(frozen=True, slots=True)
class Drives:
    """A specification, and the drives that QEMU gets as they are."""

    spec: DomainSpec
    loose: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def replace_drives(spec: DomainSpec, drives: Sequence[str], folder: Path) -> Drives:
    """Take the builder's drives out and put the user's in."""
    in_flash = isinstance(spec.firmware, Efi) or (isinstance(spec.firmware, Bios) and spec.firmware.pflash)
    spec = replace(spec, disks=(), cdroms=(), firmware=None if in_flash else spec.firmware)
    loose: list[str] = []
    flash: list[str] = []
    for text in (_with_absolute_file(drive, folder) for drive in drives):
        made = _element(text)
        if isinstance(made, Disk):
            spec = replace(spec, disks=(*spec.disks, made))
        elif isinstance(made, Cdrom):
            spec = replace(spec, cdroms=(*spec.cdroms, made))
        elif Options.parse(text, implied="file").get("if") == "pflash":
            flash.append(text)
        else:
            loose.append(text)
    firmware = _flash_firmware(flash)
    if firmware is not None:
        return Drives(replace(spec, firmware=firmware), tuple(loose))
    return Drives(spec, (*flash, *loose), _warn_of_loss(spec, loose))


def without_devices(spec: DomainSpec) -> Drives:
    """Take out what the builder attaches by `-device`; its disks stay, for the user's to refer to."""
    loose = [
        f"if=none,file={_escape(disk.path)},id=drive{index},cache={disk.cache},discard={disk.discard},"
        f"format={disk.format}"
        for index, disk in enumerate(spec.disks)
        if disk.bus is DiskBus.VIRTIO_SCSI
    ]
    loose += [
        f"if=none,file={_escape(cdrom.path)},id=cdrom{index},media=cdrom"
        for index, cdrom in enumerate(spec.cdroms)
        if cdrom.bus is DiskBus.VIRTIO_SCSI
    ]
    kept = replace(
        spec,
        disks=tuple(disk for disk in spec.disks if disk.bus is not DiskBus.VIRTIO_SCSI),
        cdroms=tuple(cdrom for cdrom in spec.cdroms if cdrom.bus is not DiskBus.VIRTIO_SCSI),
        tpm=None,
    )
    return Drives(kept, tuple(loose))


def _element(text: str) -> Disk | Cdrom | None:
    """The drive as an element; None when it has none."""
    options = Options.parse(text, implied="file")
    path, bus, media = options.take("file"), options.take("if") or "ide", options.take("media")
    if not path or "://" in path or bus not in _BUSES:
        return None
    format, cache = options.take("format"), options.take("cache")
    discard, zeroes = options.take("discard"), options.take("detect-zeroes")
    # places that elements get anyway, and a name that nothing refers to
    for implied in ("index", "id", "bus", "unit"):
        options.take(implied)
    if media == "cdrom":
        options.take("readonly")
    if options.pairs:
        return None
    if media == "cdrom":
        return Cdrom(Path(path), _BUSES[bus])
    return Disk(
        Path(path),
        # without a format QEMU looks for itself; libvirt must be told
        format or _format_of(path),
        _BUSES[bus],
        cache or "writeback",
        discard or "ignore",
        zeroes or "off",
    )


def _with_absolute_file(text: str, folder: Path) -> str:
    """The drive with its file's path from the root; `file=` may also name a protocol (`nbd:...`)."""
    options = Options.parse(text, implied="file")
    path = options.get("file")
    if not path or path.startswith("/") or ":" in path:
        return text
    kept = [(name, str(folder / path) if name == "file" else value) for name, value in options.pairs]
    return Options(kept).rest()


def _format_of(path: str) -> str:
    suffix = Path(path).suffix.lower().lstrip(".")
    return {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhdx": "vhdx"}.get(suffix, "raw")


def _flash_firmware(drives: Sequence[str]) -> Bios | Efi | None:
    """One read-only flash drive, or code and variables in units 0 and 1; None for anything else."""
    parsed = [Options.parse(text, implied="file") for text in drives]
    paths = []
    for index, options in enumerate(parsed):
        path, unit = options.take("file"), options.take("unit") or str(index)
        options.take("if")
        if options.take("format") not in ("", "raw") or unit != str(index) or not path:
            return None
        readonly = options.take("readonly") in ("on", "yes", "true")
        if options.pairs or readonly is (index == 1):
            return None
        paths.append(Path(path))
    if len(paths) == 1:
        return Bios(paths[0], pflash=True)
    return Efi(paths[0], paths[1], paths[1]) if len(paths) == 2 else None


def _warn_of_loss(spec: DomainSpec, loose: Sequence[str]) -> tuple[str, ...]:
    if spec.disks or any("media=cdrom" not in text for text in loose):
        return ()
    return ("`-drive` in `qemuargs` replaces the builder's disk, and none of the drives is one",)


def _escape(path: Path) -> str:
    return str(path).replace(",", ",,")
