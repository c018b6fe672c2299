"""A trusted platform module, emulated by swtpm, which libvirt starts and ends."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child, element


@dataclass(frozen=True, slots=True)
class Tpm:
    """A TPM of QEMU's device name (`tpm-tis`, `tpm-crb`) and version (`2.0`, `1.2`)."""

    model: str = "tpm-tis"
    version: str = "2.0"

    def xml(self) -> Element:
        tpm = element("tpm", model=self.model)
        # a transient domain forgets its TPM at the end of the process; a reboot must not
        child(tpm, "backend", type_="emulator", version=self.version, persistent_state="yes")
        return tpm
