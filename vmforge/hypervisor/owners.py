"""Who started a machine, written into its description, for machines that a libvirt daemon runs.

A daemon's machines outlive a vmforge that was killed, and nothing else tells whose they are: the next
run on the same host ends those whose process is gone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from vmforge.hypervisor.library import libvirt

_OWNER = re.compile(r"vmforge build; host (?P<host>\S+), process (?P<pid>\d+), started (?P<start>\d+)")


def describe(host: str) -> str:
    """The description of a machine of this process on this host."""
    return f"vmforge build; host {host}, process {os.getpid()}, started {_start_time(os.getpid())}"


def is_orphan(description: str, host: str) -> bool:
    """Whether a machine was started by a process of this host that is gone."""
    owner = _OWNER.fullmatch(description.strip())
    if owner is None or owner["host"] != host:
        return False
    return _start_time(int(owner["pid"])) != int(owner["start"])


def disown(domain: Any) -> None:
    """Let a machine live on after this process. Raises libvirt's error."""
    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_DESCRIPTION,
        "kept by vmforge after a build",
        None,
        None,
        libvirt.VIR_DOMAIN_AFFECT_LIVE,
    )


def end_orphans(connection: Any, host: str) -> None:
    """End the machines whose process is gone."""
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        try:
            description = domain.metadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None)
            if is_orphan(description, host):
                domain.destroy()
        except libvirt.libvirtError:
            continue  # it has no description, or ended by itself


def _start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it has ended or never was."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return 0
    state, *fields = stat.rpartition(")")[2].split()
    return 0 if state in ("Z", "X") else int(fields[18])
