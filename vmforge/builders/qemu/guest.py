"""The running guest of a build: started, watched, reached, and ended with the build."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

from vmforge.console.vnc import VncConsole
from vmforge.errors import CommunicatorError, HostError, Interrupted, VmforgeError
from vmforge.hypervisor.connection import Hypervisor
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import BuildContext, Cancellation, Communicator, Endpoint

# How long a bridge may take to show the guest's address is up to the communicator's own limit.
_LOCALHOST = "127.0.0.1"


@dataclass
class Guest:
    """The virtual machine as a resource of a build: destroyed when the build ends."""

    hypervisor: Hypervisor
    spec: DomainSpec
    context: BuildContext
    machine: VirtualMachine | None = field(default=None, init=False)

    def __enter__(self) -> VirtualMachine:
        self.machine = self.hypervisor.start(self.spec)
        return self.machine

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.machine is not None:
            self.machine.destroy()

    def keep(self) -> str:
        """Let the machine live on (`-on-error=abort`)."""
        if self.machine is None or not self.machine.is_running:
            return ""
        console = self.machine.vnc_socket_path
        self.hypervisor.keep()
        name = self.spec.name
        return f"the machine `{name}`, with its screen at `{console}`; end it with `pkill -f {name}`"


@dataclass
class Watch:
    """While it is held, the machine's failure ends every wait on the guest.

    Gives a cancellation to wait with: set when the build is told to stop, and when the machine fails.
    """

    machine: VirtualMachine
    parent: Cancellation
    _undo: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Cancellation:
        own = Cancellation()

        def ended() -> None:
            if self.machine.failure is not None:
                own.cancel()

        with ExitStack() as undo:
            undo.enter_context(self.parent.on_cancel(own.cancel))
            undo.callback(self.machine.on_end(ended))
            self._undo = undo.pop_all()
        return own

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def reason(self, error: VmforgeError) -> VmforgeError:
        """Why the guest was lost: the machine's own failure, with QEMU's words, if that was it."""
        lost = isinstance(error, (Interrupted, CommunicatorError)) and not self.parent.cancelled
        return self.machine.failure if lost and self.machine.failure is not None else error


@dataclass(frozen=True)
class ReachedGuest:
    """The guest as provisioners see it."""

    communicator: Communicator


def console_of(machine: VirtualMachine, cancellation: Cancellation) -> VncConsole:
    """The machine's screen and keyboard, also after it has restarted."""
    return VncConsole(machine.open_console, cancellation)


@dataclass(frozen=True)
class Reach:
    """Where the guest's communicator is to be found."""

    machine: VirtualMachine
    context: BuildContext
    bridge: str
    skip_nat_mapping: bool = False

    def prepare(self, ports: range | None) -> None:
        """Set up the forward of the guest's port, if it takes one."""
        connector = self.context.connector
        if connector.needs_network and not (connector.host or self.bridge or self.skip_nat_mapping):
            self.machine.forward(connector.port, ports=ports)

    def endpoint(self) -> Endpoint:
        """The address right now. Raises `MachineError` when the machine is gone."""
        self.machine.check()
        connector = self.context.connector
        if connector.host:
            return Endpoint(connector.host, connector.port)
        if self.bridge:
            return Endpoint(self._address_on_bridge(), connector.port)
        if self.skip_nat_mapping:
            return Endpoint(_LOCALHOST, connector.port)
        return Endpoint(_LOCALHOST, self.machine.forwarded_port(connector.port))

    def _address_on_bridge(self) -> str:
        address = self.machine.bridge_address()
        if not address:
            hint = "give the guest an address on the bridge by DHCP, or set `ssh_host`"
            raise HostError(f"the guest has no address on the bridge `{self.bridge}` yet", hint=hint)
        return address
