"""The processor: QEMU's `-cpu` text as libvirt's element where libvirt has one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child, element

_FLAG = re.compile(r"([+-])([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True)
class Topology:
    """How the processors are arranged; their product is the number of them."""

    sockets: int = 1
    cores: int = 1
    threads: int = 1


@dataclass(frozen=True, slots=True)
class CpuModel:
    """A `-cpu` text taken apart: `Haswell,+aes,-x2apic`."""

    name: str
    flags: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> CpuModel | None:
        """None when the text holds what libvirt's element cannot say (`host,migratable=off`)."""
        name, *rest = [part.strip() for part in text.split(",")]
        matches = [_FLAG.fullmatch(part) for part in rest]
        if not all(matches):
            return None
        return cls(name, tuple((m[2], "require" if m[1] == "+" else "disable") for m in matches if m))


def cpu_xml(model: str, accel: str, vcpus: int, topology: Topology | None) -> Element:
    """The `<cpu>` element for QEMU's `-cpu` text; an empty one asks for all that is there.

    `host` exists only with KVM: under emulation it means everything that QEMU can emulate, so that
    a template written for KVM runs.
    """
    parsed = CpuModel.parse(model) if model else CpuModel("host")
    cpu = element("cpu")
    if parsed is not None:
        _set_model(cpu, parsed, accel)
    if topology is not None:
        child(cpu, "topology", sockets=topology.sockets, cores=topology.cores, threads=topology.threads)
    elif vcpus > 1:
        # as QEMU counts since 6.2: cores before sockets
        child(cpu, "topology", sockets=1, cores=vcpus, threads=1)
    if parsed is not None:
        for name, policy in parsed.flags:
            child(cpu, "feature", policy=policy, name=name)
    return cpu


def _set_model(cpu: Element, model: CpuModel, accel: str) -> None:
    if model.name in ("host", "max"):
        passthrough = accel == "kvm" and model.name == "host"
        cpu.set("mode", "host-passthrough" if passthrough else "maximum")
        return
    cpu.set("mode", "custom")
    cpu.set("match", "exact")
    # QEMU decides what it can emulate; libvirt's own check refuses models that would run
    cpu.set("check", "none")
    child(cpu, "model", model.name, fallback="allow")
