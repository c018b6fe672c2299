"""The blocks of `source "proxmox-iso"` and `source "proxmox-clone"`: parts of the machine, their words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vmforge.builders.iso import IsoOptions
from vmforge.builders.removable_media import CdOptions
from vmforge.sdk import Config, Size, option


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
