"""Where this machine reaches the guest's communicator."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmforge.builders.qemu.config import QemuConfig
from vmforge.errors import CommunicatorError
from vmforge.hypervisor.devices import Forward
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.hypervisor.qemuoptions import Options
from vmforge.sdk import BuildContext, Endpoint

_LOCALHOST = "127.0.0.1"
_NETWORK_SWITCHES = ("-netdev", "--netdev", "-nic", "-net")


@dataclass
class Reach:
    """The way to the guest: the address that the user fixed, a forward of the template's own, the
    guest's address on a bridge, or a port that is forwarded for the build."""

    machine: VirtualMachine
    context: BuildContext
    config: QemuConfig
    _seen: str = field(default="", init=False)

    def prepare(self) -> None:
        """Forward a port to the guest's, unless there is another way."""
        connector = self.context.connector
        if not connector.needs_network or connector.host or self._own() is not None:
            return
        if not (self.config.net_bridge or self.config.skip_nat_mapping):
            self.machine.forward(connector.port, ports=self.config.forwarded_ports)

    def endpoint(self) -> Endpoint:
        """The address right now. Raises `MachineError` when the machine is gone, `CommunicatorError`
        while the guest's address is not known yet."""
        self.machine.check()
        connector = self.context.connector
        if connector.host or not connector.needs_network:
            return Endpoint(connector.host, connector.port)
        if (own := self._own()) is not None:
            return own
        if self.config.net_bridge:
            return Endpoint(self._address_on_bridge(), connector.port)
        if self.config.skip_nat_mapping:
            return Endpoint(_LOCALHOST, connector.port)
        return Endpoint(_LOCALHOST, self.machine.forwarded_port(connector.port))

    def _own(self) -> Endpoint | None:
        return own_forward(self.machine.spec, self.context.connector.port)

    def _address_on_bridge(self) -> str:
        # a guest's reboot takes its card off the bridge for a moment, and the kernel forgets the address;
        # trying it again shows whether the guest is still there
        self._seen = self.machine.bridge_address() or self._seen
        if not self._seen:
            raise CommunicatorError(
                f"the guest has not shown an address on the bridge `{self.config.net_bridge}` yet",
                hint="see that it gets one there by DHCP and talks to this machine, or set `ssh_host`",
            )
        return self._seen


def own_forward(spec: DomainSpec, guest_port: int) -> Endpoint | None:
    """This machine's end of a forward to the guest's port that the template's `qemuargs` bring along."""
    for forward in _forwards(spec):
        if forward.protocol == "tcp" and forward.guest_port == guest_port and forward.host_port:
            everywhere = forward.host_address in ("", "0.0.0.0")
            return Endpoint(_LOCALHOST if everywhere else forward.host_address, forward.host_port)
    return None


def _forwards(spec: DomainSpec) -> list[Forward]:
    """The forwards of the cards that are elements, and of the networks that QEMU gets as they are."""
    rules = [
        rule
        for switch, value in spec.qemu_arguments
        if switch in _NETWORK_SWITCHES
        for rule in Options.parse(value, implied="type").take_all("hostfwd")
    ]
    loose = [forward for forward in map(Forward.parse, rules) if forward is not None]
    return [forward for card in spec.interfaces for forward in card.forwards] + loose
