"""The machine of a build as layers: what it depends on, how it is frozen, how a frozen one goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.qemu.disks import Disks
from vmforge.builders.qemu.firmware import EFI_VARIABLES
from vmforge.errors import CommunicatorError
from vmforge.hypervisor.devices import Efi
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.machine import SavedMemory, VirtualMachine
from vmforge.sdk import BuildContext, Communicator, FrozenMachine, Inputs

MEMORY, MAC_ADDRESSES = "memory", "mac-addresses"

_CLOCK_LIMIT = 30.0
# The clock stood still while the machine was frozen. Setting it takes root, or sudo without a password.
_SET_CLOCK = """\
if [ "$(id -u)" = 0 ]; then date -u -s @{now}; else sudo -n date -u -s @{now}; fi >/dev/null 2>&1"""


def why_none(config: QemuConfig) -> str:
    """Why a machine of this configuration cannot be kept as layers; empty when it can."""
    if config.vtpm:
        return "the state of a TPM is not kept"
    if any(switch.lstrip("-") in _DRIVES for switch, *_ in config.qemuargs):
        return "`qemuargs` names the disks itself"
    if config.net_bridge:
        return "guests on a bridge would share an address"
    return ""


_DRIVES = {"drive", "blockdev", "hda", "hdb", "hdc", "hdd", "device"}


def inputs(config: QemuConfig, medium_digest: str, accelerator: str, emulator: Path) -> Inputs:
    """What the installed machine depends on besides the options that say so: the medium, the files that
    the installer reads, and the emulator, whose state is only understood by its own version."""
    found: dict[str, str | Path] = {
        "the ISO": medium_digest,
        "the accelerator": accelerator,
        "QEMU": _fingerprint(emulator),
    }
    if accelerator == "kvm":
        found["this machine's processor"] = _processor()
    for path in _files(config):
        found[str(path)] = path
    if any("Name" in command for command, _ in config.steps):
        found["vm_name"] = config.vm_name
    return found


def _files(config: QemuConfig) -> Iterator[Path]:
    if config.http_directory is not None:
        yield config.http_directory
    for pattern in (*config.floppy_files, *config.floppy_dirs, *config.cd_files):
        matches = sorted(Path().glob(pattern)) if not Path(pattern).is_absolute() else []
        yield from matches or [Path(pattern)]
    for option in (config.firmware, config.efi_firmware_code, config.efi_firmware_vars):
        if option is not None:
            yield option


def _fingerprint(program: Path) -> str:
    status = program.stat()
    return f"{program} {status.st_size} {status.st_mtime_ns}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))


@dataclass
class LayeredGuest:
    """The guest as provisioners see it, of which layers can be made."""

    communicator: Communicator
    machine: VirtualMachine
    disks: Disks

    def freeze(self, layer: Path, onward: Path) -> tuple[str, ...]:
        """See `sdk.layers.FreezableMachine`."""
        frozen = self.disks.in_use
        overlays = self.disks.lay_over(frozen, onward)

        def copy_variables() -> None:
            firmware = self.machine.spec.firmware
            if isinstance(firmware, Efi):
                shutil.copyfile(firmware.nvram, layer / EFI_VARIABLES)

        (layer / MAC_ADDRESSES).write_text("\n".join(self.machine.mac_addresses), encoding="ascii")
        self.machine.checkpoint(layer / MEMORY, overlays, copy_variables)
        self.disks.in_use = overlays
        return tuple(path.name for path in frozen)


def bring_back(frozen: FrozenMachine, output: Path, context: BuildContext) -> None:
    """Put what the frozen machine's build knew where this build looks for it: its values, and the UEFI
    variables."""
    for name, value in frozen.values.items():
        context.data.setdefault(name, value)
    saved = frozen.folder / EFI_VARIABLES
    if saved.exists():
        shutil.copyfile(saved, output / EFI_VARIABLES)


def going_on(
    spec: DomainSpec, frozen: FrozenMachine | None, scratch: Path
) -> tuple[DomainSpec, SavedMemory | None]:
    """The machine to start and its memory, when it goes on from a layer: the guest knows its network cards
    by their addresses."""
    if frozen is None:
        return spec, None
    addresses = (frozen.folder / MAC_ADDRESSES).read_text(encoding="ascii").split()
    cards = tuple(
        replace(card, mac=address) for card, address in zip(spec.interfaces, addresses, strict=True)
    )
    return replace(spec, interfaces=cards), SavedMemory(frozen.open_memory, scratch / MEMORY)


def set_clock(context: BuildContext, communicator: Communicator) -> None:
    """Set the guest's clock by this machine's. A guest that does not let us may do it itself."""
    try:
        status = communicator.run(_SET_CLOCK.format(now=round(time.time())), timeout=_CLOCK_LIMIT)
    except CommunicatorError as error:
        context.ui.warn(f"the guest's clock could not be set: {error.message}")
        return
    if status != 0:
        context.ui.warn("the guest's clock shows when its layer was made: setting it takes root or sudo")
