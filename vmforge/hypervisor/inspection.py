"""Looks at this host for `vmforge doctor`: what a build needs, what is missing, what mends it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.hypervisor import connection, disks, firmware
from vmforge.hypervisor.capabilities import probe_local
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.host import Health, HostFinding
from vmforge.sdk.values import format_bytes

_TIMEOUT = 10
_LITTLE_SPACE = 5 * 1024**3
# QEMU's HMP `hostfwd_add` with an id, and libvirt's embedded driver with its own root.
_OLDEST_QEMU, _OLDEST_LIBVIRT = (5, 0), (6, 1)


def inspect_host(state_dir: Path, uri: str | None = None) -> list[HostFinding]:
    """Everything, in the order in which it should be mended. Starts no machine."""
    arch = platform.machine()
    return [
        look_at_kvm(arch),
        look_at_qemu(arch),
        look_at_qemu_img(),
        look_at_state_folder(state_dir),
        look_at_libvirt(uri, state_dir),
        look_at_firmware(arch),
    ]


def look_at_kvm(arch: str) -> HostFinding:
    acceleration = probe_local(arch, lambda: True, need_device=True)
    if acceleration.kind == "kvm":
        return HostFinding("KVM", Health.OK, "this processor runs guests by itself")
    text = f"{acceleration.reason}; guests run in software emulation, about ten times slower"
    remedy = ""
    if "usermod" in acceleration.reason:
        remedy = "sudo usermod -aG kvm $USER"
    elif "does not exist" in acceleration.reason:
        remedy = "sudo modprobe kvm_intel || sudo modprobe kvm_amd"
    elif "vmx" in acceleration.reason:
        remedy = "enable VT-x or AMD-V in the firmware setup, or nested virtualization if this is a VM"
    return HostFinding("KVM", Health.WARNING, text, remedy)


def look_at_qemu(arch: str) -> HostFinding:
    program = f"qemu-system-{arch}"
    return _version_of("QEMU", program, f"sudo apt install {connection.package(arch)}", _OLDEST_QEMU)


def look_at_qemu_img() -> HostFinding:
    return _version_of("qemu-img", disks.PROGRAM, "sudo apt install qemu-utils", _OLDEST_QEMU)


def look_at_state_folder(state_dir: Path) -> HostFinding:
    """Whether libvirt's sockets and logs can be kept, and how much space is left there."""
    name = "state folder"
    nearest = next(p for p in (state_dir.absolute(), *state_dir.absolute().parents) if p.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return HostFinding(
            name, Health.BROKEN, f"`{nearest}` is not writable", f"sudo chown -R $USER {nearest}"
        )
    foreign = [path for path in (state_dir / "libvirt").glob("*") if not os.access(path, os.W_OK)]
    if foreign:
        remedy = f"sudo chown -R $USER {state_dir}"
        return HostFinding(name, Health.WARNING, f"`{foreign[0]}` belongs to another user", remedy)
    free = shutil.disk_usage(nearest).free
    text = f"`{state_dir}`, {format_bytes(free)} free"
    return HostFinding(name, Health.OK if free > _LITTLE_SPACE else Health.WARNING, text)


def look_at_libvirt(uri: str | None, state_dir: Path) -> HostFinding:
    """Open the hypervisor as a build would."""
    try:
        with connection.connect(uri, state_dir, Cancellation()) as hypervisor:
            version = hypervisor.libvirt_version
            text = f"{'.'.join(map(str, version))}, `{hypervisor.uri}`"
    except VmforgeError as error:
        return HostFinding("libvirt", Health.BROKEN, str(error), error.hint)
    if version < _OLDEST_LIBVIRT:
        return HostFinding("libvirt", Health.WARNING, f"{text} is older than tested", "update libvirt")
    return HostFinding("libvirt", Health.OK, text)


def look_at_firmware(arch: str) -> HostFinding:
    try:
        found = firmware.find_efi(arch)
    except VmforgeError as error:
        return HostFinding(
            "UEFI firmware", Health.WARNING, f"{error} (needed for `efi_boot` only)", error.hint
        )
    return HostFinding("UEFI firmware", Health.OK, f"`{found.code}`")


def tool_versions(emulator: str) -> dict[str, str]:
    """The versions of QEMU and of libvirt's library; what cannot be told is left out."""
    import libvirt

    found = {}
    path = shutil.which(emulator)
    try:
        said = _said_of_version(path) if path is not None else ""
    except (OSError, subprocess.SubprocessError):
        said = ""
    if match := _VERSION.search(said):
        found["QEMU"] = match[0].removeprefix("version ").rstrip(",")
    number = libvirt.getVersion()
    found["libvirt"] = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
    return found


def version_of(program: Path) -> str:
    """The version that a program says it is of, with that of its package where it has one; empty when it does
    not tell."""
    try:
        said = _said_of_version(str(program))
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.partition("\n")[0].partition("version ")[2].strip()


_VERSION = re.compile(r"version (\d+)\.(\d+)\S*")


def _version_of(name: str, program: str, remedy: str, oldest: tuple[int, int]) -> HostFinding:
    path = shutil.which(program)
    if path is None:
        return HostFinding(name, Health.BROKEN, f"no program `{program}`", remedy)
    try:
        said = _said_of_version(path)
    except (OSError, subprocess.SubprocessError) as error:
        return HostFinding(name, Health.BROKEN, f"`{path}` does not work: {error}", remedy)
    match = _VERSION.search(said)
    if match is None:
        return HostFinding(name, Health.WARNING, f"`{path}` does not tell its version")
    text = f"{match[0].removeprefix('version ')}, `{path}`"
    if (int(match[1]), int(match[2])) < oldest:
        return HostFinding(name, Health.WARNING, f"{text} is older than tested", remedy)
    return HostFinding(name, Health.OK, text)


def _said_of_version(path: str) -> str:
    """What a program says of its version. Raises OSError, SubprocessError."""
    return subprocess.run(
        [path, "--version"],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=True,
        stdin=subprocess.DEVNULL,
    ).stdout
