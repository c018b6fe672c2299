"""Forwards: what QEMU's monitor is told, and what is read from its answers (recorded from QEMU 7.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.errors import HostError, MachineError
from vmforge.hypervisor import network
from vmforge.hypervisor.devices import Forward, Interface
from vmforge.hypervisor.domain import DomainSpec
from vmforge.sdk import Size

LISTING = """\
Hub -1 (hostua-net0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  16       127.0.0.1 39385       10.0.2.15    22     0     0
  TCP[HOST_FORWARD]  17       127.0.0.1 40100       10.0.2.15  5985     0     0
  TCP[ESTABLISHED]   18       127.0.0.1 39385       10.0.2.15    22     0     0
Hub -1 (user.0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  19               *  2222       10.0.2.15    22     0     0
  UDP[236 sec]       20       10.0.2.15    68  255.255.255.255    67     0     0
"""
REFUSED = "could not set up host forwarding rule 'tcp:127.0.0.1:{}-:22'\r\n"


class Monitor:
    """Plays QEMU: refuses ports that are in use, remembers what it was told."""

    def __init__(self, *in_use: int) -> None:
        self.in_use = in_use
        self.lines: list[str] = []

    def __call__(self, line: str) -> str:
        self.lines.append(line)
        if line == "info usernet":
            return LISTING
        port = int(line.split("127.0.0.1:")[1].split("-")[0])
        return REFUSED.format(port) if port in self.in_use else ""


def spec(*interfaces: Interface, arguments: tuple[tuple[str, str], ...] = ()) -> DomainSpec:
    return DomainSpec("m", "u", Size(1), interfaces=interfaces, qemu_arguments=arguments)


def test_the_kernel_chooses() -> None:
    monitor = Monitor()
    assert network.forward(monitor, "hostua-net0", 22, None) == 39385
    assert monitor.lines == ["hostfwd_add hostua-net0 tcp:127.0.0.1:0-:22", "info usernet"]


def test_the_first_free_port_of_a_range() -> None:
    assert network.forward(Monitor(2222, 2223), "hostua-net0", 22, range(2222, 4445)) == 2224


def test_no_port_of_a_range_is_free() -> None:
    with pytest.raises(HostError, match="no free port from 2222 to 2224"):
        network.forward(Monitor(2222, 2223, 2224), "hostua-net0", 22, range(2222, 2225))


def test_what_qemu_says_to_nonsense_is_passed_on() -> None:
    with pytest.raises(MachineError, match="unrecognized netdev id"):
        network.forward(lambda line: "unrecognized netdev id 'x'", "x", 22, None)


def test_the_listing() -> None:
    assert network.chosen_port(LISTING, "hostua-net0", 5985) == 40100
    with pytest.raises(MachineError, match="does not list"):
        network.chosen_port(LISTING, "hostua-net0", 80)
    with pytest.raises(MachineError, match="does not list"):
        network.chosen_port(LISTING, "user.0", 22)


def test_the_user_network_of_a_machine() -> None:
    assert network.user_netdev(spec(Interface(bridge="br0"), Interface())) == "hostua-net1"
    raw = (("-device", "e1000,netdev=n0"), ("-netdev", "user,net=10.1.0.0/24,id=n0"))
    assert network.user_netdev(spec(arguments=raw)) == "n0"
    with pytest.raises(MachineError, match="no user network"):
        network.user_netdev(spec(Interface(bridge="br0")))


def test_static_forwards() -> None:
    monitor = Monitor()
    rule = Forward(22, 2222, "127.0.0.1", "10.0.2.15", "udp")
    network.add_static(monitor, spec(Interface(bridge="br0"), Interface(forwards=(rule,))))
    assert monitor.lines == ["hostfwd_add hostua-net1 udp:127.0.0.1:2222-10.0.2.15:22"]
    with pytest.raises(HostError, match="port 2222 of this host") as caught:
        network.add_static(Monitor(2222), spec(Interface(forwards=(Forward(22, 2222, "127.0.0.1"),))))
    assert "ss -ltnp" in caught.value.hint


def test_the_address_of_a_neighbour(tmp_path: Path) -> None:
    table = tmp_path / "arp"
    table.write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "192.168.9.7      0x1         0x0         52:54:00:aa:bb:cc     *        br0\n"
        "192.168.9.8      0x1         0x2         52:54:00:aa:bb:cc     *        br0\n"
    )
    assert network.neighbour("52:54:00:AA:BB:CC", table) == "192.168.9.8"
    assert network.neighbour("52:54:00:00:00:01", table) == ""


def test_the_hosts_own_address_on_a_bridge() -> None:
    assert network.interface_address("lo") == "127.0.0.1"
    with pytest.raises(HostError, match="the interface `nosuch0` has no address"):
        network.interface_address("nosuch0")
