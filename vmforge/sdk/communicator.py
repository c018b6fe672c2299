"""How vmforge talks to a guest: the connection, and the component that makes one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Generic, Protocol, TypeAlias, runtime_checkable

from vmforge.sdk.component import C, Component

if TYPE_CHECKING:
    from vmforge.sdk.context import BuildContext

# Called with each line that a remote command prints and whether it came on standard error.
Output: TypeAlias = Callable[[str, bool], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a guest is reachable right now."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Communicator(Protocol):
    """An open connection to a guest. All methods raise `CommunicatorError` when it breaks, and
    `Interrupted` when the build is told to stop while they wait."""

    @property
    def kind(self) -> str:
        """Its name in templates: `ssh`, `winrm`, `none`."""

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        """Run `command` in the guest's shell, stream what it prints, return its exit status.

        A command cut off by the connection's end (a reboot, say) raises `CommunicatorError`.
        """

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        """Write a file in the guest. Its folder must exist there. Shows progress when it is large."""

    def upload_directory(self, source: Path, destination: str) -> None:
        """Copy a folder, the way rsync names things: a `source` given as `DIR/` (see
        `provisioners/file.py`) means its contents; callers pass the final destination folder."""

    def download(self, source: str, destination: Path) -> None:
        """Fetch one file; `destination` is replaced only when it has arrived whole."""

    def download_directory(self, source: str, destination: Path) -> None:
        """Fetch a folder's contents into `destination`."""

    def reconnect(self, timeout: float) -> None:
        """Drop the connection and wait up to `timeout` seconds until the guest answers again."""

    def close(self) -> None:
        """End the connection; harmless when it is gone already."""


class GuestAgent(Protocol):
    """The agent of QEMU in a guest (https://qemu.readthedocs.io/en/latest/interop/qemu-ga-ref.html), reached
    through the hypervisor: no network is needed."""

    def ask(self, command: str, arguments: Mapping[str, object] | None = None, *, timeout: float) -> Any:
        """What the agent returns for one of its commands, decoded from JSON. Raises `CommunicatorError` when
        nobody answers within `timeout` seconds, and with the agent's own words when it refuses."""


@runtime_checkable
class InteractiveCommunicator(Communicator, Protocol):
    """A connection that can give the user a shell of their own."""

    def interact(self) -> int:
        """Connect this process's standard input and output to a shell in the guest until that ends; returns
        its exit status. Raises `CommunicatorError` when the connection breaks."""


@runtime_checkable
class PinningCommunicator(Communicator, Protocol):
    """A connection that knows the guest by its host key from the first contact on."""

    def forget_host_key(self) -> None:
        """The guest's host keys were taken away on purpose: the next contact may show another."""


class Connector(Component[C], ABC, Generic[C]):
    """A way to reach guests, as `communicator = "..."` names it: a component of its own, whose
    options stand in the source's body beside the builder's."""

    # Whether a guest's port must be reachable (the builder sets up a forward for it).
    needs_network: ClassVar[bool] = True
    # Whether the machine gets the channel of QEMU's guest agent; `BuildContext.agent` is then set.
    needs_agent: ClassVar[bool] = False

    @property
    def reaches_guest(self) -> bool:
        """Whether there is a way to talk to the guest at all."""
        return self.needs_network or self.needs_agent

    @property
    @abstractmethod
    def port(self) -> int:
        """The port in the guest."""

    @property
    @abstractmethod
    def host(self) -> str:
        """The address that the user fixed; empty when the builder is to find it."""

    def prepare(self, context: BuildContext) -> dict[str, str]:
        """Get ready before the machine starts (make a key pair); returns run-time values for the
        template (`SSHPublicKey`, `User`, ...)."""
        return {}

    @abstractmethod
    def connect(
        self, context: BuildContext, endpoint: Callable[[], Endpoint], *, time_scale: float = 1.0
    ) -> Communicator:
        """Wait until the guest answers and return the open connection.

        `endpoint` is asked before every try, because a restarted machine may be elsewhere; it raises
        `CommunicatorError` while the guest's address is not known yet, which is waited for, and another
        error when the machine is dead, which ends the wait. The user's time limits are multiplied by
        `time_scale` (10 under software emulation). Raises `CommunicatorError` naming what was last seen.
        """

    def finish(self, context: BuildContext, communicator: Communicator) -> None:
        """Tidy the guest up once it is provisioned (take a temporary key out of it, say). The builder
        calls it last of all, before it shuts the guest down; failures are warnings."""
