"""The options of `source "proxmox-iso"` and `source "proxmox-clone"`, as Packer's plugin names them."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from vmforge.builders.installing.options import InstallOptions
from vmforge.builders.iso import IsoOptions
from vmforge.builders.proxmox.blocks import (
    Bios,
    CdBus,
    Disk,
    EfiConfig,
    Entropy,
    GuestAgent,
    IpConfig,
    IsoFile,
    NetworkAdapter,
    PciDevice,
    TpmConfig,
    Vga,
)
from vmforge.sdk import Config, Duration, Secret, option


@dataclass(frozen=True, kw_only=True)
class AccessOptions(Config):
    """Options of the API."""

    proxmox_url: str = option(
        "",
        help="The API, as in `https://pve.example:8006/api2/json`.",
        default_text="`PROXMOX_URL`",
        affects_image=False,
    )
    insecure_skip_tls_verify: bool = option(
        False, help="Believe any certificate of the server.", affects_image=False
    )
    username: str = option(
        "",
        help="The user with its realm (`root@pam`); with a token, the token's name too: `user@pve!packer`.",
        default_text="`PROXMOX_USERNAME`",
        affects_image=False,
    )
    password: Secret | None = option(
        None, help="The user's password.", default_text="`PROXMOX_PASSWORD`", affects_image=False
    )
    token: Secret | None = option(
        None,
        help="An API token, in place of a password.",
        default_text="`PROXMOX_TOKEN`",
        affects_image=False,
    )
    node: str = option(help="The node of the cluster that the machine runs on.", affects_image=False)
    task_timeout: Duration = option(
        Duration(60),
        help="How long one task of Proxmox (a clone, a start) may take. Uploads may take longer.",
        affects_image=False,
    )

    def access(self, environment: Mapping[str, str] = os.environ) -> Access:
        """Where the API is and who asks."""
        return Access(
            self.proxmox_url or environment.get("PROXMOX_URL", ""),
            self.username or environment.get("PROXMOX_USERNAME", ""),
            self.password or _secret(environment, "PROXMOX_PASSWORD"),
            self.token or _secret(environment, "PROXMOX_TOKEN"),
            not self.insecure_skip_tls_verify,
        )


def _secret(environment: Mapping[str, str], name: str) -> Secret | None:
    return Secret(environment[name]) if environment.get(name) else None


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is and who asks."""

    url: str
    username: str
    password: Secret | None
    token: Secret | None
    verifies_tls: bool = True


@dataclass(frozen=True, kw_only=True)
class MachineOptions(Config):
    """Options of the machine. What a clone does not set stays as its origin has it."""

    pool: str = option("", help="The resource pool that the machine belongs to.", affects_image=False)
    vm_id: int | None = option(
        None,
        help="The machine's number, and the template's.",
        default_text="the next free one",
        affects_image=False,
    )
    tags: str = option("", help="Tags, with `;` between them.", affects_image=False)
    boot: str = option("", help="The boot order, as in `order=scsi0;ide2`.", default_text="disk, then ISO")
    memory: int | None = option(None, help="Memory in MiB.", default_text="512")
    ballooning_minimum: int | None = option(
        None, help="The least memory in MiB that ballooning leaves.", default_text="0: no ballooning"
    )
    cores: int | None = option(None, help="Cores in a socket.", default_text="1")
    sockets: int | None = option(None, help="Processor sockets.", default_text="1")
    cpu_type: str = option("", help="The processor's model.", default_text="kvm64")
    numa: bool | None = option(None, help="Whether the guest sees NUMA.", default_text="false")
    os: str = option("", help="The kind of guest (`l26`, `win11`, ...).", default_text="other")
    bios: Bios | None = option(None, help="The firmware.", default_text="seabios")
    efi_config: EfiConfig | None = option(None, help="The disk with the UEFI variables.")
    efidisk: str = option("", help="The storage of that disk; an older way to write `efi_config`.")
    machine: str = option("", help="The machine's type (`pc`, `q35`).", default_text="pc")
    rng0: Entropy | None = option(None, help="A source of entropy for the guest.")
    tpm_config: TpmConfig | None = option(None, help="A TPM.")
    vga: Vga | None = option(None, help="The graphics card.")
    network_adapters: tuple[NetworkAdapter, ...] = option((), help="The network cards.")
    disks: tuple[Disk, ...] = option((), help="The disks; of a clone, those that it gets beside its own.")
    pci_devices: tuple[PciDevice, ...] = option((), help="Devices of the node that the guest gets.")
    serials: tuple[str, ...] = option((), help="Serial ports: `socket`, or a device of the node; at most 4.")
    qemu_agent: bool = option(
        True, help="Whether the guest has QEMU's agent, which tells its address; without, set `ssh_host`."
    )
    qemu_guest_agent: GuestAgent | None = option(None, help="The same, and how it behaves.")
    scsi_controller: str = option("", help="The SCSI controller.", default_text="lsi")
    onboot: bool | None = option(None, help="Start the machine with the node.", default_text="false")
    disable_kvm: bool = option(False, help="Emulate the processor.", affects_image=False)
    vm_interface: str = option(
        "", help="The guest's network interface whose address is used.", default_text="the first with one"
    )
    qemu_additional_args: str = option("", help="More arguments for QEMU; only `root@pam` may set them.")
    additional_iso_files: tuple[IsoFile, ...] = option((), help="More ISOs.")

    @property
    def agent(self) -> GuestAgent:
        return self.qemu_guest_agent or GuestAgent(enabled=self.qemu_agent)


@dataclass(frozen=True, kw_only=True)
class TemplateOptions(Config):
    """Options of what the build leaves."""

    template_name: str = option("", help="The template's name.", default_text="`vm_name`")
    template_description: str = option("", help="The template's description.")
    skip_convert_to_template: bool = option(False, help="Leave a machine, not a template.")
    cloud_init: bool = option(False, help="Give the template an empty cloud-init drive.")
    cloud_init_storage_pool: str = option(
        "", help="The storage of that drive.", default_text="that of the first disk"
    )
    cloud_init_disk_type: CdBus = option(CdBus.IDE, help="The bus of that drive.")


@dataclass(frozen=True, kw_only=True)
class ProxmoxOptions(AccessOptions, MachineOptions, TemplateOptions, InstallOptions):
    """What both builders know."""

    cd_storage_pool: str = option(
        "",
        help="The storage of the CD that is made of `cd_files` and `cd_content`.",
        default_text="that of the installer's ISO",
        affects_image=False,
    )

    @property
    def uses_efi(self) -> bool:
        return self.bios is Bios.OVMF

    @property
    @abstractmethod
    def iso_files(self) -> tuple[IsoFile, ...]:
        """All ISOs that the options name, the installer's first."""

    def own_cd(self) -> IsoFile | None:
        """Where the CD goes that is made of the source's own `cd_files`."""
        pools = (self.cd_storage_pool, *(iso.iso_storage_pool for iso in self.iso_files))
        storage = next(filter(None, pools), "")
        return IsoFile(iso_storage_pool=storage, unmount=True) if storage else None


@dataclass(frozen=True, kw_only=True)
class ProxmoxIsoConfig(ProxmoxOptions, IsoOptions):
    """All options of `source "proxmox-iso"` but the communicator's."""

    boot_iso: IsoFile | None = option(None, help="The installer's ISO.")
    iso_file: str = option("", help="`iso_file` of `boot_iso`, written outside of it.")
    iso_device: str = option("", help="`device` of `boot_iso`, written outside of it.")
    iso_storage_pool: str = option(
        "", help="`iso_storage_pool` of `boot_iso`, written outside of it.", affects_image=False
    )
    iso_download_pve: bool = option(
        False, help="`iso_download_pve` of `boot_iso`, written outside of it.", affects_image=False
    )
    unmount_iso: bool = option(False, help="`unmount` of `boot_iso`, written outside of it.")
    keep_cdrom_device: bool = option(False, help="`keep_cdrom_device` of `boot_iso`, written outside of it.")

    @property
    def installer(self) -> IsoFile:
        """The installer's ISO, in whichever way it is written."""
        if self.boot_iso is not None:
            return self.boot_iso
        medium = {name: getattr(self, name) for name in IsoOptions.__dataclass_fields__}
        return IsoFile(
            **medium,
            iso_file=self.iso_file,
            device=self.iso_device,
            iso_storage_pool=self.iso_storage_pool,
            iso_download_pve=self.iso_download_pve,
            unmount=self.unmount_iso,
            keep_cdrom_device=self.keep_cdrom_device,
        )

    @property
    def iso_files(self) -> tuple[IsoFile, ...]:
        return (self.installer, *self.additional_iso_files)


@dataclass(frozen=True, kw_only=True)
class ProxmoxCloneConfig(ProxmoxOptions):
    """All options of `source "proxmox-clone"` but the communicator's."""

    clone_vm: str = option("", help="The name of the machine or template to clone.")
    clone_vm_id: int | None = option(None, help="Its number, in place of its name.")
    full_clone: bool = option(True, help="Copy the disks; else they lie over those of the template.")
    target_storage_pool: str = option(
        "", help="The storage of the copied disks.", default_text="their origin's", affects_image=False
    )
    nameserver: str = option("", help="The name server that cloud-init sets.", default_text="the node's")
    searchdomain: str = option("", help="The search domain that cloud-init sets.", default_text="the node's")
    ipconfig: tuple[IpConfig, ...] = option((), help="The addresses that cloud-init sets.")

    @property
    def iso_files(self) -> tuple[IsoFile, ...]:
        return self.additional_iso_files
