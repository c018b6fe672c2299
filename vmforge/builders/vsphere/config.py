"""The options of `source "vsphere-iso"` and `source "vsphere-clone"`, as Packer's plugin names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from vmforge.builders.installing.options import InstallOptions, OutputOptions
from vmforge.builders.iso import IsoOptions
from vmforge.builders.vsphere.customization_options import Customize
from vmforge.sdk import Config, Duration, Secret, Size, option


class Firmware(StrEnum):
    BIOS = "bios"
    EFI = "efi"
    EFI_SECURE = "efi-secure"


class CdromType(StrEnum):
    IDE = "ide"
    SATA = "sata"


class DiskController(StrEnum):
    LSILOGIC = "lsilogic"
    LSILOGIC_SAS = "lsilogic-sas"
    PVSCSI = "pvscsi"
    NVME = "nvme"
    SCSI = "scsi"
    SATA = "sata"


class UsbController(StrEnum):
    USB = "usb"
    XHCI = "xhci"

    @classmethod
    def _missing_(cls, value: object) -> UsbController | None:
        """Older templates have a switch here."""
        return {"true": cls.USB}.get(str(value))


class Manifest(StrEnum):
    NONE = "none"
    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


@dataclass(frozen=True, kw_only=True)
class AccessOptions(Config):
    """Options of the connection."""

    vcenter_server: str = option(
        help="The vCenter server, or an ESXi host: a name or address.", affects_image=False
    )
    username: str = option(help="The user (`administrator@vsphere.local`).", affects_image=False)
    password: Secret = option(help="The user's password.", affects_image=False)
    insecure_connection: bool = option(
        False, help="Believe any certificate of the server.", affects_image=False
    )
    datacenter: str = option("", help="The datacenter.", default_text="the only one", affects_image=False)


@dataclass(frozen=True, kw_only=True)
class LocationOptions(Config):
    """Options of the machine's place."""

    folder: str = option("", help="The machine's folder, made if need be.", affects_image=False)
    cluster: str = option("", help="The cluster that it runs on.", affects_image=False)
    host: str = option("", help="The host that it runs on.", affects_image=False)
    resource_pool: str = option("", help="The resource pool, with its path.", affects_image=False)
    datastore: str = option(
        "",
        help="The datastore of its files.",
        default_text="the only one of host or cluster",
        affects_image=False,
    )
    datastore_cluster: str = option(
        "",
        help="A datastore cluster; that of its datastores is taken which has most room.",
        affects_image=False,
    )
    set_host_for_datastore_uploads: bool = option(
        False, help="Upload to the host itself, not through vCenter.", affects_image=False
    )


@dataclass(frozen=True, kw_only=True)
class PassthroughDevice(Config):
    """The block `pci_passthrough_allowed_device`."""

    vendor_id: str = option("", help="The device's vendor id.")
    device_id: str = option("", help="The device's id.")
    sub_vendor_id: str = option("", help="Its subsystem's vendor id.")
    sub_device_id: str = option("", help="Its subsystem's device id.")


@dataclass(frozen=True, kw_only=True)
class HardwareOptions(Config):
    """Options of the hardware. What is left out is vSphere's default, and in a clone as in its origin.
    Packer's JSON templates may have their names in lower case."""

    CPUs: int | None = option(None, help="Processors.", default_text="1", aliases=("cpus",))
    cpu_cores: int | None = option(None, help="Cores in a socket.")
    CPU_reservation: int | None = option(
        None, help="Reserved processing power in MHz.", aliases=("cpu_reservation",)
    )
    CPU_limit: int | None = option(
        None, help="The most processing power in MHz; -1 for no limit.", aliases=("cpu_limit",)
    )
    CPU_hot_plug: bool | None = option(
        None, help="Whether processors can be added while it runs.", aliases=("cpu_hot_plug",)
    )
    RAM: int | None = option(None, help="Memory in MiB.", aliases=("ram",))
    RAM_reservation: int | None = option(None, help="Reserved memory in MiB.", aliases=("ram_reservation",))
    RAM_reserve_all: bool = option(False, help="Reserve all of its memory.", aliases=("ram_reserve_all",))
    RAM_hot_plug: bool | None = option(
        None, help="Whether memory can be added while it runs.", aliases=("ram_hot_plug",)
    )
    video_ram: int | None = option(None, help="The graphics card's memory in KiB.")
    displays: int | None = option(None, help="How many displays it has.")
    pci_passthrough_allowed_device: tuple[PassthroughDevice, ...] = option(
        (), help="Devices of the host, any one of which it gets."
    )
    vgpu_profile: str = option("", help="The profile of a virtual NVIDIA GPU.")
    NestedHV: bool | None = option(
        None, help="Whether it can itself run virtual machines.", aliases=("nestedhv",)
    )
    firmware: Firmware | None = option(None, help="The firmware.", default_text="bios")
    force_bios_setup: bool = option(False, help="Enter the firmware's setup at the next start.")
    vTPM: bool = option(
        False, help="Give it a TPM; needs `efi` firmware and a key provider.", aliases=("vtpm",)
    )
    precision_clock: str = option("", help="A precision clock: `ptp`, `ntp` or `none`.")
    vbs_enabled: bool = option(False, help="Windows' virtualization based security.")
    vvtd_enabled: bool = option(False, help="An I/O MMU.")
    configuration_parameters: Mapping[str, str] = option(
        {}, help="Further settings of its configuration (VMX)."
    )
    tools_sync_time: bool = option(False, help="Have VMware Tools set its clock from the host's.")
    tools_upgrade_policy: bool = option(False, help="Upgrade VMware Tools at each power cycle.")


@dataclass(frozen=True, kw_only=True)
class Storage(Config):
    """The block `storage`."""

    disk_size: Size = option(unit="m", help="The disk's size; a bare number counts in MiB.")
    disk_thin_provisioned: bool = option(False, help="Allocate blocks when they are written.")
    disk_eagerly_scrub: bool = option(False, help="Write zeros when the disk is made.")
    disk_controller_index: int = option(0, help="Which of the controllers it is on, from 0.")


@dataclass(frozen=True, kw_only=True)
class StorageOptions(Config):
    """Options of the disks."""

    disk_controller_type: tuple[DiskController, ...] = option(
        (), help="The disk controllers, in order.", default_text="lsilogic"
    )
    storage: tuple[Storage, ...] = option(
        (), help="The disks; of a clone, those that it gets beside its own."
    )


@dataclass(frozen=True, kw_only=True)
class NetworkAdapter(Config):
    """The block `network_adapters`."""

    network: str = option("", help="The network: a name or a path.", default_text="the first of the host")
    network_card: str = option("e1000", help="The card's model (`vmxnet3`, `e1000`, `e1000e`, `sriov`, ...).")
    mac_address: str = option("", help="The hardware address.", default_text="a new one")
    passthrough: bool = option(False, help="Whether the card is passed through (DirectPath I/O).")


@dataclass(frozen=True, kw_only=True)
class MediaOptions(Config):
    """Options of CDs and floppies."""

    cdrom_type: CdromType = option(CdromType.IDE, help="The CD drives' controller.")
    iso_paths: tuple[str, ...] = option(
        (),
        help="ISOs on a datastore (`[datastore1] iso/debian.iso`), or in a content library "
        "(`LIBRARY/ITEM/FILE`).",
    )
    floppy_img_path: str = option("", help="A floppy image on a datastore.")
    remove_cdrom: bool = option(False, help="Take the CD drives out of the finished machine.")
    reattach_cdroms: int = option(0, help="Leave so many CD drives in it, with nothing in them; 1 to 4.")
    remove_network_adapter: bool = option(False, help="Take the network cards out of the finished machine.")


@dataclass(frozen=True, kw_only=True)
class WaitOptions(Config):
    """Options of the wait for the guest's address."""

    ip_wait_timeout: Duration = option(
        Duration(1800), help="How long VMware Tools may take to tell an address.", affects_image=False
    )
    ip_settle_timeout: Duration = option(
        Duration(5), help="For how long the address must stay the same.", affects_image=False
    )
    ip_wait_address: str = option(
        "0.0.0.0/0",
        help="Wait for an address in this network; `::/0` for any of IPv6, empty for any at all.",
        affects_image=False,
    )


@dataclass(frozen=True, kw_only=True)
class Export(OutputOptions):
    """The block `export`."""

    name: str = option("", help="The name of the OVF.", default_text="`vm_name`")
    force: bool = option(False, help="Replace what is in the output directory.")
    images: bool = option(False, help="An old name of `image_files`.")
    image_files: bool = option(False, help="Export further files too (`nvram`).")
    manifest: Manifest = option(Manifest.SHA256, help="The digests in the manifest.")
    options: tuple[str, ...] = option(
        (), help="Options of the export (`mac`, `uuid`, `extraconfig`, `nodevicesubtypes`)."
    )
    directory_permission: str = option("0750", help="The output directory's permissions.")


@dataclass(frozen=True, kw_only=True)
class LibraryDestination(Config):
    """The block `content_library_destination`."""

    library: str = option("", help="The content library.")
    name: str = option(
        "", help="The item's name.", default_text="`vm_name`; with the time, for a VM template"
    )
    description: str = option("", help="The item's description.")
    cluster: str = option("", help="The cluster of a VM template.", default_text="`cluster`")
    folder: str = option("", help="The folder of a VM template.")
    host: str = option("", help="The host of a VM template.", default_text="`host`")
    resource_pool: str = option(
        "", help="The resource pool of a VM template.", default_text="`resource_pool`"
    )
    datastore: str = option("", help="The datastore of a VM template.", default_text="the library's")
    destroy: bool = option(False, help="Delete the machine once it is in the library.")
    ovf: bool = option(
        False, help="Make an OVF template, or a new version of one, in place of a VM template."
    )
    ovf_flags: tuple[str, ...] = option((), help="Flags of the OVF (`PRESERVE_MAC`, `EXTRA_CONFIG`).")
    skip_import: bool = option(False, help="Do not import it after all.")


@dataclass(frozen=True, kw_only=True)
class ResultOptions(Config):
    """Options of what the build leaves."""

    notes: str = option("", help="The machine's notes.")
    create_snapshot: bool = option(False, help="Make a snapshot, for linked clones.")
    snapshot_name: str = option("Created By Packer", help="The snapshot's name.")
    convert_to_template: bool = option(False, help="Make it a template.")
    export: Export | None = option(None, help="Export it as OVF.")
    content_library_destination: LibraryDestination | None = option(
        None, help="Put it into a content library."
    )
    destroy: bool = option(False, help="Delete the machine at the end: what was exported of it is left.")


@dataclass(frozen=True, kw_only=True)
class CacheOptions(Config):
    """Options of uploads to the datastore."""

    local_cache_overwrite: bool = option(False, help="Fetch the ISO again.", affects_image=False)
    remote_cache_cleanup: bool = option(
        False, help="Delete the uploaded ISO at the end.", affects_image=False
    )
    remote_cache_overwrite: bool = option(
        False, help="Upload the ISO although it is there.", affects_image=False
    )
    remote_cache_datastore: str = option(
        "", help="The datastore of uploads.", default_text="`datastore`", affects_image=False
    )
    remote_cache_path: str = option("packer_cache", help="The folder of uploads.", affects_image=False)


@dataclass(frozen=True, kw_only=True)
class VsphereOptions(
    CacheOptions,
    AccessOptions,
    LocationOptions,
    HardwareOptions,
    StorageOptions,
    MediaOptions,
    WaitOptions,
    ResultOptions,
    InstallOptions,
):
    """What both builders know."""

    boot_order: str = option(
        "",
        help="The boot order, of `disk`, `cdrom`, `ethernet` and `floppy`.",
        default_text="disk,cdrom for an ISO",
    )
    http_ip: str = option("", help="This machine's address as the guest sees it.", affects_image=False)
    network_adapters: tuple[NetworkAdapter, ...] = option(
        (), help="The network cards; those of a clone are changed, and added to, in order."
    )

    @property
    def uses_efi(self) -> bool:
        return self.firmware in (Firmware.EFI, Firmware.EFI_SECURE)


@dataclass(frozen=True, kw_only=True)
class VsphereIsoConfig(VsphereOptions, IsoOptions):
    """All options of `source "vsphere-iso"` but the communicator's."""

    vm_version: int | None = option(None, help="The hardware's version.", default_text="the newest")
    guest_os_type: str = option("otherGuest", help="The kind of guest, as vSphere names it.")
    usb_controller: tuple[UsbController, ...] = option(
        (), help="USB controllers: `usb` (2.0), `xhci` (3.0).", default_text="usb, for the boot command"
    )


@dataclass(frozen=True, kw_only=True)
class Vapp(Config):
    """The block `vapp`."""

    properties: Mapping[str, str] = option({}, help="Values for properties that the origin has.")
    deployment_option: str = option("", help="The configuration of an OVF to be deployed.")


@dataclass(frozen=True, kw_only=True)
class RemoteSource(Config):
    """The block `remote_source`."""

    url: str = option(help="Where an OVA is.")
    username: str = option("", help="The user there.")
    password: Secret | None = option(None, help="The user's password.")
    skip_tls_verify: bool = option(False, help="Believe any certificate there.")


@dataclass(frozen=True, kw_only=True)
class VsphereCloneConfig(VsphereOptions):
    """All options of `source "vsphere-clone"` but the communicator's."""

    template: str = option("", help="The machine or template to clone: a name or a path.")
    remote_source: RemoteSource | None = option(None, help="An OVA to deploy, in place of `template`.")
    disk_size: Size | None = option(
        None, unit="m", help="A larger size for its first disk; a bare number counts in MiB."
    )
    linked_clone: bool = option(False, help="Clone from the current snapshot, over its disks.")
    network: str = option("", help="The network of its first card.", default_text="the origin's")
    mac_address: str = option("", help="The hardware address of its first card.")
    vapp: Vapp | None = option(None, help="Values for the properties of its vApp.")
    customize: Customize | None = option(None, help="Customise the guest: names, addresses, domain.")
