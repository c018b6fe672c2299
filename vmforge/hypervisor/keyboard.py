"""Keys pressed through libvirt, for machines without VNC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vmforge.hypervisor.library import libvirt


def press(domain: Any, codes: Sequence[int], hold: float) -> None:
    """Press keys together for `hold` seconds; returns before they are released. `codes` are Linux's
    (input-event-codes.h)."""
    domain.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, int(hold * 1000), list(codes), len(codes), 0)
