"""The options of `hyperv-iso` and `hyperv-vmcx`, as Packer's plugin names them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Final

from vmforge.builders.installing.options import InstallOptions, OutputOptions, check_install
from vmforge.builders.iso import IsoOptions
from vmforge.sdk import Problem, Size, option
from vmforge.sdk.values import can_be_path

_MAC: Final = re.compile(r"[0-9A-Fa-f]{12}")
_PLACE: Final = re.compile(r"(IDE|SCSI):\d+:\d+", re.IGNORECASE)
_DEVICES: Final = ("CD", "DVD", "FLOPPY", "NET", "IDE")
_NESTED_MEMORY: Final = 4096
_BLOCK_SIZES: Final = range(1, 257)


class AdditionsMode(StrEnum):
    """Whether the disc of `guest_additions_path` is put in."""

    ATTACH = "attach"
    NONE = "none"
    DISABLE = "disable"


class SecureBootTemplate(StrEnum):
    WINDOWS = "MicrosoftWindows"
    OTHERS = "MicrosoftUEFICertificateAuthority"
    OPEN_SOURCE = "OpenSourceShieldedVM"


@dataclass(frozen=True, kw_only=True)
class HyperVOptions(InstallOptions, OutputOptions):
    """Options that both builders share."""

    cpus: int = option(1, help="Virtual processors.")
    memory: int = option(1024, aliases=("ram_size",), help="Memory in MiB.")
    generation: int = option(1, help="The machine's generation: 1 has a BIOS, 2 UEFI.")
    disk_block_size: int = option(32, help="The block size of new disks in MiB; Linux likes 1.")
    disk_additional_size: tuple[Size, ...] = option((), unit="m", help="The sizes of further disks, in MiB.")
    differencing_disk: bool = option(False, help="Build on a disk that holds the differences to another one.")
    secondary_iso_images: tuple[str, ...] = option((), help="Further discs, by their paths.")
    guest_additions_mode: AdditionsMode = option(
        AdditionsMode.NONE, help="`attach` puts the disc of `guest_additions_path` in."
    )
    guest_additions_path: str = option("", help="The path of the guest additions' disc.")
    switch_name: str = option(
        "",
        help="The switch for the machine's network card; one that is not there is made for the build.",
        default_text="an external switch that is up",
    )
    switches_names: tuple[str, ...] = option((), help="The switches of further network cards.")
    switch_vlan_id: str = option("", help="The VLAN of this host on the switch.")
    vlan_id: str = option("", help="The VLAN of the machine's network card.")
    mac_address: str = option("", help="The hardware address of that card, in 12 hex digits.")
    mac_addresses: tuple[str, ...] = option((), help="Those of the further cards.")
    enable_mac_spoofing: bool = option(False, help="Let the guest send from other hardware addresses.")
    enable_dynamic_memory: bool = option(False, help="Let Hyper-V take memory back from the guest.")
    enable_secure_boot: bool = option(False, help="Start only what is signed (generation 2).")
    secure_boot_template: SecureBootTemplate = option(SecureBootTemplate.WINDOWS, help="By whom.")
    enable_virtualization_extensions: bool = option(
        False, help="Let the guest run virtual machines of its own."
    )
    enable_tpm: bool = option(False, help="Give the guest a TPM (generation 2).")
    configuration_version: str = option("", help="The version of the machine's configuration.")
    temp_path: str = option(
        "",
        help="Where the machine is while it is built, on a disk of Windows.",
        default_text="Windows' folder for temporary files",
        affects_image=False,
    )
    first_boot_device: str = option("", help="What to boot from first: `CD`, `NET`, `SCSI:0:0` and the like.")
    boot_order: tuple[str, ...] = option((), help="The order of devices (generation 2), as in `SCSI:0:0`.")
    headless: bool = option(False, help="Open no window for the machine.", affects_image=False)
    keep_registered: bool = option(False, help="Leave the machine in Hyper-V.")
    skip_compaction: bool = option(False, help="Leave the disks as the guest left them.")
    skip_export: bool = option(False, help="Export only the disks, not the machine.")

    @property
    def uses_efi(self) -> bool:
        return self.generation == 2


@dataclass(frozen=True, kw_only=True)
class HyperVIsoConfig(IsoOptions, HyperVOptions):
    """All options of `source "hyperv-iso"` but the communicator's."""

    disk_size: Size = option(
        Size(40 * 1024**3), unit="m", help="The disk's size; a bare number counts in MiB."
    )
    use_fixed_vhd_format: bool = option(False, help="Make the disk a VHD of fixed size, as Azure wants it.")
    use_legacy_network_adapter: bool = option(
        False, help="Give the guest a network card that old systems know (generation 1)."
    )


@dataclass(frozen=True, kw_only=True)
class HyperVVmcxConfig(HyperVOptions):
    """All options of `source "hyperv-vmcx"` but the communicator's."""

    generation: int = option(2, help="The generation of the machine that is cloned.")
    clone_from_vmcx_path: str = option("", help="The folder of an exported machine to clone.")
    clone_from_vm_name: str = option("", help="The machine in Hyper-V to clone.")
    clone_from_snapshot_name: str = option(
        "", help="Its snapshot to begin from.", default_text="the last one"
    )
    clone_all_snapshots: bool = option(False, help="Copy its snapshots, too.")
    copy_in_compare: bool = option(
        False, help="Let Hyper-V compare a copy; some versions of Windows need it."
    )
    disk_size: Size | None = option(
        None, unit="m", help="Make the disk larger.", default_text="that of the machine that is cloned"
    )


def check_options(config: HyperVOptions) -> Iterable[Problem]:
    """What is wrong with the options that both builders share."""
    return chain(
        check_install(config, sees=False),
        _check_numbers(config),
        _check_generation(config),
        _check_network(config),
        _check_discs(config),
        _check_boot(config),
    )


def check_new_disk(config: HyperVIsoConfig) -> Iterable[Problem]:
    """What is wrong with a new machine's disk and network card."""
    if config.use_fixed_vhd_format:
        wanted = {
            "generation": config.generation == 1,
            "skip_compaction": config.skip_compaction,
            "differencing_disk": not config.differencing_disk,
        }
        for name, right in wanted.items():
            if not right:
                value = {"generation": "1", "skip_compaction": "true", "differencing_disk": "false"}[name]
                hint = f"set `{name} = {value}`"
                yield Problem(f"`use_fixed_vhd_format` does not go with this `{name}`", name, hint=hint)
    if config.use_legacy_network_adapter and config.generation != 1:
        yield Problem("only generation 1 has a legacy network card", "use_legacy_network_adapter")
    is_disk = any(url.lower().endswith((".vhd", ".vhdx")) for url in config.urls)
    if config.differencing_disk and not is_disk:
        hint = "set `iso_url` to a VHD or VHDX file, or leave `differencing_disk` out"
        summary = "`differencing_disk` has no effect without a disk to tell differences from"
        yield Problem(summary, "differencing_disk", hint=hint, warning=True)


def check_source(config: HyperVVmcxConfig) -> Iterable[Problem]:
    """Whether there is one machine to clone."""
    named = [bool(config.clone_from_vmcx_path), bool(config.clone_from_vm_name)]
    if sum(named) != 1:
        hint = "set either `clone_from_vmcx_path` or `clone_from_vm_name`"
        both = "`clone_from_vmcx_path` and `clone_from_vm_name` are both set"
        option_name = "clone_from_vm_name" if all(named) else ""
        yield Problem(both if all(named) else "there is no machine to clone", option_name, hint=hint)
    folder = config.clone_from_vmcx_path
    if folder and not (can_be_path(folder) and Path(folder).is_dir()):
        message = f"`clone_from_vmcx_path`: there is no folder `{config.clone_from_vmcx_path}`"
        yield Problem(message, "clone_from_vmcx_path")


def _check_numbers(config: HyperVOptions) -> Iterable[Problem]:
    for name in ("cpus", "memory"):
        if getattr(config, name) < 1:
            yield Problem(f"`{name}` is {getattr(config, name)}", name, hint="write a larger number")
    if config.generation not in (1, 2):
        yield Problem(f"there is no generation {config.generation}", "generation", hint="choose 1 or 2")
    if config.disk_block_size not in _BLOCK_SIZES:
        hint = "choose from 1 to 256"
        yield Problem(f"`disk_block_size` is {config.disk_block_size}", "disk_block_size", hint=hint)
    if config.enable_virtualization_extensions:
        if config.enable_dynamic_memory:
            hint = "set `enable_dynamic_memory = false`"
            summary = "machines in the guest need memory that stays"
            yield Problem(summary, "enable_dynamic_memory", hint=hint, warning=True)
        if config.memory < _NESTED_MEMORY:
            summary = f"machines in the guest need {_NESTED_MEMORY} MiB of memory at least"
            yield Problem(summary, "memory", warning=True)


def _check_generation(config: HyperVOptions) -> Iterable[Problem]:
    if config.uses_efi:
        if config.wants_floppy:
            name = "floppy_files" if config.floppy_files else "floppy_content"
            hint = "use `cd_files` or `cd_content`"
            yield Problem("machines of generation 2 have no floppy drive", name, hint=hint)
        return
    for name in ("enable_secure_boot", "enable_tpm"):
        if getattr(config, name):
            hint = "set `generation = 2`"
            yield Problem(f"generation 1 has nothing for `{name}`", name, hint=hint, warning=True)
    if config.boot_order:
        yield Problem("only generation 2 has a `boot_order`", "boot_order", warning=True)


def _check_network(config: HyperVOptions) -> Iterable[Problem]:
    for name, addresses in (("mac_address", (config.mac_address,)), ("mac_addresses", config.mac_addresses)):
        for address in filter(None, addresses):
            if _MAC.fullmatch(address) is None:
                hint = 'write 12 hex digits, as in `"0000deadbeef"`'
                yield Problem(f"`{address}` is no hardware address", name, hint=hint)
    if len(config.mac_addresses) > len(config.switches_names):
        yield Problem("there are more `mac_addresses` than `switches_names`", "mac_addresses")


def _check_discs(config: HyperVOptions) -> Iterable[Problem]:
    for path in config.secondary_iso_images:
        if not (can_be_path(path) and Path(path).is_file()):
            message = f"`secondary_iso_images`: there is no file `{path}`"
            hint = "make it before the build; `cd_files` makes one"
            yield Problem(message, "secondary_iso_images", hint, warning=True)
    if config.guest_additions_mode is AdditionsMode.ATTACH and not config.guest_additions_path:
        hint = "set `guest_additions_path`"
        yield Problem(
            "there is no disc of guest additions to attach", "guest_additions_mode", hint, warning=True
        )


def _check_boot(config: HyperVOptions) -> Iterable[Problem]:
    for name, devices in (
        ("first_boot_device", (config.first_boot_device,)),
        ("boot_order", config.boot_order),
    ):
        for device in filter(None, devices):
            if device.upper() not in _DEVICES and _PLACE.fullmatch(device) is None:
                hint = "write `CD`, `NET`, `Floppy`, or a place as in `SCSI:0:0`"
                yield Problem(f"`{device}` is no device to boot from", name, hint=hint)
