"""What the machine runs before it boots: SeaBIOS, another BIOS image, or UEFI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child


@dataclass(frozen=True, slots=True)
class Bios:
    """A BIOS image in place of QEMU's own; `pflash` maps it as flash memory, read-only."""

    path: Path
    pflash: bool = False

    def add_to(self, os: Element) -> None:
        kind = "pflash" if self.pflash else "rom"
        child(os, "loader", str(self.path), readonly="yes" if self.pflash else None, type_=kind)


@dataclass(frozen=True, slots=True)
class Efi:
    """UEFI: its code, the variables that a new machine starts with, and where this machine's are kept."""

    code: Path
    variables: Path
    nvram: Path
    secure_boot: bool = False

    def add_to(self, os: Element) -> None:
        secure = "yes" if self.secure_boot else None
        child(os, "loader", str(self.code), readonly="yes", secure=secure, type_="pflash")
        child(os, "nvram", str(self.nvram), template=self.variables)


Firmware: TypeAlias = Bios | Efi
