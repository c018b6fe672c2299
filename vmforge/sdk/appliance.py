"""A finished machine that is switched off: its disks, and the hardware that it was installed on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.sdk.artifact import Artifact
from vmforge.sdk.values import Size

# Where a builder leaves the appliance in its artifact's `state`.
APPLIANCE = "appliance"

_IMAGE_SUFFIXES = {".qcow2", ".img", ".raw", ".vmdk", ".vdi", ".vhd", ".vhdx"}
_DEFAULT_MEMORY = Size(1024 * 1024**2)


class FirmwareKind(StrEnum):
    BIOS = "bios"
    UEFI = "uefi"


@dataclass(frozen=True, kw_only=True)
class Appliance:
    """What export formats with a description of hardware (OVF, VMX, Vagrant's metadata) are made of.

    `disks` are image files, the first one is booted from. `nvram` holds the UEFI variables as QEMU keeps
    them. `architecture` is the kernel's name for it (`x86_64`, `aarch64`). `disk_bus` and `network_model`
    are QEMU's names of what the guest was installed on (`virtio`, `virtio-net`), so that the guest is
    known to have drivers for them. `accelerator` is what ran the guest: `kvm`, `tcg`, ...
    """

    name: str
    disks: tuple[Path, ...]
    architecture: str = "x86_64"
    cpus: int = 1
    memory: Size = _DEFAULT_MEMORY
    firmware: FirmwareKind = FirmwareKind.BIOS
    nvram: Path | None = None
    disk_bus: str = "virtio"
    network_model: str = "virtio-net"
    accelerator: str = "kvm"


def appliance_of(artifact: Artifact, name: str) -> Appliance:
    """The appliance that an artifact is: as its builder described it, or, of an artifact that is only
    files (`artifice`), the disk images among them.

    Raises `VmforgeError` when there is no disk image.
    """
    described = artifact.state.get(APPLIANCE)
    if isinstance(described, Appliance):
        return described
    disks = tuple(path for path in artifact.files if path.suffix.lower() in _IMAGE_SUFFIXES)
    if not disks and len(artifact.files) == 1:
        disks = artifact.files  # Packer's own disks have no extension
    if not disks:
        known = ", ".join(sorted(_IMAGE_SUFFIXES))
        hint = f"name the disk images (`{known}`) with an `artifice` post-processor"
        raise VmforgeError(f"there is no disk image in the artifact of `{name}`", hint=hint)
    return Appliance(name=name, disks=disks)
