"""The options of `vmware-iso` and `vmware-vmx`, as Packer's plugin names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path

from vmforge.builders.boot import check_unseen
from vmforge.builders.installing.options import InstallOptions, OutputOptions, check_install
from vmforge.builders.iso import IsoOptions
from vmforge.builders.ports import check_ports
from vmforge.sdk import Config, Problem, Secret, Size, option
from vmforge.sdk.late import check_late

_VNC_PORTS = (5900, 6000)
_ESXI = "Accepted for Packer's sake; for machines on ESXi there is the builder `vsphere-iso`."
# What templates of VMX files may use.
TEMPLATE_FIELDS = (
    "Name",
    "GuestOS",
    "Version",
    "ISOPath",
    "Firmware",
    "SecureBoot",
    "CpuCount",
    "MemorySize",
    "HardwareAssistedVirtualization",
    "DiskName",
    "DiskNumber",
    "DiskUnit",
    "DiskType",
    "SCSI_Present",
    "SCSI_diskAdapterType",
    "SATA_Present",
    "NVME_Present",
    "CDROMType",
    "CDROMType_PrimarySecondary",
    "Network_Type",
    "Network_Device",
    "Network_Adapter",
    "Network_Name",
    "Sound_Present",
    "Usb_Present",
    "Usb_Version",
)


class ExportFormat(StrEnum):
    VMX = "vmx"
    OVF = "ovf"
    OVA = "ova"


class Firmware(StrEnum):
    BIOS = "bios"
    EFI = "efi"
    EFI_SECURE = "efi-secure"


class DiskAdapter(StrEnum):
    IDE = "ide"
    SATA = "sata"
    NVME = "nvme"
    SCSI = "scsi"
    LSILOGIC = "lsilogic"
    BUSLOGIC = "buslogic"
    PVSCSI = "pvscsi"
    LSISAS = "lsisas1068"

    @property
    def bus(self) -> str:
        """Its bus as VMX files name it."""
        return self.value if self in (DiskAdapter.IDE, DiskAdapter.SATA, DiskAdapter.NVME) else "scsi"


class DiscAdapter(StrEnum):
    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"


class ToolsFlavor(StrEnum):
    DARWIN = "darwin"
    LINUX = "linux"
    WINDOWS = "windows"
    SOLARIS = "solaris"
    FREEBSD = "freebsd"
    NETWARE = "netware"


@dataclass(frozen=True, kw_only=True)
class RemoteOptions(Config):
    """Options of Packer's builds on an ESXi host, which went to another plugin."""

    remote_type: str = option("", help=_ESXI)
    remote_host: str = option("", help=_ESXI)
    remote_port: int = option(22, help=_ESXI)
    remote_username: str = option("", help=_ESXI)
    remote_password: Secret = option(Secret(""), help=_ESXI)
    remote_private_key_file: str = option("", help=_ESXI)
    remote_datastore: str = option("", help=_ESXI)
    remote_cache_datastore: str = option("", help=_ESXI)
    remote_cache_directory: str = option("", help=_ESXI)
    remote_output_directory: str = option("", help=_ESXI)
    cleanup_remote_cache: bool = option(False, help=_ESXI)
    skip_validate_credentials: bool = option(False, help=_ESXI)
    keep_registered: bool = option(False, help=_ESXI)
    network_name: str = option("", help=_ESXI)
    vnc_over_websocket: bool = option(False, help=_ESXI)
    insecure_connection: bool = option(False, help=_ESXI)


@dataclass(frozen=True, kw_only=True)
class VMwareOptions(InstallOptions, OutputOptions, RemoteOptions):
    """Options that both builders share."""

    fusion_app_path: str = option(
        "",
        help="Where VMware Fusion is installed.",
        default_text="/Applications/VMware Fusion.app",
        affects_image=False,
    )
    headless: bool = option(False, help="Start the machine without a window.", affects_image=False)
    disable_vnc: bool = option(False, help="Give the machine no VNC; no boot command can be typed then.")
    vnc_bind_address: str = option("127.0.0.1", help="Where VNC listens.", affects_image=False)
    vnc_port_min: int = option(_VNC_PORTS[0], help="The first port to try for VNC.", affects_image=False)
    vnc_port_max: int = option(_VNC_PORTS[1], help="The last one.", affects_image=False)
    vnc_disable_password: bool = option(False, help="Protect VNC by no password.", affects_image=False)
    display_name: str = option(
        "", help="The machine's name in VMware's windows.", default_text="the machine's name"
    )
    vmx_data: Mapping[str, str] = option({}, help="Entries of the VMX file before the machine starts.")
    vmx_data_post: Mapping[str, str] = option({}, help="Entries of the VMX file once the guest is off.")
    vmx_remove_ethernet_interfaces: bool = option(
        False, help="Take all network cards out in the end, as boxes for Vagrant want it."
    )
    cdrom_adapter_type: DiscAdapter | None = option(
        None, help="What discs are attached to.", default_text="`sata` beside disks on it, else `ide`"
    )
    tools_upload_flavor: ToolsFlavor | None = option(
        None, help="Upload the disc of VMware's tools for this kind of guest.", default_text="none"
    )
    tools_upload_path: str = option(
        "{{ .Flavor }}.iso", late=True, help="Where that disc is uploaded to; knows `{{ .Flavor }}`."
    )
    tools_source_path: Path | None = option(
        None, help="The disc of VMware's tools.", default_text="the one that VMware has"
    )
    format: ExportFormat = option(
        ExportFormat.VMX, help="`ovf` and `ova` are exported beside the machine's own files, by `ovftool`."
    )
    ovftool_options: tuple[str, ...] = option((), help="More arguments for `ovftool`.")
    skip_export: bool = option(False, help="Export nothing, whatever `format` says.")
    skip_compaction: bool = option(False, help="Leave the disks as the guest left them.")
    snapshot_name: str = option("", help="The snapshot to make of the result.", default_text="none")

    @property
    def local_format(self) -> ExportFormat:
        return ExportFormat.VMX if self.skip_export else self.format


@dataclass(frozen=True, kw_only=True)
class HardwareOptions(Config):
    """Options of a new machine's hardware."""

    guest_os_type: str = option("other", help="The guest's system, as VMX files name it (`debian12-64`).")
    version: str = option("19", help="The version of the machine's virtual hardware.")
    firmware: Firmware = option(Firmware.BIOS, help="The firmware.")
    cpus: int = option(1, help="Virtual processors.")
    cores: int = option(0, help="Cores in a socket.", default_text="VMware's choice")
    memory: int = option(512, help="Memory in MiB.")
    vhv_enabled: bool = option(False, help="Let the guest run virtual machines of its own.")
    network: str = option("nat", help="`nat`, `hostonly`, `bridged`, or one of VMware's networks (`VMnet2`).")
    network_adapter_type: str = option("e1000", help="The network card's model.")
    sound: bool = option(False, help="Give the guest a sound card.")
    usb: bool = option(False, help="Give the guest USB.")
    usb_version: str = option("3.1", help="With `usb`, the version: `2.0`, `3.1` or `3.2`.")
    serial: str = option(
        "", help="A serial port: `FILE:path`, `DEVICE:path`, `PIPE:path,server,app`, `AUTO:` or `NONE`."
    )
    parallel: str = option("", help="A parallel port: `FILE:path`, `DEVICE:path`, `AUTO:bi` or `NONE`.")
    disk_size: Size = option(
        Size(40000 * 1024**2), unit="m", help="The disk's size; a bare number counts in MiB."
    )
    disk_additional_size: tuple[Size, ...] = option((), unit="m", help="The sizes of further disks.")
    disk_adapter_type: DiskAdapter = option(DiskAdapter.LSILOGIC, help="What the disks are attached to.")
    disk_type_id: str = option("1", help="The kind of disk, as `vmware-vdiskmanager` counts them.")
    vmdk_name: str = option("disk", help="The disks' file name, without its extension.")
    vmx_template_path: Path | None = option(
        None, help="A template of the VMX file, in place of vmforge's own."
    )
    vmx_disk_template_path: Path | None = option(None, help="A template of a further disk's entries.")


@dataclass(frozen=True, kw_only=True)
class VMwareIsoConfig(IsoOptions, HardwareOptions, VMwareOptions):
    """All options of `source "vmware-iso"` but the communicator's."""

    @property
    def uses_efi(self) -> bool:
        return self.firmware is not Firmware.BIOS

    @property
    def disc_adapter(self) -> DiscAdapter:
        beside_sata = self.disk_adapter_type is DiskAdapter.SATA
        return self.cdrom_adapter_type or (DiscAdapter.SATA if beside_sata else DiscAdapter.IDE)


@dataclass(frozen=True, kw_only=True)
class VMwareVmxConfig(VMwareOptions):
    """All options of `source "vmware-vmx"` but the communicator's."""

    source_path: Path = option(help="The machine to clone: a VMX, OVF or OVA file.")
    linked: bool = option(False, help="Make a clone that goes on using the source's disks.")
    attach_snapshot: str = option(
        "", help="The source's snapshot to clone.", default_text="the current state"
    )


def check_options(config: VMwareOptions) -> Iterable[Problem]:
    """What is wrong with the options that both builders share."""
    return chain(
        check_install(config),
        check_ports("vnc_port", range(config.vnc_port_min, config.vnc_port_max + 1)),
        _check_remote(config),
        _check_console(config),
        _check_export(config),
        check_late(config.tools_upload_path, ("Flavor",), "tools_upload_path"),
    )


def check_hardware(config: VMwareIsoConfig) -> Iterable[Problem]:
    """What is wrong with a new machine's hardware."""
    from vmforge.builders.vmware.ports import parallel_port, serial_port

    for name in ("cpus", "memory"):
        if getattr(config, name) < 1:
            yield Problem(
                f"`{name}` is {getattr(config, name)}", name, hint="leave it out, or write a larger number"
            )
    if any(size.bytes == 0 for size in (config.disk_size, *config.disk_additional_size)):
        yield Problem("a disk's size is 0", "disk_size", hint='write a size, as in `"40G"`')
    if config.disk_adapter_type is DiskAdapter.IDE and len(config.disk_additional_size) > 1:
        yield Problem("there is room for 2 disks on IDE", "disk_additional_size", hint="use `sata`")
    for name, read in (("serial", serial_port), ("parallel", parallel_port)):
        try:
            read(getattr(config, name))
        except ValueError as error:
            yield Problem(f"option `{name}`: {error}", name)
    for name in ("vmx_template_path", "vmx_disk_template_path"):
        path = getattr(config, name)
        if path is not None and not path.is_file():
            yield Problem(f"`{name}`: there is no file `{path}`", name)


def _check_remote(config: VMwareOptions) -> Iterable[Problem]:
    if config.remote_type:
        hint = "use the builder `vsphere-iso`, which also builds on an ESXi host without vCenter"
        summary = f'vmforge does not build on ESXi over SSH (`remote_type = "{config.remote_type}"`)'
        yield Problem(summary, "remote_type", hint=hint, warning=True)


def _check_console(config: VMwareOptions) -> Iterable[Problem]:
    if config.disable_vnc and config.steps:
        name = "boot_steps" if config.boot_steps else "boot_command"
        hint = "leave `disable_vnc` out"
        yield Problem(
            f"`{name}` is typed over VNC, which `disable_vnc` leaves out", name, hint=hint, warning=True
        )
        yield from check_unseen(config)


def _check_export(config: VMwareOptions) -> Iterable[Problem]:
    if config.ovftool_options and config.local_format is ExportFormat.VMX:
        hint = 'set `format = "ova"`'
        yield Problem("`ovftool_options` without an export", "ovftool_options", hint=hint, warning=True)
