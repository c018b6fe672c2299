"""What is wrong with a source of Proxmox's, judged by its values alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import chain
from urllib.parse import urlsplit

from vmforge.builders.installing.options import check_install
from vmforge.builders.iso import check_iso
from vmforge.builders.proxmox.blocks import Bus, IsoFile
from vmforge.builders.proxmox.config import ProxmoxCloneConfig, ProxmoxIsoConfig, ProxmoxOptions
from vmforge.builders.proxmox.hardware import BUS_SIZES, NoRoom, places
from vmforge.builders.removable_media import check_removable_media
from vmforge.sdk import Problem

_DEVICE = re.compile(r"(ide|sata|scsi)(\d+)")
_SERIAL = re.compile(r"socket|/dev/.+")
_NUMBERS = range(100, 1_000_000_000)


def check_proxmox_iso(config: ProxmoxIsoConfig) -> Iterable[Problem]:
    return chain(
        _check_shared(config),
        _check_installer(config),
        *(_check_iso(iso, "additional_iso_files") for iso in config.additional_iso_files),
        _check_places(config),
    )


def check_proxmox_clone(config: ProxmoxCloneConfig) -> Iterable[Problem]:
    return chain(
        _check_shared(config),
        _check_origin(config),
        *(_check_iso(iso, "additional_iso_files") for iso in config.additional_iso_files),
    )


def _check_shared(config: ProxmoxOptions) -> Iterable[Problem]:
    # the medium is judged by itself: it may be on a storage already
    yield from check_install(config, sees=False, medium=False)
    yield from _check_access(config)
    yield from _check_machine(config)
    if config.wants_floppy:
        name = next(
            name for name in ("floppy_files", "floppy_dirs", "floppy_content") if getattr(config, name)
        )
        yield Problem("Proxmox's machines have no floppy", name, hint="write `cd_files` and `cd_label`")
    if config.wants_cd and config.own_cd() is None:
        name = "cd_files" if config.cd_files else "cd_content"
        yield Problem("there is no storage for the CD", name, hint="set `cd_storage_pool`")


def _check_access(config: ProxmoxOptions) -> Iterable[Problem]:
    access = config.access(os.environ)
    if not access.url:
        yield Problem("`proxmox_url` is not set", hint="set it, or `PROXMOX_URL`")
    elif (url := urlsplit(access.url)).scheme != "https" or not url.hostname:
        hint = "write it as in `https://pve.example:8006/api2/json`"
        yield Problem(f"`{access.url}` is no `https://` URL of an API", "proxmox_url", hint=hint)
    if not access.username:
        yield Problem("`username` is not set", hint="set it, or `PROXMOX_USERNAME`")
    if access.token is None and access.password is None:
        yield Problem("neither `password` nor `token` is set", hint="set `token`, or `PROXMOX_TOKEN`")
    if access.username and access.token is not None and "!" not in access.username:
        hint = "add the token's name, as in `user@pve!packer`"
        yield Problem("`username` does not say which token it is", "username", hint=hint)


def _check_machine(config: ProxmoxOptions) -> Iterable[Problem]:
    if config.vm_id is not None and config.vm_id not in _NUMBERS:
        yield Problem(f"`vm_id` must be from {_NUMBERS[0]} to {_NUMBERS[-1]}", "vm_id")
    if config.efidisk:
        hint = "write `efi_config { efi_storage_pool = ... }`"
        both = config.efi_config is not None
        said = (
            "`efidisk` and `efi_config` are both set"
            if both
            else "`efidisk` is an old way to write `efi_config`"
        )
        yield Problem(said, "efidisk", hint=hint, warning=not both)
    if config.uses_efi and config.efi_config is None and not config.efidisk:
        hint = "add `efi_config { efi_storage_pool = ... }`"
        yield Problem(
            "without `efi_config` the machine forgets its UEFI variables", "bios", hint=hint, warning=True
        )
    if len(config.serials) > 4:
        yield Problem("a machine has at most 4 serial ports", "serials")
    for serial in config.serials:
        if not _SERIAL.fullmatch(serial):
            yield Problem(f"`{serial}` is no serial port", "serials", hint="write `socket`, or `/dev/...`")
    yield from _check_disks(config)
    for device in config.pci_devices:
        if bool(device.host) == bool(device.mapping):
            yield Problem("a PCI device has either `host` or `mapping`", "pci_devices")
        if device.pcie and "q35" not in config.machine:
            yield Problem('`pcie` needs `machine = "q35"`', "pci_devices")


def _check_disks(config: ProxmoxOptions) -> Iterable[Problem]:
    for disk in config.disks:
        if disk.io_thread and not (
            disk.type is Bus.VIRTIO
            or (disk.type is Bus.SCSI and config.scsi_controller == "virtio-scsi-single")
        ):
            hint = 'set `scsi_controller = "virtio-scsi-single"` and `type = "scsi"`, or `type = "virtio"`'
            yield Problem("`io_thread` has no controller of its own", "disks", hint=hint)
        if disk.ssd and disk.type is Bus.VIRTIO:
            yield Problem("`ssd` has no effect on `virtio` disks", "disks", warning=True)
    if (
        config.cloud_init
        and not (config.cloud_init_storage_pool or config.disks)
        and isinstance(config, ProxmoxIsoConfig)
    ):
        yield Problem(
            "there is no storage for the cloud-init drive", "cloud_init", hint="set `cloud_init_storage_pool`"
        )


def _check_installer(config: ProxmoxIsoConfig) -> Iterable[Problem]:
    outside = bool(config.urls or config.iso_file)
    if config.boot_iso is not None and outside:
        name = "iso_file" if config.iso_file else "iso_url" if config.iso_url else "iso_urls"
        yield Problem(f"`{name}` and `boot_iso` are both set", name, hint="keep `boot_iso`")
    yield from _check_iso(config.installer, "boot_iso" if config.boot_iso is not None else "iso_url")


def _check_iso(iso: IsoFile, option: str) -> Iterable[Problem]:
    ways = sum((bool(iso.iso_file), bool(iso.urls), iso.wants_cd))
    if ways != 1:
        hint = "set one of `iso_file`, `iso_url` and `cd_files`"
        yield Problem("an ISO has no place" if not ways else "an ISO has several places", option, hint=hint)
        return
    if not iso.iso_file and not iso.iso_storage_pool:
        yield Problem("there is no storage for the ISO", option, hint="set `iso_storage_pool`")
    if iso.urls:
        yield from (Problem(p.summary, option, p.hint, p.warning) for p in check_iso(iso))
    if iso.wants_cd:
        yield from (Problem(p.summary, option, p.hint) for p in check_removable_media(iso))
    if iso.iso_download_pve and iso.checksum.startswith("file:"):
        hint = "write `sha256:...`, or leave `iso_download_pve` out"
        yield Problem("the node cannot read a list of checksums", option, hint=hint)
    yield from _check_place(iso, option)


def _check_place(iso: IsoFile, option: str) -> Iterable[Problem]:
    if iso.device:
        found = _DEVICE.fullmatch(iso.device)
        if found is None or int(found[2]) >= BUS_SIZES[found[1]]:
            yield Problem(
                f"there is no drive `{iso.device}`", option, hint="write one as in `ide3` or `sata0`"
            )
    if iso.index is not None and not 0 <= iso.index < BUS_SIZES[iso.type]:
        yield Problem(f"`{iso.type}` has no drive {iso.index}", option)


def _check_places(config: ProxmoxIsoConfig) -> Iterable[Problem]:
    try:
        places(config, config.iso_files)
    except NoRoom as error:
        yield Problem(str(error), "disks")


def _check_origin(config: ProxmoxCloneConfig) -> Iterable[Problem]:
    if bool(config.clone_vm) == (config.clone_vm_id is not None):
        yield Problem("a clone has either `clone_vm` or `clone_vm_id`", "clone_vm")
    if config.clone_vm_id is not None and config.clone_vm_id not in _NUMBERS:
        yield Problem(f"`clone_vm_id` must be from {_NUMBERS[0]} to {_NUMBERS[-1]}", "clone_vm_id")
    if config.target_storage_pool and not config.full_clone:
        yield Problem(
            "`target_storage_pool` has no effect on a linked clone", "target_storage_pool", warning=True
        )
