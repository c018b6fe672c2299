"""What the host can run, found out by looking, not by the presence of a file.

`/dev/kvm` exists on machines whose processor cannot run an unmodified guest (nested ones above all):
libvirt then offers KVM, and the guest dies with an internal error. So the processor's own flags count.
"""

from __future__ import annotations

import errno
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KVM = "/dev/kvm"
_X86 = {"x86_64", "i686", "i386"}
_CPU_FLAG = re.compile(r"^flags\s*:.*\b(vmx|svm)\b", re.MULTILINE)
_HOST_FEATURE = re.compile(r"<feature name='(vmx|svm)'")


@dataclass(frozen=True, slots=True)
class Acceleration:
    """How guests run: `kvm` or `tcg` (software emulation); `reason` says why not KVM."""

    kind: str
    reason: str = ""


def probe_local(
    arch: str,
    offers_kvm: Callable[[], bool],
    *,
    need_device: bool,
    cpuinfo: Path = Path("/proc/cpuinfo"),
    device: Path = Path(_KVM),
) -> Acceleration:
    """Whether this host runs guests of an architecture with KVM. `need_device`: QEMU runs with our own
    rights; a daemon's QEMU has its own. `offers_kvm` asks libvirt, and is asked last: it takes long."""
    host = platform.machine()
    if arch != host and not {arch, host} <= _X86:
        return Acceleration("tcg", f"this host is {host}, the guest {arch}")
    if host in _X86 and not _CPU_FLAG.search(cpuinfo.read_text()):
        return Acceleration("tcg", "this processor has no hardware virtualization (neither vmx nor svm)")
    problem = _device_problem(device, need_device)
    if problem:
        return Acceleration("tcg", problem)
    if not offers_kvm():
        return Acceleration("tcg", "libvirt does not offer KVM here")
    return Acceleration("kvm")


def probe_remote(arch: str, capabilities_xml: str, offers_kvm: Callable[[], bool]) -> Acceleration:
    """The same for another host, as far as its libvirt tells."""
    host = re.search(r"<arch>([^<]+)</arch>", capabilities_xml)
    if arch in _X86 and not _HOST_FEATURE.search(capabilities_xml):
        return Acceleration(
            "tcg", "the remote processor has no hardware virtualization (neither vmx nor svm)"
        )
    if host is not None and arch != host[1] and not {arch, host[1]} <= _X86:
        return Acceleration("tcg", f"the remote host is {host[1]}, the guest {arch}")
    return (
        Acceleration("kvm") if offers_kvm() else Acceleration("tcg", "the remote libvirt does not offer KVM")
    )


def offers(connection: Any, emulator: str, arch: str, machine: str, accel: str) -> bool:
    """Whether libvirt can run this emulator, machine type and accelerator. Takes a second or two the
    first time, when libvirt asks QEMU what it can do."""
    from vmforge.hypervisor.library import libvirt

    domain_type = "kvm" if accel == "kvm" else "qemu"
    try:
        connection.getDomainCapabilities(emulator or None, arch, machine or None, domain_type, 0)
    except libvirt.libvirtError:
        return False
    return True


def _device_problem(device: Path, must_open: bool) -> str:
    if not device.exists():
        return f"`{device}` does not exist: the kernel's KVM module is not loaded"
    if not must_open:
        return ""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            return f"you may not open `{device}`; `sudo usermod -aG kvm $USER` and a new login change that"
        return f"`{device}` cannot be opened: {error.strerror}"
    return ""
