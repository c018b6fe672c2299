"""The machine of a build as layers: what it depends on, how it is frozen, how a frozen one goes on."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from vmforge.builders.boot_config import Installation
from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.qemu.disks import Disks
from vmforge.builders.qemu.firmware import EFI_VARIABLES
from vmforge.builders.removable_media import named_files
from vmforge.cache import KeyLock, Store, default_root
from vmforge.errors import CommunicatorError, MachineError
from vmforge.hypervisor.devices import Bios, Efi, Firmware
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.inspection import version_of
from vmforge.hypervisor.machine import SavedMemory, VirtualMachine
from vmforge.sdk import BuildContext, Communicator, FrozenMachine, HostTrait, Inputs

MEMORY, MAC_ADDRESSES = "memory", "mac-addresses"

_CLOCK_LIMIT = 30.0
_POWER_OFF_LIMIT, _BOOT_LIMIT = 60.0, 120.0
# Switches of QEMU's that bring disks of the template's own.
_DRIVES = {"drive", "blockdev", "hda", "hdb", "hdc", "hdd"}
# The clock stood still while the machine was frozen. Setting it takes root, or sudo without a password.
_SET_CLOCK = """\
if [ "$(id -u)" = 0 ]; then date -u -s @{now}; else sudo -n date -u -s @{now}; fi >/dev/null 2>&1"""


def why_none(config: QemuConfig) -> str:
    """Why a machine of this configuration cannot be kept as layers; empty when it can."""
    if config.vtpm:
        return "the state of a TPM is not kept"
    if any(switch.lstrip("-") in _DRIVES for switch, *_ in config.qemuargs):
        return "`qemuargs` names the disks itself"
    return ""


def inputs(
    config: QemuConfig, medium_digest: str, accelerator: str, emulator: Path, firmware: Firmware | None
) -> Inputs:
    """What the installed machine depends on besides the options that say so: the medium, the files that
    the installer reads, and the emulator, whose state is only understood by its own version."""
    found: dict[str, str | Path | HostTrait] = {
        "the ISO": medium_digest,
        "the accelerator": HostTrait(accelerator),
        "QEMU": _emulator(emulator),
    }
    if accelerator == "kvm":
        found["the processor"] = _processor()
    for path in (*_files(config), *_firmware_files(firmware)):
        found[str(path)] = path
    answers = Installation(config, config.uses_efi).texts()
    found.update(answers)
    if any("Name" in text for text in (config.kernel_cmdline, *answers.values(), *dict(config.steps))):
        found["vm_name"] = config.vm_name
    return found


def _files(config: QemuConfig) -> Iterator[Path]:
    if config.http_directory is not None:
        yield config.http_directory
    yield from named_files(config)


def _firmware_files(firmware: Firmware | None) -> Iterator[Path]:
    if isinstance(firmware, Bios):
        yield firmware.path
    elif firmware is not None:
        yield from (firmware.code, firmware.variables)


def _emulator(program: Path) -> HostTrait:
    """One package is the same on every machine. Its size tells builds of one's own apart."""
    status, version = program.stat(), version_of(program)
    return HostTrait(f"{version or status.st_mtime_ns} {status.st_size}", version)


def _processor() -> HostTrait:
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    said = sorted({line for line in lines if line.startswith(("model name", "flags"))})
    names = (line.partition(":")[2].strip() for line in said if line.startswith("model name"))
    return HostTrait("\n".join(said), ", ".join(names))


@dataclass
class LayeredGuest:
    """The guest as provisioners see it, of which layers can be made.

    A machine whose memory cannot be saved is kept as its disks alone: the guest is shut down for that and
    boots again.
    """

    communicator: Communicator
    machine: VirtualMachine
    disks: Disks
    context: BuildContext
    time_scale: float
    _memory_kept: bool = field(default=True, init=False)

    def freeze(self, layer: Path, onward: Path) -> tuple[str, ...]:
        """See `sdk.layers.FreezableMachine`."""
        frozen = self.disks.in_use
        overlays = self.disks.lay_over(frozen, onward)
        (layer / MAC_ADDRESSES).write_text("\n".join(self.machine.mac_addresses), encoding="ascii")
        if not (self._memory_kept and self._freeze_running(layer, overlays)):
            self._freeze_switched_off(layer, overlays)
        self.disks.in_use = overlays
        return tuple(path.name for path in frozen)

    def _freeze_running(self, layer: Path, overlays: tuple[Path, ...]) -> bool:
        try:
            self.machine.checkpoint(layer / MEMORY, overlays, lambda: self._copy_variables(layer))
        except MachineError as error:
            self.machine.check()
            self.context.ui.warn(f"layers are kept without memory, and the guest boots anew: {error.message}")
            self._memory_kept = False
        return self._memory_kept

    def _freeze_switched_off(self, layer: Path, overlays: tuple[Path, ...]) -> None:
        """Raises `MachineError` when the guest does not turn itself off."""
        limit = _POWER_OFF_LIMIT * self.time_scale
        self.communicator.close()
        self.machine.power_button()
        if not self.machine.wait_off(limit, self.context.cancellation):
            raise MachineError("the guest does not react to its power button")
        self._copy_variables(layer)
        self.machine.boot_again(overlays)
        self.communicator.reconnect(_BOOT_LIMIT * self.time_scale)

    def _copy_variables(self, layer: Path) -> None:
        firmware = self.machine.spec.firmware
        if isinstance(firmware, Efi):
            shutil.copyfile(firmware.nvram, layer / EFI_VARIABLES)


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
    saved = SavedMemory(frozen.open_memory, scratch / MEMORY) if frozen.open_memory is not None else None
    return replace(spec, interfaces=cards), saved


def address_locks(spec: DomainSpec, context: BuildContext) -> Iterator[KeyLock]:
    """To be held while the machine runs: on a bridge, clones of one guest would fight for its address."""
    store = Store(default_root(os.environ))
    for index, card in enumerate(spec.interfaces):
        if card.bridge:
            address = card.address(spec.uuid, index)
            yield store.lock(f"mac:{address}", context.cancellation, on_wait=lambda _: _tell_wait(context))


def _tell_wait(context: BuildContext) -> None:
    context.ui.message("waiting for another build, whose guest has the same address on the bridge")


def set_clock(context: BuildContext, communicator: Communicator) -> None:
    """Set the guest's clock by this machine's. A guest that does not let us may do it itself."""
    try:
        status = communicator.run(_SET_CLOCK.format(now=round(time.time())), timeout=_CLOCK_LIMIT)
    except CommunicatorError as error:
        context.ui.warn(f"the guest's clock could not be set: {error.message}")
        return
    if status != 0:
        context.ui.warn("the guest's clock shows when its layer was made: setting it takes root or sudo")
