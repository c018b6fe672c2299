"""The machine of a build as a resource: made, and deleted with the build unless it is to stay."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from vmforge.builders.installing.contract import Hypervisor, Media
from vmforge.builders.installing.record import MachineRecord
from vmforge.errors import MachineError
from vmforge.sdk import Cancellation, Communicator, Endpoint

# How often a hypervisor is asked whether the machine still runs.
_POLL_SECONDS: Final = 1.0


@dataclass
class Guest:
    """The machine, from its creation to its end."""

    hypervisor: Hypervisor
    media: Media
    record: MachineRecord
    _succeeded: bool = field(default=False, init=False)

    def __enter__(self) -> Guest:
        try:
            self.hypervisor.create(self.media, self.record.remember)
        except BaseException:
            self._destroy()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not (self._succeeded and self.hypervisor.keeps_machine):
            self._destroy()

    def keep(self) -> str:
        """Let the machine live on (`-on-error=abort`)."""
        hypervisor = self.hypervisor
        return f"the machine `{hypervisor.name}` in {hypervisor.title}; {hypervisor.how_to_end()}"

    def succeeded(self) -> None:
        """Its build did all that it was to do."""
        self._succeeded = True

    def endpoint(self) -> Endpoint:
        """Where the guest is now; `MachineError` when it has ended."""
        connector = self.hypervisor.context.connector
        self.check()
        if connector.host or not connector.needs_network:
            return Endpoint(connector.host, connector.port)
        return self.hypervisor.endpoint()

    def check(self) -> None:
        """Raise `MachineError` when it has ended."""
        if not self.hypervisor.is_running():
            hint = f"look at its log in {self.hypervisor.title}"
            raise MachineError(f"the machine `{self.hypervisor.name}` has ended", hint=hint)

    # -- what `shut_down` needs

    def wait_off(self, timeout: float, cancellation: Cancellation) -> bool:
        """Whether it is off within so many seconds."""
        deadline = time.monotonic() + timeout
        while self.hypervisor.is_running():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            cancellation.wait(min(_POLL_SECONDS, remaining))
        return True

    def power_button(self) -> None:
        self.hypervisor.power_button()

    def destroy(self) -> None:
        self.hypervisor.power_off()

    def _destroy(self) -> None:
        try:
            self.hypervisor.destroy()
        except BaseException:
            self.record.retain()
            raise


@dataclass(frozen=True)
class ReachedGuest:
    """The guest as provisioners see it."""

    communicator: Communicator
