"""The options of `source "proxmox-iso"` and `source "proxmox-clone"`, as Packer's plugin names them."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from vmforge.builders.installing.options import InstallOptions
from vmforge.builders.iso import IsoOptions
from vmforge.builders.removable_media import CdOptions
from vmforge.sdk import Config, Duration, Secret, Size, option


class Bus(StrEnum):
    """Where a drive is attached. The value is what Proxmox names its devices by (`scsi0`)."""

    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"
    VIRTIO = "virtio"


class CdBus(StrEnum):
    """Where a CD is attached."""

    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"


class Bios(StrEnum):
    SEABIOS = "seabios"
    OVMF = "ovmf"


class AgentType(StrEnum):
    ISA = "isa"
    VIRTIO = "virtio"


class TpmVersion(StrEnum):
    V1_2 = "v1.2"
    V2_0 = "v2.0"


class CacheMode(StrEnum):
    NONE = "none"
    WRITETHROUGH = "writethrough"
    WRITEBACK = "writeback"
    UNSAFE = "unsafe"
    DIRECTSYNC = "directsync"


class AsyncIo(StrEnum):
    NATIVE = "native"
    THREADS = "threads"
    IO_URING = "io_uring"


class EntropySource(StrEnum):
    URANDOM = "/dev/urandom"
    RANDOM = "/dev/random"
    HWRNG = "/dev/hwrng"


@dataclass(frozen=True, kw_only=True)
class IsoFile(IsoOptions, CdOptions):
    """The block `boot_iso`, or one of `additional_iso_files`: a file of a storage, an ISO that is fetched, or
    a CD that is made of files."""

    type: CdBus = option(CdBus.IDE, help="The bus of the drive.")
    index: int | None = option(None, help="The drive's number on its bus.", default_text="the first free one")
    device: str = option("", help="Bus and number in one, as in `ide3`; an older way to say both.")
    iso_file: str = option("", help="An ISO that a storage has already, as in `local:iso/debian.iso`.")
    iso_storage_pool: str = option("", help="The storage that an ISO is uploaded to.", affects_image=False)
    iso_download_pve: bool = option(
        False, help="The node fetches the ISO itself, from `iso_url`.", affects_image=False
    )
    unmount: bool = option(False, help="Take the ISO out of the finished machine.")
    keep_cdrom_device: bool = option(False, help="With `unmount`: keep the empty drive.")


@dataclass(frozen=True, kw_only=True)
class Disk(Config):
    """The block `disks`."""

    type: Bus = option(Bus.SCSI, help="The bus of the disk.")
    storage_pool: str = option(help="The storage that the disk is on.")
    storage_pool_type: str = option("", help="Accepted for Packer's sake; has no effect.")
    disk_size: Size = option(Size(8 * 1024**3), unit="g", help="The size; a bare number counts in GiB.")
    cache_mode: CacheMode = option(CacheMode.NONE, help="The cache mode.", affects_image=False)
    format: str = option("raw", help="The format of the file, on a storage of files.", affects_image=False)
    io_thread: bool = option(
        False,
        help="A thread of its own for the disk's I/O; for `scsi` with the `virtio-scsi-single` controller.",
    )
    asyncio: AsyncIo | None = option(None, help="How I/O is done.", default_text="Proxmox's choice")
    exclude_from_backup: bool = option(False, help="Leave the disk out of backups.")
    discard: bool = option(False, help="Free the blocks that the guest discards.")
    ssd: bool = option(False, help="Show the disk as a solid state drive; not on `virtio`.")


@dataclass(frozen=True, kw_only=True)
class NetworkAdapter(Config):
    """The block `network_adapters`."""

    model: str = option("e1000", help="The card's model (`virtio`, `e1000`, ...).")
    packet_queues: int = option(0, help="The number of packet queues, of a `virtio` card.")
    mac_address: str = option(
        "",
        help="The hardware address; `repeatable` gives the same for the same machine.",
        default_text="a new one",
    )
    mtu: int = option(0, help="The MTU, of a `virtio` card; 1 is the bridge's.")
    bridge: str = option("", help="The bridge that it is on.", default_text="none: user networking")
    vlan_tag: str = option("", help="The VLAN of its packets.")
    firewall: bool = option(False, help="Whether Proxmox's firewall is in front of it.")


@dataclass(frozen=True, kw_only=True)
class Vga(Config):
    """The block `vga`."""

    type: str = option("", help="The graphics card (`std`, `qxl`, `virtio`, `serial0`, `none`, ...).")
    memory: int = option(0, help="The card's memory in MiB.")


@dataclass(frozen=True, kw_only=True)
class EfiConfig(Config):
    """The block `efi_config`."""

    efi_storage_pool: str = option(help="The storage of the disk with the UEFI variables.")
    efi_format: str = option("", help="That disk's format, on a storage of files.")
    pre_enrolled_keys: bool = option(False, help="Put the usual Secure Boot keys into the variables.")
    efi_type: str = option("4m", help="The size of the variables (`2m`, `4m`).")


@dataclass(frozen=True, kw_only=True)
class TpmConfig(Config):
    """The block `tpm_config`."""

    tpm_storage_pool: str = option(help="The storage of the TPM's state.")
    tpm_version: TpmVersion = option(TpmVersion.V2_0, help="The TPM's version.")


@dataclass(frozen=True, kw_only=True)
class Entropy(Config):
    """The block `rng0`."""

    source: EntropySource = option(help="Where the node takes entropy from.")
    max_bytes: int = option(help="How many bytes the guest gets in a period; 0 is no limit.")
    period: int = option(0, help="The period in milliseconds.", default_text="Proxmox's choice")


@dataclass(frozen=True, kw_only=True)
class PciDevice(Config):
    """The block `pci_devices`."""

    host: str = option("", help="The device's PCI address on the node.")
    mapping: str = option("", help="A mapping of the cluster, in place of `host`.")
    device_id: str = option("", help="The device id that the guest sees.")
    vendor_id: str = option("", help="The vendor id that the guest sees.")
    sub_device_id: str = option("", help="The subsystem's device id that the guest sees.")
    sub_vendor_id: str = option("", help="The subsystem's vendor id that the guest sees.")
    hide_rombar: bool = option(False, help="Hide the device's ROM from the guest.")
    rombar: bool | None = option(None, help="The opposite, as newer templates write it.")
    romfile: str = option("", help="A ROM file of the node, below `/usr/share/kvm/`.")
    legacy_igd: bool = option(False, help="Give the guest a legacy Intel graphics device.")
    pcie: bool = option(False, help='Show it on PCI Express; needs `machine = "q35"`.')
    mdev: str = option("", help="The type of a mediated device.")
    x_vga: bool = option(False, help="Make it the guest's graphics card.")


@dataclass(frozen=True, kw_only=True)
class GuestAgent(Config):
    """The block `qemu_guest_agent`."""

    enabled: bool = option(True, help="Whether the guest has QEMU's agent.")
    type: AgentType | None = option(None, help="How it is reached.", default_text="virtio")
    disable_freeze: bool = option(False, help="Do not freeze the guest's file systems for backups.")
    fstrim: bool = option(False, help="Trim the guest's disks after they were moved.")


@dataclass(frozen=True, kw_only=True)
class IpConfig(Config):
    """The block `ipconfig`, one for each network card in order."""

    ip: str = option("", help="The address with its prefix, or `dhcp`.")
    gateway: str = option("", help="The gateway.")
    ip6: str = option("", help="The IPv6 address with its prefix, `dhcp` or `auto`.")
    gateway6: str = option("", help="The IPv6 gateway.")


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
