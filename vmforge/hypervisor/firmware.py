"""Finds UEFI firmware on this host: distributions keep it in different places under different names.

Packages describe what they install in `/usr/share/qemu/firmware/*.json` (QEMU's docs/interop/firmware.json);
the well-known paths are for hosts whose package does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import HostError

DESCRIPTIONS = (Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))

_WELL_KNOWN = {
    "x86_64": (
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ),
    "aarch64": (
        ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
        ("/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"),
    ),
}
_PACKAGES = {"x86_64": "ovmf", "aarch64": "qemu-efi-aarch64"}
_SECURE = {"secure-boot", "enrolled-keys"}


@dataclass(frozen=True, slots=True)
class EfiFirmware:
    """The code, which is never written, and the variables that a new machine starts with."""

    code: Path
    variables: Path


def find_efi(
    arch: str = "x86_64", *, secure_boot: bool = False, descriptions: tuple[Path, ...] = DESCRIPTIONS
) -> EfiFirmware:
    """UEFI for an architecture; `secure_boot` with keys enrolled. Raises `HostError` if there is none."""
    known = () if secure_boot else _WELL_KNOWN.get(arch, ())
    described = _described(arch, secure_boot, descriptions)
    for firmware in (*described, *(EfiFirmware(Path(code), Path(variables)) for code, variables in known)):
        if firmware.code.exists() and firmware.variables.exists():
            return firmware
    kind = "UEFI with secure boot" if secure_boot else "UEFI"
    raise HostError(
        f"no {kind} firmware for {arch} guests on this host",
        hint=f"`apt install {_PACKAGES.get(arch, 'ovmf')}`, "
        "or set `efi_firmware_code` and `efi_firmware_vars`",
    )


def _described(arch: str, secure_boot: bool, folders: tuple[Path, ...]) -> Iterator[EfiFirmware]:
    """What packages describe, in their order of preference: by file name, whatever the folder."""
    files = {path.name: path for folder in reversed(folders) for path in folder.glob("*.json")}
    for _, path in sorted(files.items()):
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
            features = set(description["features"])
            targets = {target["architecture"] for target in description["targets"]}
            mapping = description["mapping"]
            code, variables = mapping["executable"], mapping["nvram-template"]
            raw = code.get("format", "raw") == variables.get("format", "raw") == "raw"
            found = EfiFirmware(Path(code["filename"]), Path(variables["filename"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # not flash memory with variables, or not readable: no candidate
        if not raw or arch not in targets or "uefi" not in description.get("interface-types", []):
            continue
        if (secure_boot and features >= _SECURE) or (not secure_boot and "requires-smm" not in features):
            yield found
