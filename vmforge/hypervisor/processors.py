"""How much a machine's processors have to do, as its host sees it."""

from __future__ import annotations

from typing import Any, Final

from vmforge.hypervisor.library import libvirt

_NANOSECONDS: Final = 1e9


def wanted_seconds(connection: Any, domain: Any) -> float:
    """The time that a machine's processors together have run, or have waited for one of the host's, in
    seconds since its start: a guest that a busy host lets starve is not idle. Raises libvirt's error."""
    flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT  # another call may hold the domain for long
    ((_, stats),) = connection.domainListGetStats([domain], libvirt.VIR_DOMAIN_STATS_VCPU, flags)
    # https://libvirt.org/html/libvirt-libvirt-domain.html#virConnectGetAllDomainStats
    times = [stats.get(f"vcpu.{index}.time") for index in range(stats.get("vcpu.maximum", 0))]
    if not any(time is not None for time in times):
        return float(domain.info()[4] / _NANOSECONDS)  # QEMU's own work included
    waits = (stats.get(f"vcpu.{index}.delay", 0) for index in range(len(times)))
    return float((sum(time or 0 for time in times) + sum(waits)) / _NANOSECONDS)
