"""The memory of a PC's display adapter in its text modes, read without the guest noticing."""

from __future__ import annotations

from typing import Any, Final

from vmforge.hypervisor.library import libvirt

# Where a colour adapter keeps its text, and how much there is room for (IBM VGA, memory map 3).
_ADDRESS: Final = 0xB8000
_SIZE: Final = 0x8000


def peek(domain: Any) -> bytes:
    """All of the text memory, whatever it holds just now. Raises libvirt's error, also where the driver can
    read no memory."""
    return bytes(domain.memoryPeek(_ADDRESS, _SIZE, libvirt.VIR_MEMORY_PHYSICAL))
