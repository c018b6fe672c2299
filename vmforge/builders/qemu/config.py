"""The options of `source "qemu"`, as Packer's plugin names them, and vmforge's own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.builders.answer_files import AnswerFileOptions
from vmforge.builders.boot import BootOptions
from vmforge.builders.boot_config import BootConfigOptions
from vmforge.builders.cloud_init import CloudInitOptions
from vmforge.builders.iso import IsoOptions
from vmforge.builders.kernel_boot import KernelBootOptions
from vmforge.builders.removable_media import RemovableMediaOptions
from vmforge.builders.shutdown import ShutdownOptions
from vmforge.sdk import Config, LayerPolicy, Secret, Size, option


class Accelerator(StrEnum):
    NONE = "none"
    KVM = "kvm"
    TCG = "tcg"
    XEN = "xen"
    HAX = "hax"
    HVF = "hvf"
    WHPX = "whpx"


class DiskInterface(StrEnum):
    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"
    SD = "sd"
    VIRTIO = "virtio"
    VIRTIO_SCSI = "virtio-scsi"


class CdromInterface(StrEnum):
    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"
    VIRTIO = "virtio"
    VIRTIO_SCSI = "virtio-scsi"


class DiskFormat(StrEnum):
    QCOW2 = "qcow2"
    RAW = "raw"


class DiskCache(StrEnum):
    WRITETHROUGH = "writethrough"
    WRITEBACK = "writeback"
    NONE = "none"
    UNSAFE = "unsafe"
    DIRECTSYNC = "directsync"


class Discard(StrEnum):
    IGNORE = "ignore"
    UNMAP = "unmap"


class DetectZeroes(StrEnum):
    OFF = "off"
    ON = "on"
    UNMAP = "unmap"


class Minimise(StrEnum):
    """How blocks that the guest does not use any more leave the image (minimising.py)."""

    OFF = "off"
    DISCARD = "discard"
    SPARSIFY = "sparsify"
    ZERO = "zero"

    @classmethod
    def _missing_(cls, value: object) -> Minimise | None:
        """Also a switch: `true` is the way that needs nothing of this host, and little of the guest."""
        return {"true": cls.DISCARD, "false": cls.OFF}.get(str(value))


@dataclass(frozen=True, kw_only=True)
class QemuImgArguments(Config):
    """The block `qemu_img_args`."""

    create: tuple[str, ...] = option((), help="More arguments for `qemu-img create`.")
    convert: tuple[str, ...] = option(
        (),
        help="More arguments for `qemu-img convert`, which copies the image of `disk_image` and compacts the "
        "finished disk.",
    )
    resize: tuple[str, ...] = option(
        (), help="More arguments for `qemu-img resize`, which makes the image of `disk_image` larger."
    )


@dataclass(frozen=True, kw_only=True)
class DiskOptions(Config):
    """Options of the disks."""

    disk_size: Size = option(
        Size(40 * 1024**3), unit="m", help="The disk's size; a bare number counts in MiB."
    )
    disk_additional_size: tuple[Size, ...] = option((), unit="m", help="The sizes of further disks.")
    disk_interface: DiskInterface = option(DiskInterface.VIRTIO, help="How the guest sees the disks.")
    disk_cache: DiskCache = option(DiskCache.WRITEBACK, help="The disks' cache mode.", affects_image=False)
    disk_discard: Discard = option(Discard.IGNORE, help="Whether blocks that the guest discards are freed.")
    disk_detect_zeroes: DetectZeroes = option(DetectZeroes.OFF, help="Whether zeroes written become holes.")
    format: DiskFormat = option(DiskFormat.QCOW2, help="The format of the image.", affects_image=False)
    disk_compression: bool = option(False, help="Compress the image (qcow2).", affects_image=False)
    skip_compaction: bool = option(
        False,
        help="Leave the disk as the guest left it, in place of copying only what is used.",
        affects_image=False,
    )
    minimise: Minimise = option(
        Minimise.OFF,
        help="Before the disk is flattened, drop the blocks that the guest does not use any more: the guest "
        "discards them (`discard`, or `true`), `virt-sparsify` looks for them once the guest is off "
        "(`sparsify`), or the guest overwrites them with zeros (`zero`).",
    )
    disk_image: bool = option(False, help="`iso_url` is a bootable disk image, to be copied and provisioned.")
    use_backing_file: bool = option(
        False, help="With `disk_image`: a qcow2 overlay on the image, not a copy."
    )
    skip_resize_disk: bool = option(False, help="With `disk_image`: keep the image's size.")
    qemu_img_args: QemuImgArguments = option(QemuImgArguments(), help="More arguments for qemu-img.")


@dataclass(frozen=True, kw_only=True)
class HardwareOptions(Config):
    """Options of the processor, memory, firmware and devices."""

    accelerator: Accelerator | None = option(
        None,
        help="`kvm`, or `tcg` (also `none`): software emulation.",
        default_text="kvm where the machine really has it, else tcg",
        affects_image=False,
    )
    cpus: int | None = option(
        None, help="Virtual processors.", default_text="1, or the product of the topology"
    )
    sockets: int | None = option(None, help="Processor sockets.")
    cores: int | None = option(None, help="Cores in a socket.")
    threads: int | None = option(None, help="Threads in a core.")
    cpu_model: str = option(
        "", help="The processor's model; `host` passes the host's through.", default_text="max"
    )
    memory: int = option(512, help="Memory in MiB.")
    machine_type: str = option("pc", help="The machine's type (`pc`, `q35`, ...).")
    qemu_binary: str = option("qemu-system-x86_64", help="The emulator: a name on the path, or a path.")
    firmware: Path | None = option(None, help="A firmware file to boot with (`-bios`).")
    use_pflash: bool = option(False, help="Put `firmware` into pflash.")
    efi_boot: bool = option(
        False,
        help="Boot with UEFI. The machine's variables are left in the output directory, in `efivars.fd`.",
        default_text="true when one of the two paths below is set, else false",
    )
    efi_firmware_code: Path | None = option(
        None, help="The UEFI firmware's code.", default_text="what goes with the variables, else this host's"
    )
    efi_firmware_vars: Path | None = option(
        None,
        help="The variables that a new machine starts with.",
        default_text="what goes with the code, else this host's",
    )
    efi_drop_efivars: bool = option(
        False,
        help="Leave `efivars.fd` out of the artifact's files; it stays in the output directory.",
        affects_image=False,
    )
    vtpm: bool = option(False, help="Give the guest a TPM (needs swtpm).")
    use_tpm1: bool = option(False, help="TPM version 1.2 in place of 2.0.")
    tpm_device_type: str = option("tpm-tis", help="The TPM's device.")
    net_device: str = option("virtio-net", help="The network card's model.")
    net_bridge: str = option("", help="Attach the guest to this bridge, in place of user networking.")
    cdrom_interface: CdromInterface | None = option(
        None, help="How the guest sees the CDs.", default_text="ide; sata where the machine has no ide"
    )
    vga: str = option("", help="The graphics card.", default_text="std")


@dataclass(frozen=True, kw_only=True)
class ConsoleOptions(Config):
    """Options of the display. vmforge types and looks through a unix socket; a TCP port is opened
    only for a template that names one."""

    headless: bool = option(
        False, help="Do not tell how to watch the display; a window is never opened.", affects_image=False
    )
    display: str = option(
        "", help="Accepted for Packer's sake; no window is opened. Use a VNC viewer.", affects_image=False
    )
    use_default_display: bool = option(
        False, help="Accepted for Packer's sake; no window is opened.", affects_image=False
    )
    vnc_bind_address: str = option(
        "",
        help="Serve VNC on this address, on a TCP port.",
        default_text="a unix socket; 127.0.0.1 when a port is set",
        affects_image=False,
    )
    vnc_port_min: int | None = option(
        None,
        help="The first TCP port for VNC, 5900 or more.",
        default_text="5900 where VNC is on TCP",
        affects_image=False,
    )
    vnc_port_max: int | None = option(
        None, help="The last such port.", default_text="6000", affects_image=False
    )
    vnc_use_password: bool = option(
        False,
        help="Protect VNC by `vnc_password`, or by a generated password, which is shown.",
        affects_image=False,
    )
    vnc_password: Secret | None = option(
        None,
        help="Protect VNC by this password; VNC looks at its first 8 characters.",
        affects_image=False,
    )
    disable_vnc: bool = option(
        False, help="Give the machine no VNC; a boot command is then typed through libvirt, unseen."
    )
    qmp_enable: bool = option(
        False,
        help="Accepted for Packer's sake; libvirt has QEMU's monitor, and there is no QMP socket.",
        affects_image=False,
    )
    qmp_socket_path: str = option(
        "", help="Accepted for Packer's sake; there is no QMP socket.", affects_image=False
    )

    @property
    def vnc_ports(self) -> range | None:
        """The TCP ports to try for VNC; None when it is on a unix socket. Packer's defaults fill a half
        range."""
        if not (self.vnc_bind_address or self.vnc_port_min or self.vnc_port_max):
            return None
        return range(self.vnc_port_min or 5900, (self.vnc_port_max or 6000) + 1)


@dataclass(frozen=True, kw_only=True)
class QemuConfig(
    IsoOptions,
    DiskOptions,
    HardwareOptions,
    AnswerFileOptions,
    RemovableMediaOptions,
    CloudInitOptions,
    BootConfigOptions,
    BootOptions,
    KernelBootOptions,
    ShutdownOptions,
    ConsoleOptions,
):
    """All options of `source "qemu"` but the communicator's."""

    libvirt_uri: str = option(
        "",
        help="The hypervisor, as libvirt names it (`qemu:///system`).",
        default_text="`VMFORGE_LIBVIRT_URI`, else libvirt's QEMU driver inside vmforge: no daemon",
        affects_image=False,
    )
    vm_name: str = option(
        "",
        help="The disk's file name and the guest's `{{ .Name }}`.",
        default_text="packer-BUILDNAME",
        affects_image=False,  # but where a boot command says it
    )
    output_directory: Path | None = option(
        None,
        written=True,
        help="Where the image goes; must not exist.",
        default_text="output-BUILDNAME",
        affects_image=False,
    )
    qemuargs: tuple[tuple[str, ...], ...] = option(
        (),
        late=True,
        help="Arguments for QEMU: a list of [switch, value]. A switch given here replaces all that vmforge "
        "would give with that switch.",
    )
    host_port_min: int | None = option(
        None,
        aliases=("ssh_host_port_min",),
        help="The first port of this machine to forward to the guest's; 2222 when only the last is set. "
        "`{{ .SSHHostPort }}` in `qemuargs` is the one that was found.",
        default_text="any free port",
        affects_image=False,
    )
    host_port_max: int | None = option(
        None,
        aliases=("ssh_host_port_max",),
        help="The last such port; 4444 when only the first is set.",
        affects_image=False,
    )
    skip_nat_mapping: bool = option(
        False,
        help="Forward no port; connect to the guest's port on this machine, where the template's own "
        "`qemuargs` lead it.",
    )
    layers: LayerPolicy = option(
        LayerPolicy.ALL,
        help="After which steps the machine is kept, so that the next build can go on from there: `all`, "
        "`install` or `off`.",
        affects_image=False,
    )
    run_once: bool = option(False, help="Accepted for Packer's sake; has no effect.", affects_image=False)

    @property
    def memory_mebibytes(self) -> int:
        """Packer takes less than 10 MiB for a mistake and gives 512."""
        return self.memory if self.memory >= 10 else 512

    @property
    def uses_efi(self) -> bool:
        return self.efi_boot or self.efi_firmware_code is not None or self.efi_firmware_vars is not None

    @property
    def forwarded_ports(self) -> range | None:
        """The host ports to try for the forward; None when the system chooses. Packer's defaults fill a
        half range."""
        if not (self.host_port_min or self.host_port_max):
            return None
        return range(self.host_port_min or 2222, (self.host_port_max or 4444) + 1)

    @property
    def discard(self) -> Discard:
        """What becomes of blocks that the guest discards."""
        return Discard.UNMAP if self._minimised_by_guest else self.disk_discard

    @property
    def detect_zeroes(self) -> DetectZeroes:
        """What becomes of zeros that the guest writes: when it fills its file systems with them, the image
        must not grow by all that."""
        return DetectZeroes.UNMAP if self.minimise is Minimise.ZERO else self.disk_detect_zeroes

    @property
    def _minimised_by_guest(self) -> bool:
        return self.minimise in (Minimise.DISCARD, Minimise.ZERO)

    @property
    def compresses(self) -> bool:
        return self.disk_compression and self.format is DiskFormat.QCOW2

    @property
    def compacts(self) -> bool:
        """Whether the finished disk is copied, which leaves out what the guest does not use."""
        if self.compresses:
            return True
        return not (self.skip_compaction or self.use_backing_file or self.format is DiskFormat.RAW)
