"""Ports of this host that lead into a machine on QEMU's user network, and this host's addresses.

The host's port is chosen by the kernel: QEMU binds port 0 and is then asked which one it got, so no
other program can take it in between. QEMU's monitor is spoken in its human form (HMP), the only one
that knows `hostfwd_add`.
"""

from __future__ import annotations

import fcntl
import re
import socket
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

from vmforge.errors import HostError, MachineError
from vmforge.hypervisor.devices import Forward, Interface
from vmforge.hypervisor.domain import DomainSpec

# Runs one line of HMP and returns what it prints.
Monitor = Callable[[str], str]

_SIOCGIFADDR, _IFNAMSIZ = 0x8915, 16  # netdevice(7)
_ARP_COMPLETE = 0x2

LOCALHOST = "127.0.0.1"
_ROW = re.compile(r"\s*TCP\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)\s")


def user_netdev(spec: DomainSpec) -> str:
    """QEMU's id of the machine's user network. Raises `MachineError` when it has none."""
    for index, interface in enumerate(spec.interfaces):
        if not interface.bridge:
            return Interface.netdev(index)
    for switch, value in spec.qemu_arguments:
        if switch in ("-netdev", "--netdev") and value.startswith("user,"):
            match = re.search(r"(?:^|,)id=([^,]+)", value)
            if match is not None:
                return match[1]
    raise MachineError(
        "the machine has no user network, so no port of this host can lead into it",
        hint="use user networking (no `net_bridge`), or tell the communicator the guest's address",
    )


def forward(monitor: Monitor, netdev: str, guest_port: int, ports: Iterable[int] | None) -> int:
    """Forward a port of 127.0.0.1 to the guest's `guest_port` and return it: one that the kernel
    chose, or the first free one of `ports`. Raises `HostError` when none is free."""
    tried = list(ports) if ports is not None else [0]
    said = ""
    for port in tried:
        rule = Forward(guest_port, port, LOCALHOST).rule()
        said = monitor(f"hostfwd_add {netdev} {rule}").strip()
        if not said:
            return port or chosen_port(monitor("info usernet"), netdev, guest_port)
        if "could not set up host forwarding" not in said.lower():
            raise MachineError(f"QEMU cannot forward a port into the machine: {said}")
    if len(tried) == 1:
        raise HostError(f"port {tried[0]} of this host cannot be forwarded into the machine: {said}")
    raise HostError(
        f"no free port from {tried[0]} to {tried[-1]}",
        hint="widen `host_port_min` and `host_port_max`, or leave both out: the kernel then chooses",
    )


def add_static(monitor: Monitor, spec: DomainSpec) -> None:
    """Set up the forwards that the specification names. Raises `HostError` for a port in use."""
    for index, interface in enumerate(spec.interfaces):
        for rule in interface.forwards:
            said = monitor(f"hostfwd_add {Interface.netdev(index)} {rule.rule()}").strip()
            if said:
                raise HostError(
                    f"port {rule.host_port} of this host cannot be forwarded into the machine: {said}",
                    hint=f"see who uses it: `ss -ltnp sport = :{rule.host_port}`",
                )


def chosen_port(listing: str, netdev: str, guest_port: int) -> int:
    """The host's port of a forward, from the output of `info usernet`; the latest that matches."""
    inside = False
    found = 0
    for line in listing.splitlines():
        if not line.startswith(" ") and line.strip():
            inside = f"({netdev})" in line or line.strip().rstrip(":") == netdev
        row = _ROW.match(line)
        if inside and row is not None and int(row[3]) == guest_port and row[1] == LOCALHOST:
            found = int(row[2])
    if not found:
        raise MachineError(f"QEMU does not list the port that it forwards to port {guest_port}:\n{listing}")
    return found


def interface_address(interface: str) -> str:
    """This host's own IPv4 address on an interface (a bridge, say). Raises `HostError` when it has none."""
    name = interface.encode()[: _IFNAMSIZ - 1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name))
        except OSError as error:
            raise HostError(
                f"the interface `{interface}` has no address on this machine: {error.strerror}",
                hint=f"look at `ip address show {interface}`",
            ) from error
    return socket.inet_ntoa(answer[20:24])


def neighbour(mac: str, arp_table: Path = Path("/proc/net/arp")) -> str:
    """The IPv4 address behind a MAC address, as the kernel knows it; empty when it does not (yet)."""
    for line in arp_table.read_text().splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 4 and fields[3] == mac.lower() and int(fields[2], 16) & _ARP_COMPLETE:
            return fields[0]
    return ""
