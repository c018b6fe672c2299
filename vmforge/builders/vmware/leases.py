"""Guests' addresses in the lease files of VMware's DHCP server (dhcpd.leases(5))."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_LEASE: Final = re.compile(r"lease\s+([\d.]+)\s*\{(.*?)\}", re.DOTALL)
_HARDWARE: Final = re.compile(r"hardware\s+ethernet\s+([0-9A-Fa-f:]+)\s*;")


def lease_files(device: str) -> tuple[Path, ...]:
    """Where the products keep the leases of one of their networks (`vmnet8`)."""
    return (
        Path(f"/etc/vmware/{device}/dhcpd/dhcpd.leases"),
        Path(f"/var/db/vmware/vmnet-dhcpd-{device}.leases"),
    )


def leased_address(hardware_address: str, files: Iterable[Path]) -> str:
    """The address that was leased last to a network card; empty when there is none."""
    found = ""
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for address, entries in _LEASE.findall(text):
            hardware = _HARDWARE.search(entries)
            if hardware is not None and hardware[1].lower() == hardware_address:
                found = address
    return found
