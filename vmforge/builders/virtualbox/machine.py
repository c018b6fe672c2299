"""A build's machine in VirtualBox."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from vmforge.builders.installing.booting import grouped_keyboard
from vmforge.builders.installing.contract import Console, Hypervisor, Media
from vmforge.builders.iso import HeldIso
from vmforge.builders.ports import PortReservation
from vmforge.builders.services import HostAddress
from vmforge.builders.virtualbox import commands
from vmforge.builders.virtualbox.additions import additions_medium, bring_in
from vmforge.builders.virtualbox.commands import Command
from vmforge.builders.virtualbox.config import VirtualBoxOptions
from vmforge.builders.virtualbox.screen import ScanCodes, Screen
from vmforge.builders.virtualbox.tool import VBoxManage
from vmforge.errors import HostError, VmforgeError
from vmforge.sdk import (
    Artifact,
    BuildContext,
    Communicator,
    Endpoint,
    FileArtifact,
)

BUILDER_ID: Final = "mitchellh.virtualbox"

# Where VirtualBox's NAT has this machine's loopback.
_LOOPBACK, _SEEN_THROUGH_NAT = "127.0.0.1", "10.0.2.2"
ON: Final = ("running", "paused", "starting", "stopping", "restoring", "saving", "gurumeditation", "stuck")


class VirtualBox(Hypervisor):
    """What the three builders have in common; they differ in where the machine comes from."""

    title = "VirtualBox"

    def __init__(self, config: VirtualBoxOptions, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.tool = VBoxManage.of(context.cancellation)
        self.folder = config.output_directory or Path(f"output-{context.name}")
        self.version = ""
        self.additions: Path | None = None
        self._ports: dict[str, PortReservation] = {}
        self._host_port = 0
        self._floppy = False

    # -- where the machine comes from

    @abstractmethod
    def make(self, media: Media) -> None:
        """Make the machine, or find it, with its disks and discs."""

    @abstractmethod
    def take_out(self) -> Iterator[Command]:
        """Take out the discs that were put in for the build."""

    def after_export(self) -> None:
        """What is to be done to the machine once it was exported."""
        return

    def remove(self) -> None:
        """Take the machine away, as far as it is there; also when the build was told to stop."""
        self.delete()

    # -- the hypervisor

    @property
    def output(self) -> Path:
        return self.folder

    @property
    def keeps_machine(self) -> bool:
        return self.config.keep_registered

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def prepare(self, leftover: str) -> None:
        self.version = self.tool.version()
        self.context.ui.message(f"VirtualBox {self.version}")
        if self.tool.info(self.name) is None:
            return
        if leftover == self.name:
            self.context.ui.message(f"deleting the machine `{self.name}` of a build that was killed")
        elif not self.context.force:
            hint = "give `-force` to replace it, or set another `vm_name`"
            raise HostError(f"VirtualBox has a machine `{self.name}` already", hint=hint)
        self.delete()

    def host_address(self) -> HostAddress:
        return HostAddress(_LOOPBACK, _SEEN_THROUGH_NAT)

    def create(self, media: Media, remember: Callable[[str], None]) -> None:
        self.additions = self._find_additions()
        self.remember = remember
        self.make(media)
        if media.floppy is not None:
            self._floppy = True
            self.tool.run_all(commands.attach_floppy(self.name, media.floppy))
        if self.config.serves or self.config.boot_config or self.context.packages is not None:
            self.tool.run_all(commands.reach_loopback(self.name, self.major))
        self._open_ports()
        self._run_own(self.config.vboxmanage, "vboxmanage")

    def start(self) -> None:
        for reservation in self._ports.values():
            reservation.__exit__(None, None, None)  # VirtualBox listens there now
        self._ports.clear()
        self.context.data["ID"] = self.name
        self.tool.run(commands.start(self.name, self.config))

    @contextmanager
    def console(self) -> Iterator[Console]:
        from vmforge.console.sight import Sight

        keyboard = grouped_keyboard(self.config, self.context, ScanCodes(self.tool, self.name).send)
        picture = self.context.scratch.absolute() / "screen.png"
        yield Console(keyboard, Sight(Screen(self.tool, self.name, picture)))

    def endpoint(self) -> Endpoint:
        return Endpoint(_LOOPBACK, self._host_port or self.context.connector.port)

    def is_running(self) -> bool:
        info = self.tool.info(self.name)
        return info is not None and info.get("VMState", "") in ON

    def power_button(self) -> None:
        self.tool.run(("controlvm", self.name, "acpipowerbutton"))

    def power_off(self) -> None:
        self.tool.run(("controlvm", self.name, "poweroff"))

    def reached(self, communicator: Communicator) -> None:
        work = partial(bring_in, self.config, self.context, communicator, self.additions, self.version)
        self.context.steps.run("Bringing in the guest additions", work, quiet=True)

    def finish(self) -> None:
        if self._floppy:
            self.tool.run_all(commands.detach_floppy(self.name))
        self.tool.run_all(self.take_out())
        if self._host_port:
            self.tool.run(commands.forget_forward(self.name))
        self._run_own(self.config.vboxmanage_post, "vboxmanage_post")
        if not self.config.skip_export:
            file_name = self.config.output_filename or self.name
            target = self.folder.absolute() / f"{file_name}.{self.config.format}"
            self.tool.run(commands.export(self.name, target, self.config))
        self.after_export()
        if not self.keeps_machine:
            self.remove()  # with its disks, which are in the output directory too

    def artifact(self, files: tuple[Path, ...]) -> Artifact:
        description = f"VM files in directory: {self.folder}"
        state: dict[str, object] = {
            "vm_name": self.name,
            "generated_data": dict(self.context.data),
            **self.described(files),
        }
        return FileArtifact(BUILDER_ID, "VM", files, description, self.folder, state)

    def described(self, files: tuple[Path, ...]) -> dict[str, object]:
        """What more the artifact says of itself."""
        return {}

    def destroy(self) -> None:
        for reservation in self._ports.values():
            reservation.__exit__(None, None, None)
        self._ports.clear()
        self.remove()

    def how_to_end(self) -> str:
        return f"end it with `VBoxManage controlvm {self.name} poweroff`"

    # -- parts

    def delete(self) -> None:
        """Delete the machine and its disks, if it is there."""
        tool = self.tool.undoing
        info = tool.info(self.name)
        if info is None:
            return
        if info.get("VMState", "") in ON:
            try:
                tool.run(("controlvm", self.name, "poweroff"))
            except VmforgeError:
                pass  # it ended by itself right then
        tool.run(("unregistervm", self.name, "--delete"))

    def _find_additions(self) -> Path | None:
        if not self.context.connector.reaches_guest:
            return None
        named = additions_medium(self.config, self.context, self.tool, self.version)
        if named is None:
            return None
        held = HeldIso(named, self.context)
        return self.context.steps.enter("Retrieving the guest additions", held).path.absolute()

    def _open_ports(self) -> None:
        config = self.config
        display = self._reserve("display", range(config.vrdp_port_min, config.vrdp_port_max + 1))
        self.tool.run(commands.open_display(self.name, config.vrdp_bind_address, display))
        connector = self.context.connector
        if connector.needs_network and not (config.skip_nat_mapping or connector.host):
            ports = range(config.host_port_min, config.host_port_max + 1)
            self._host_port = self._reserve("forward", ports)
            self.tool.run(commands.forward_port(self.name, self._host_port, connector.port))

    def _reserve(self, purpose: str, ports: range) -> int:
        """A free port, held until the machine starts."""
        reservation = PortReservation(ports)
        port = reservation.__enter__()
        self._ports[purpose] = reservation
        return port

    def _run_own(self, own: tuple[tuple[str, ...], ...], option: str) -> None:
        """The template's own commands."""
        data = self.context.data
        fields = {"Name": self.name, "HTTPIP": data["PackerHTTPIP"], "HTTPPort": data["PackerHTTPPort"]}
        for command in own:
            rendered = tuple(self.context.render(part, fields) for part in command)
            self.context.ui.message(f"`{option}`: {' '.join(rendered)}")
            self.tool.run(rendered)
