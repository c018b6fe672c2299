"""What a hypervisor must be able to do for the recipe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from vmforge.builders.installing.options import InstallOptions
from vmforge.builders.iso import IsoOptions
from vmforge.builders.services import HostAddress
from vmforge.sdk import Artifact, BuildContext, Communicator, Endpoint

if TYPE_CHECKING:
    from vmforge.console.keys import Keyboard
    from vmforge.console.sight import Sight


@dataclass(frozen=True, slots=True)
class Media:
    """What the machine starts with: the medium that `Hypervisor.medium` names (an installer's ISO, or the
    image or description of a machine), and what was made for the build."""

    medium: Path | None = None
    cd: Path | None = None
    floppy: Path | None = None


@dataclass(frozen=True, slots=True)
class Console:
    """A machine's keyboard, and eyes on its screen where it can be seen."""

    keyboard: Keyboard
    sight: Sight | None = None


class Hypervisor(ABC):
    """One build's machine on one hypervisor.

    The recipe calls `prepare`, `host_address`, `create`, `start`, `console`, `endpoint` (before every try to
    connect), `power_button` or `power_off`, `finish`, `artifact`, in this order, and `destroy` at the end of
    the build, however it ends, once `create` was called. All raise `HostError` for what this machine lacks
    and `MachineError` for what the hypervisor refuses, with its own words. Waits end when the build is told
    to stop; `destroy` is called after that too and must work then.
    """

    # What messages call it ("VirtualBox"), and what its machines are recorded under.
    title: ClassVar[str]

    def __init__(self, config: InstallOptions, context: BuildContext) -> None:
        self.install_options = config
        self.context = context
        self.name = config.vm_name or f"packer-{context.name}"

    @property
    def record_name(self) -> str:
        """What tells this machine from all others here; builds with the same one do not run side by side."""
        return self.name

    # -- before the machine is there

    @property
    def output(self) -> Path | None:
        """The output directory; None for a builder that leaves no files on this machine."""
        return None

    def medium(self) -> IsoOptions | None:
        """What is to be fetched for the machine before it is made: by default the source's ISO, if it has
        one."""
        config = self.install_options
        return config if isinstance(config, IsoOptions) and config.urls else None

    @abstractmethod
    def prepare(self, leftover: str) -> None:
        """Look whether the machine can be made: the hypervisor answers, and the name is free. `leftover` is
        what `create` was told to remember by a build of that name that was killed; empty when there is none.
        That machine is deleted; another machine of that name is, too, with `-force`, and else refused."""

    @abstractmethod
    def host_address(self) -> HostAddress:
        """Where the guest reaches this machine. Asked only when there is something to serve."""

    # -- while it is there

    @abstractmethod
    def create(self, media: Media, remember: Callable[[str], None]) -> None:
        """Make the machine, not started. `remember` is told what the next run needs to delete it, in case
        this one is killed: before the machine is there, where its identity is known, else right after."""

    @abstractmethod
    def start(self) -> None:
        """Power it on."""

    @abstractmethod
    def console(self) -> AbstractContextManager[Console]:
        """Its keyboard and screen, for the boot command."""

    def await_guest(self) -> None:
        """Wait for what the hypervisor tells of the guest's address, where that has a time limit of its own.
        Not called where the user has fixed the address."""
        return

    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Where the guest's communicator is reached. Raises `CommunicatorError` while that is not known. Not
        asked where the user has fixed the address."""

    @abstractmethod
    def is_running(self) -> bool:
        """Whether it is powered on."""

    @abstractmethod
    def power_button(self) -> None:
        """Ask the guest to shut down (ACPI)."""

    @abstractmethod
    def power_off(self) -> None:
        """Cut its power."""

    def reached(self, communicator: Communicator) -> None:
        """The guest was connected to: bring into it what belongs there (the hypervisor's tools), before the
        provisioners run."""
        return

    # -- once it is off

    @abstractmethod
    def finish(self) -> None:
        """The guest is off: take out what was put in for the build, and export. What belongs to the artifact
        is in the output directory afterwards, if there is one."""

    @abstractmethod
    def artifact(self, files: tuple[Path, ...]) -> Artifact:
        """What the build leaves; `files` are those in the output directory."""

    @property
    def keeps_machine(self) -> bool:
        """Whether the machine itself stays after a build that succeeded."""
        return False

    @abstractmethod
    def destroy(self) -> None:
        """Power the machine off and delete it, as far as it is there. Not called after a success when the
        machine is kept."""

    def how_to_end(self) -> str:
        """The command, or the order, that deletes a machine that `-on-error=abort` left."""
        return f"delete it in {self.title}"
