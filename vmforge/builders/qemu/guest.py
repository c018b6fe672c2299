"""The running guest of a build: started, watched, reached, and ended with the build."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

from vmforge.console.vnc import VncConsole
from vmforge.errors import CommunicatorError, Interrupted, MachineError, VmforgeError
from vmforge.hypervisor.connection import Hypervisor
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.machine import SavedMemory, VirtualMachine
from vmforge.sdk import Cancellation, Communicator


@dataclass
class Guest:
    """The virtual machine as a resource of a build: destroyed when the build ends."""

    hypervisor: Hypervisor
    spec: DomainSpec
    saved: SavedMemory | None = None
    machine: VirtualMachine | None = field(default=None, init=False)

    def __enter__(self) -> VirtualMachine:
        try:
            self.machine = self.hypervisor.start(self.spec, saved=self.saved)
        except MachineError as error:
            if self.saved is None:
                raise
            hint = "build with `-no-cache`, which makes the layers anew"
            raise MachineError(f"the layer cannot be restored: {error.message}", hint=hint) from error
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
        name, screen = self.spec.name, screen_of(self.machine)
        self.hypervisor.keep()
        shown = f", with its screen at `{screen}`" if screen else ""
        embedded = self.hypervisor.is_embedded
        end = f"pkill -f {name}" if embedded else f"virsh -c {self.hypervisor.uri} destroy {name}"
        return f"the machine `{name}`{shown}; end it with `{end}`"


@dataclass
class Watch:
    """While it is held, the machine's failure ends every wait on the guest, and so does `give_up`.

    Gives a cancellation to wait with: set when the build is told to stop, and when the waits are to end.
    """

    machine: VirtualMachine
    parent: Cancellation
    _own: Cancellation = field(default_factory=Cancellation, init=False)
    _verdict: VmforgeError | None = field(default=None, init=False)
    _undo: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Cancellation:
        own = self._own

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

    def give_up(self, verdict: VmforgeError) -> None:
        """End the waits on the guest: nothing can come of them any more."""
        self._verdict = verdict
        self._own.cancel()

    def take_back(self) -> None:
        """Something came of it after all."""
        if self._verdict is not None:
            self._resume()

    def reason(self, error: VmforgeError) -> VmforgeError:
        """Why the guest was lost: the machine's own failure, with QEMU's words, or the verdict that nothing
        can come of it, if that was it. After a verdict the step may be tried again."""
        if not isinstance(error, (Interrupted, CommunicatorError)) or self.parent.cancelled:
            return error
        if self.machine.failure is not None:
            return self.machine.failure
        verdict = self._verdict
        if verdict is None:
            return error
        self._resume()
        return verdict

    def _resume(self) -> None:
        self._verdict = None
        self._own.withdraw()
        if self.parent.cancelled or self.machine.failure is not None:  # in that very moment
            self._own.cancel()


@dataclass(frozen=True)
class ReachedGuest:
    """The guest as provisioners see it."""

    communicator: Communicator


def screen_of(machine: VirtualMachine) -> str:
    """Where a VNC viewer finds the machine's screen; empty when it has none."""
    if (address := machine.vnc_address) is not None:
        return f"{address[0]}:{address[1]}"
    return str(machine.vnc_socket_path or "")


def console_of(machine: VirtualMachine, cancellation: Cancellation) -> VncConsole:
    """The machine's screen and keyboard, also after it has restarted."""
    return VncConsole(machine.open_console, cancellation)
