"""KVM or software emulation: what the template asks for, and what this machine has."""

from __future__ import annotations

from dataclasses import dataclass

from vmforge.builders.qemu.config import Accelerator, QemuConfig
from vmforge.builders.qemu.hardware import architecture
from vmforge.errors import HostError
from vmforge.hypervisor.connection import Hypervisor

# Guest-side time limits are multiplied by this under emulation, where guests run about that much
# slower: templates written for KVM build unmodified.
EMULATION_SCALE = 10.0


@dataclass(frozen=True, slots=True)
class Speed:
    """The accelerator (`kvm` or `tcg`), the factor for time limits on the guest, and what the user should
    know about it."""

    accelerator: str
    time_scale: float = 1.0
    notice: str = ""


def choose_speed(config: QemuConfig, hypervisor: Hypervisor) -> Speed:
    """Decide once. Raises `HostError` for an accelerator that is not to be had."""
    wanted = config.accelerator
    if wanted in (Accelerator.NONE, Accelerator.TCG):
        return _emulated("as the template says")
    if wanted not in (None, Accelerator.KVM):
        hint = "leave `accelerator` out, or give `--set accelerator=tcg`"
        raise HostError(f"the accelerator `{wanted}` is not supported", hint=hint)
    found = hypervisor.acceleration(architecture(config.qemu_binary), config.qemu_binary)
    if found.kind == "kvm":
        return Speed("kvm")
    if wanted is Accelerator.KVM:
        hint = "build without it: `--set accelerator=tcg`, or `VMFORGE_ACCELERATOR=tcg` in the environment"
        raise HostError(
            f'the template says `accelerator = "kvm"`, but there is no KVM: {found.reason}', hint=hint
        )
    return _emulated(found.reason)


def _emulated(reason: str) -> Speed:
    notice = (
        f"software emulation ({reason}): the guest runs about {EMULATION_SCALE:.0f} times slower; "
        f"its time limits are multiplied by {EMULATION_SCALE:.0f}"
    )
    return Speed("tcg", EMULATION_SCALE, notice)
