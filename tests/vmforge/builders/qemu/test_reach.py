"""Where the guest's communicator is to be found, in every kind of network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from vmforge.builders.qemu.arguments import with_qemuargs
from vmforge.builders.qemu.config import DiskFormat, QemuConfig
from vmforge.builders.qemu.hardware import Media, domain_spec
from vmforge.builders.qemu.reach import Reach, own_forward
from vmforge.communicators.agent import AgentConfig, AgentConnector
from vmforge.communicators.none import NoneConfig, NoneConnector
from vmforge.errors import CommunicatorError, MachineError
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import BuildContext, Endpoint
from vmforge.sdk.testing import FakeConnector

MakeConfig = Callable[..., QemuConfig]

MEDIA = Media((Path("/srv/base"),), DiskFormat.QCOW2, (), None, None, Path("/srv/serial.log"))


@dataclass
class FakeMachine:
    """The machine's network, without a machine."""

    spec: DomainSpec
    address: str = ""
    forwarded: list[tuple[int, Iterable[int] | None]] = field(default_factory=list)
    failure: MachineError | None = None

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def forward(self, guest_port: int, *, ports: Iterable[int] | None = None) -> int:
        self.forwarded.append((guest_port, ports))
        return 40022

    def forwarded_port(self, guest_port: int) -> int:
        return {port: 40022 for port, _ in self.forwarded}[guest_port]

    def bridge_address(self) -> str:
        return self.address


class Fixed(FakeConnector):
    """A communicator whose address the user has set."""

    @property
    def host(self) -> str:
        return "198.51.100.7"


@dataclass
class Network:
    machine: FakeMachine
    reach: Reach


@pytest.fixture
def network(qemu: MakeConfig, context: BuildContext) -> Callable[..., Network]:
    def make(connector: Any = None, **options: Any) -> Network:
        config = qemu(**options)
        spec = domain_spec(config, MEDIA, "tcg")
        spec = with_qemuargs(spec, config, context, {"SSHHostPort": "2345"})
        machine = FakeMachine(spec)
        surroundings = replace(context, connector=connector or FakeConnector())
        return Network(machine, Reach(cast(VirtualMachine, machine), surroundings, config))

    return make


def own(rule: str) -> dict[str, Any]:
    """Options of a template that brings its own network."""
    card = ["-device", "virtio-net,netdev=n0"]
    return {"qemuargs": [["-netdev", f"user,id=n0,hostfwd={rule}"], card]}


@pytest.mark.parametrize(
    ("options", "ports"),
    [
        ({}, None),
        ({"host_port_min": 2300, "host_port_max": 2310}, range(2300, 2311)),
        ({"host_port_min": 4000}, range(4000, 4445)),
        ({"ssh_host_port_max": 2300}, range(2222, 2301)),
    ],
)
def test_a_port_is_forwarded(options: Any, ports: range | None, network: Callable[..., Network]) -> None:
    guest = network(**options)
    guest.reach.prepare()
    assert guest.machine.forwarded == [(22, ports)]
    assert guest.reach.endpoint() == Endpoint("127.0.0.1", 40022)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "127.0.0.1"])
def test_the_templates_own_forward_is_used(host: str, network: Callable[..., Network]) -> None:
    guest = network(**own(f"tcp:{host}:{{{{ .SSHHostPort }}}}-:22"))
    guest.reach.prepare()
    assert guest.machine.forwarded == []
    assert guest.reach.endpoint() == Endpoint("127.0.0.1", 2345)


@pytest.mark.parametrize("rule", ["tcp::8080-:80", "udp::2345-:22", "tcp::0-:22"])
def test_a_forward_that_does_not_lead_to_ssh_is_none(rule: str, network: Callable[..., Network]) -> None:
    guest = network(**own(rule))
    guest.reach.prepare()
    assert guest.machine.forwarded == [(22, None)]


def test_a_network_that_qemu_gets_as_it_is(network: Callable[..., Network]) -> None:
    # more than an element can say: the arguments reach QEMU as they are
    value = "user,id=n0,net=192.168.76.0/24,hostfwd=tcp::80-:8080,hostfwd=tcp:192.0.2.1:2345-:22,"
    guest = network(qemuargs=[["-netdev", value], ["-device", "virtio-net,netdev=n0"]])
    assert guest.machine.spec.interfaces == ()
    assert own_forward(guest.machine.spec, 22) == Endpoint("192.0.2.1", 2345)
    assert own_forward(guest.machine.spec, 5985) is None


def test_nic(network: Callable[..., Network]) -> None:
    guest = network(qemuargs=[["-nic", "user,model=e1000,hostfwd=tcp::2345-:22"]])
    assert own_forward(guest.machine.spec, 22) == Endpoint("127.0.0.1", 2345)


def test_the_users_own_address_comes_first(network: Callable[..., Network]) -> None:
    guest = network(connector=Fixed(), net_bridge="br0", **own("tcp::2345-:22"))
    guest.reach.prepare()
    assert guest.machine.forwarded == []
    assert guest.reach.endpoint() == Endpoint("198.51.100.7", 22)


def test_skip_nat_mapping(network: Callable[..., Network]) -> None:
    guest = network(skip_nat_mapping=True)
    guest.reach.prepare()
    assert guest.machine.forwarded == []
    assert guest.reach.endpoint() == Endpoint("127.0.0.1", 22)


def test_a_bridge_shows_the_guests_address_in_its_time(network: Callable[..., Network]) -> None:
    guest = network(net_bridge="br7")
    guest.reach.prepare()
    assert guest.machine.forwarded == []
    # not a MachineError: the wait for the guest goes on
    with pytest.raises(CommunicatorError, match="not shown an address on the bridge `br7` yet") as caught:
        guest.reach.endpoint()
    assert "`ssh_host`" in caught.value.hint
    # a reboot makes the kernel forget the address; the guest may come back with another
    for shown, used in (("192.0.2.9", "192.0.2.9"), ("", "192.0.2.9"), ("192.0.2.10", "192.0.2.10")):
        guest.machine.address = shown
        assert guest.reach.endpoint() == Endpoint(used, 22)


def test_a_guest_that_nobody_talks_to_needs_no_port(network: Callable[..., Network]) -> None:
    guest = network(connector=NoneConnector(NoneConfig()))
    guest.reach.prepare()
    assert guest.machine.forwarded == []


def test_a_guest_that_is_reached_by_its_agent_needs_no_port(network: Callable[..., Network]) -> None:
    guest = network(connector=AgentConnector(AgentConfig()))
    guest.reach.prepare()
    assert guest.machine.forwarded == []
    assert guest.reach.endpoint() == Endpoint("", 0)
    guest.machine.failure = MachineError("it died")
    with pytest.raises(MachineError, match="it died"):
        guest.reach.endpoint()


def test_a_dead_machine(network: Callable[..., Network]) -> None:
    guest = network(net_bridge="br0")
    guest.machine.failure = MachineError("it died")
    with pytest.raises(MachineError, match="it died"):
        guest.reach.endpoint()
