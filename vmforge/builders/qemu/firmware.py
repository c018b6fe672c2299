"""The firmware that a template asks for, as files of this host."""

from __future__ import annotations

from pathlib import Path

from vmforge.builders.qemu.config import QemuConfig
from vmforge.errors import HostError
from vmforge.hypervisor.devices import Bios, Efi, Firmware
from vmforge.hypervisor.firmware import find_efi

EFI_VARIABLES = "efivars.fd"


def find_firmware(config: QemuConfig, arch: str, output: Path) -> Firmware | None:
    """Look the files up; None for the firmware that QEMU starts by itself. The machine keeps its own UEFI
    variables in the folder `output`. Raises `HostError` for a file that is not there."""
    if config.firmware is not None:
        return Bios(_present("firmware", config.firmware), pflash=config.use_pflash)
    if not config.uses_efi:
        return None
    code = config.efi_firmware_code or _partner(config.efi_firmware_vars, "VARS", "CODE")
    variables = config.efi_firmware_vars or _partner(config.efi_firmware_code, "CODE", "VARS")
    if code is None or variables is None:
        found = find_efi(arch)
        code, variables = code or found.code, variables or found.variables
    return Efi(
        _present("efi_firmware_code", code),
        _present("efi_firmware_vars", variables),
        output / EFI_VARIABLES,
    )


def _partner(path: Path | None, part: str, other: str) -> Path | None:
    """The other half of a pair of files, as packages name them (`OVMF_CODE_4M.fd`, `OVMF_VARS_4M.fd`):
    halves of different sizes do not start."""
    if path is None:
        return None
    partner = path.with_name(path.name.replace(part, other))
    return partner if partner != path and partner.is_file() else None


def _present(option: str, path: Path) -> Path:
    if not path.is_file():
        hint = "leave the paths out and set `efi_boot = true`: the UEFI of this host is then found"
        raise HostError(f"`{option}`: there is no file `{path}`", hint=hint)
    return path.absolute()
