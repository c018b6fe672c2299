"""The options of `virtualbox-iso`, `virtualbox-ovf` and `virtualbox-vm`, as Packer's plugin names them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from vmforge.builders.installing.options import InstallOptions, OutputOptions, check_install
from vmforge.builders.iso import IsoOptions
from vmforge.builders.ports import check_ports
from vmforge.sdk import Config, Problem, Size, option
from vmforge.sdk.late import check_late

# What `{{ }}` may use in commands of `vboxmanage`, and in the place of the guest additions.
COMMAND_FIELDS = ("Name", "HTTPIP", "HTTPPort")
ADDITIONS_FIELDS = ("Version",)
_NAT_PORTS = (2222, 4444)
_VRDP_PORTS = (5900, 6000)


class AnyCase(StrEnum):
    """Words that templates write in any case."""

    @classmethod
    def _missing_(cls, value: object) -> AnyCase | None:
        return next((member for member in cls if member.value.lower() == str(value).lower()), None)


class ExportFormat(AnyCase):
    OVF = "ovf"
    OVA = "ova"


class AdditionsMode(AnyCase):
    """How the guest additions get to the guest."""

    UPLOAD = "upload"
    ATTACH = "attach"
    DISABLE = "disable"


class Bus(AnyCase):
    """What disks and discs are attached to; each value is Packer's word."""

    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"
    PCIE = "pcie"
    VIRTIO = "virtio"


class DiscBus(AnyCase):
    IDE = "ide"
    SATA = "sata"
    VIRTIO = "virtio"


class Chipset(AnyCase):
    PIIX3 = "piix3"
    ICH9 = "ich9"
    ARM = "armv8virtual"


class Firmware(AnyCase):
    BIOS = "bios"
    EFI = "efi"
    EFI32 = "efi32"
    EFI64 = "efi64"


class ClockBase(AnyCase):
    UTC = "UTC"
    LOCAL = "local"


class NicType(AnyCase):
    PRO_1000_MT_DESKTOP = "82540EM"
    PRO_1000_T_SERVER = "82543GC"
    PRO_1000_MT_SERVER = "82545EM"
    PCNET_PCI_II = "Am79C970A"
    PCNET_FAST_III = "Am79C973"
    PCNET_ISA = "Am79C960"
    VIRTIO = "virtio"
    USBNET = "usbnet"


class AudioController(AnyCase):
    AC97 = "ac97"
    HDA = "hda"
    SB16 = "sb16"
    NONE = "none"


class UsbController(AnyCase):
    OHCI = "ohci"
    EHCI = "ehci"
    XHCI = "xhci"
    NONE = "none"


class Mouse(AnyCase):
    PS2 = "ps2"
    USB = "usb"
    TABLET = "usbtablet"
    MULTITOUCH = "usbmultitouch"


class KeyboardDevice(AnyCase):
    PS2 = "ps2"
    USB = "usb"


class Graphics(AnyCase):
    VBOXVGA = "vboxvga"
    VBOXSVGA = "vboxsvga"
    VMSVGA = "vmsvga"
    RAMFB = "qemuramfb"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class AdditionsOptions(Config):
    """Options of VirtualBox's guest additions."""

    guest_additions_mode: AdditionsMode = option(
        AdditionsMode.UPLOAD,
        help="`upload` puts the disc of the guest additions into the guest as a file, `attach` into a drive, "
        "`disable` nowhere.",
    )
    guest_additions_interface: DiscBus | None = option(
        None, help="What the disc is attached to.", default_text="that of the ISO"
    )
    guest_additions_path: str = option(
        "VBoxGuestAdditions.iso",
        late=True,
        help="Where it is uploaded to; `{{ .Version }}` is VirtualBox's.",
    )
    guest_additions_sha256: str = option(
        "", help="The disc's checksum.", default_text="that of VirtualBox's list"
    )
    guest_additions_url: str = option(
        "",
        late=True,
        help="Where the disc is; `{{ .Version }}` is VirtualBox's.",
        default_text="the one on this machine, else VirtualBox's server",
    )
    virtualbox_version_file: str = option(
        ".vbox_version", help="The file in the guest that VirtualBox's version is written to; empty for none."
    )


@dataclass(frozen=True, kw_only=True)
class VirtualBoxOptions(InstallOptions, OutputOptions, AdditionsOptions):
    """Options that the three builders share."""

    output_filename: str = option(
        "", help="The export's file name, without its extension.", default_text="the machine's name"
    )
    format: ExportFormat = option(ExportFormat.OVF, help="The format of the export.")
    export_opts: tuple[str, ...] = option((), help="More arguments for `VBoxManage export`.")
    skip_export: bool = option(False, help="Export nothing.")
    keep_registered: bool = option(False, help="Leave the machine in VirtualBox.")
    headless: bool = option(False, help="Start the machine without a window.", affects_image=False)
    vrdp_bind_address: str = option(
        "127.0.0.1", help="Where VirtualBox's remote display listens.", affects_image=False
    )
    vrdp_port_min: int = option(_VRDP_PORTS[0], help="The first port to try for it.", affects_image=False)
    vrdp_port_max: int = option(_VRDP_PORTS[1], help="The last one.", affects_image=False)
    host_port_min: int = option(
        _NAT_PORTS[0],
        aliases=("ssh_host_port_min",),
        help="The first port of this machine to forward to the guest's.",
        affects_image=False,
    )
    host_port_max: int = option(
        _NAT_PORTS[1], aliases=("ssh_host_port_max",), help="The last one.", affects_image=False
    )
    skip_nat_mapping: bool = option(
        False,
        aliases=("ssh_skip_nat_mapping",),
        help="Forward no port: connect to the guest's port on this machine, or to `ssh_host`.",
    )
    acpi_shutdown: bool = option(
        False,
        help="Accepted for Packer's sake: without a `shutdown_command` the power button is always tried.",
    )
    vboxmanage: tuple[tuple[str, ...], ...] = option(
        (),
        late=True,
        help="Commands for `VBoxManage` before the machine is started; `{{ .Name }}` is the machine's.",
    )
    vboxmanage_post: tuple[tuple[str, ...], ...] = option(
        (), late=True, help="The same, once the guest is off and before the export."
    )
    bundle_iso: bool = option(
        False, help="Leave the installer's disc in its drive when the machine is exported."
    )


@dataclass(frozen=True, kw_only=True)
class HardwareOptions(Config):
    """Options of a new machine's hardware."""

    guest_os_type: str = option("other", help="The guest's system, as `VBoxManage list ostypes` names it.")
    cpus: int = option(1, help="Virtual processors.")
    memory: int = option(512, help="Memory in MiB.")
    chipset: Chipset = option(Chipset.PIIX3, help="The chipset.")
    firmware: Firmware = option(Firmware.BIOS, help="The firmware.")
    nested_virt: bool = option(False, help="Let the guest run virtual machines of its own.")
    rtc_time_base: ClockBase = option(ClockBase.LOCAL, help="What the machine's clock shows.")
    nic_type: NicType = option(NicType.PRO_1000_MT_DESKTOP, help="The network card's model.")
    sound: str = option(
        "none", help="What this machine plays the guest's sound with, as VirtualBox names it."
    )
    audio_controller: AudioController = option(AudioController.AC97, help="The sound card.")
    usb: bool = option(False, help="Give the guest USB.")
    usb_controller: UsbController = option(UsbController.EHCI, help="With `usb`, which controller.")
    mouse: Mouse = option(Mouse.PS2, help="The mouse.")
    keyboard: KeyboardDevice = option(KeyboardDevice.PS2, help="The keyboard.")
    gfx_controller: Graphics | None = option(
        None, help="The graphics card.", default_text="VirtualBox's choice"
    )
    gfx_vram_size: int = option(0, help="Its memory in MiB.", default_text="VirtualBox's choice")
    gfx_accelerate_3d: bool = option(False, help="Whether it draws in three dimensions.")
    gfx_efi_resolution: str = option("", help="The screen's resolution under EFI, as in `1920x1080`.")
    disk_size: Size = option(
        Size(40000 * 1024**2), unit="m", help="The disk's size; a bare number counts in MiB."
    )
    disk_additional_size: tuple[Size, ...] = option((), unit="m", help="The sizes of further disks.")
    hard_drive_interface: Bus = option(Bus.IDE, help="What the disks are attached to.")
    hard_drive_discard: bool = option(False, help="Whether disks shrink by what the guest discards.")
    hard_drive_nonrotational: bool = option(False, help="Whether disks tell that they do not rotate.")
    sata_port_count: int = option(1, help="The least number of SATA ports.")
    nvme_port_count: int = option(1, help="The least number of NVMe ports.")
    iso_interface: DiscBus = option(DiscBus.IDE, help="What the installer's disc is attached to.")


@dataclass(frozen=True, kw_only=True)
class VirtualBoxIsoConfig(IsoOptions, HardwareOptions, VirtualBoxOptions):
    """All options of `source "virtualbox-iso"` but the communicator's."""

    @property
    def uses_efi(self) -> bool:
        return self.firmware is not Firmware.BIOS

    def disc_buses(self, *, cd: bool) -> tuple[str, ...]:
        """What the discs are attached to: the installer's, the guest additions', and the CD of the build."""
        buses = [self.iso_interface]
        if self.guest_additions_mode is AdditionsMode.ATTACH:
            buses.append(self.guest_additions_interface or self.iso_interface)
        return tuple(bus.value for bus in (*buses, *([self.iso_interface] if cd else [])))


@dataclass(frozen=True, kw_only=True)
class VirtualBoxOvfConfig(VirtualBoxOptions):
    """All options of `source "virtualbox-ovf"` but the communicator's."""

    source_path: str = option(help="The appliance to import: a path or URL of an OVF or OVA file.")
    checksum: str = option("", help="What it must be, as `iso_checksum` has it.", default_text="none")
    checksum_type: str = option("", help="An old way to say the kind of `checksum`.")
    target_path: str = option(
        "", help="Where a downloaded appliance is put, in place of the cache.", affects_image=False
    )
    import_opts: str = option("", help="Options of the import (`keepallmacs`, `keepnatmacs`).")
    import_flags: tuple[str, ...] = option((), help="More arguments for `VBoxManage import`.")


@dataclass(frozen=True, kw_only=True)
class VirtualBoxVmConfig(VirtualBoxOptions):
    """All options of `source "virtualbox-vm"` but the communicator's."""

    vm_name: str = option(help="The machine in VirtualBox that is provisioned.")
    attach_snapshot: str = option(
        "",
        help="The snapshot to begin from; one below another is written `parent/child`.",
        default_text="the current state",
    )
    target_snapshot: str = option("", help="The snapshot to make of the result.", default_text="none")
    force_delete_snapshot: bool = option(False, help="Replace a snapshot that `target_snapshot` names.")
    keep_registered: bool = option(
        False, help="Leave the machine as the build made it, in place of putting it back to what it was."
    )


def check_options(config: VirtualBoxOptions) -> Iterable[Problem]:
    """What is wrong with the options that the three builders share."""
    return chain(
        check_install(config),
        check_ports("host_port", range(config.host_port_min, config.host_port_max + 1)),
        check_ports("vrdp_port", range(config.vrdp_port_min, config.vrdp_port_max + 1)),
        _check_commands(config),
        _check_additions(config),
    )


def check_hardware(config: VirtualBoxIsoConfig) -> Iterable[Problem]:
    """What is wrong with a new machine's hardware."""
    from vmforge.builders.virtualbox.storage import plan

    for name in ("cpus", "memory"):
        if getattr(config, name) < 1:
            yield Problem(
                f"`{name}` is {getattr(config, name)}", name, hint="leave it out, or write a larger number"
            )
    if any(size.bytes == 0 for size in (config.disk_size, *config.disk_additional_size)):
        yield Problem("a disk's size is 0", "disk_size", hint='write a size, as in `"40G"`')
    if config.hard_drive_interface is Bus.PCIE and not config.uses_efi:
        hint = 'set `firmware = "efi"`'
        yield Problem("only EFI boots from `pcie`", "hard_drive_interface", hint=hint, warning=True)
    try:
        plan(config, config.disc_buses(cd=config.wants_cd))
    except ValueError as error:
        yield Problem(str(error), "disk_additional_size", hint='set `hard_drive_interface = "sata"`')
    needs_usb = config.mouse is not Mouse.PS2 or config.keyboard is not KeyboardDevice.PS2
    if needs_usb and not config.usb:
        name = "mouse" if config.mouse is not Mouse.PS2 else "keyboard"
        yield Problem(f"`{name}` is on USB, which the guest does not have", name, hint="set `usb = true`")


def _check_commands(config: VirtualBoxOptions) -> Iterable[Problem]:
    for name in ("vboxmanage", "vboxmanage_post"):
        for command in getattr(config, name):
            if not command:
                hint = 'write `["modifyvm", "{{ .Name }}", "--audio", "none"]`'
                yield Problem(f"`{name}` holds an empty command", name, hint=hint)
            for part in command:
                yield from check_late(part, COMMAND_FIELDS, name)


def _check_additions(config: VirtualBoxOptions) -> Iterable[Problem]:
    for name in ("guest_additions_path", "guest_additions_url"):
        yield from check_late(getattr(config, name), ADDITIONS_FIELDS, name)
    if config.guest_additions_sha256 and len(config.guest_additions_sha256) != 64:
        yield Problem("`guest_additions_sha256` is no SHA-256 in hex", "guest_additions_sha256")
