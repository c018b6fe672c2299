"""The build of a machine on a hypervisor, start to end.

Follows the order of steps that Packer's plugins share: medium, output directory, answer files, floppy and CD,
machine, boot command, connection, provisioners, shutdown, export. Each resource is entered through the
build's steps, which release it however the build ends.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from vmforge.builders.boot_config import Installation, with_answers
from vmforge.builders.installing.booting import type_boot_command, wait_for_prompt
from vmforge.builders.installing.contract import Hypervisor, Media
from vmforge.builders.installing.guest import Guest, ReachedGuest
from vmforge.builders.installing.options import InstallOptions
from vmforge.builders.installing.record import MachineRecord
from vmforge.builders.installing.services import HypervisorServices
from vmforge.builders.iso import HeldIso
from vmforge.builders.output import OutputDirectory
from vmforge.builders.removable_media import make_cd, make_floppy
from vmforge.builders.shutdown import shut_down
from vmforge.errors import MachineError
from vmforge.sdk import Artifact, BuildContext, Communicator
from vmforge.sdk.connection import Connection


def install(config: InstallOptions, context: BuildContext, hypervisor: Hypervisor) -> Artifact:
    """Run the whole build; see `Builder.build`."""
    return _Recipe(config, context, hypervisor).run()


class _Recipe:
    def __init__(self, config: InstallOptions, context: BuildContext, hypervisor: Hypervisor) -> None:
        self.config = config
        self.context = context
        self.steps = context.steps
        self.hypervisor = hypervisor
        self.installation = Installation(config, config.uses_efi)
        self.services = HypervisorServices(
            config, self.installation, context, hypervisor.name, ask=hypervisor.host_address
        )

    def run(self) -> Artifact:
        """The recipe."""
        record = self._claim_name()
        output = self._prepare_output()
        media = self._media()
        guest = self.steps.enter("Creating the machine", Guest(self.hypervisor, media, record))
        self.steps.run("Starting the machine", self.hypervisor.start)
        self._boot(guest)
        self._use(guest)
        self.steps.run("Exporting the machine", self.hypervisor.finish)
        artifact = self.hypervisor.artifact(output.commit() if output is not None else ())
        guest.succeeded()
        return artifact

    # -- before the machine starts ------------------------------------------------------------

    def _claim_name(self) -> MachineRecord:
        """Nobody else makes a machine of this name now, and none is there."""
        hypervisor = self.hypervisor
        record = MachineRecord(self.context.state_dir, hypervisor.title, hypervisor.record_name)
        self.steps.enter("Claiming the machine's name", record, quiet=True)
        try:
            prepare = partial(hypervisor.prepare, record.leftover)
            self.steps.run(f"Looking at {hypervisor.title}", prepare, quiet=True)
        except BaseException:
            if record.leftover:
                record.retain()  # nobody knows whether it was deleted
            raise
        return record

    def _prepare_output(self) -> OutputDirectory | None:
        folder = self.hypervisor.output
        if folder is None:
            return None
        output = OutputDirectory(folder, self.context.force)
        return self.steps.enter("Preparing the output directory", output, quiet=True)

    def _media(self) -> Media:
        """Fetch and make what the machine starts with, and serve what its installer fetches."""
        named = self.hypervisor.medium()
        medium = None
        if named is not None:
            medium = self.steps.enter("Retrieving the medium", HeldIso(named, self.context)).path.absolute()
        self.context.data.update(self.context.connector.prepare(self.context))
        self.services.start()
        return self.steps.run("Making floppy and CD", partial(self._make_media, medium), quiet=True)

    def _make_media(self, medium: Path | None) -> Media:
        made = with_answers(self.config, self.installation, self.context, self.services.fields())
        return Media(medium, make_cd(made, self.context), make_floppy(made, self.context))

    # -- while the machine runs ---------------------------------------------------------------

    def _boot(self, guest: Guest) -> None:
        """Wait and type, unless there is nothing to type."""
        if not self.config.steps:
            return
        wait = partial(wait_for_prompt, self.config, self.context, guest)
        self.steps.run("Waiting for the boot prompt", wait, quiet=True)
        self.steps.run("Typing the boot command", self._type)

    def _type(self) -> None:
        with self.hypervisor.console() as console:
            type_boot_command(self.config, self.context, console, self.services.fields())

    def _use(self, guest: Guest) -> None:
        """Provision the guest, and see it off."""
        if not self.context.connector.reaches_guest:
            self._await_power_off(guest, "nothing talks to the guest")
        else:
            communicator = self._provision(guest)
            if self.config.disable_shutdown:
                communicator.close()
                self._await_power_off(guest, "`disable_shutdown` is set")
            else:
                self.steps.run("Shutting the guest down", partial(self._shut_down, guest, communicator))
        self._settle()

    def _provision(self, guest: Guest) -> Communicator:
        connector = self.context.connector
        if connector.needs_network and not connector.host:
            self.steps.run("Waiting for the guest's address", self.hypervisor.await_guest, quiet=True)
        protocol = self.context.data.get("ConnType", "the guest").upper()
        communicator = self.steps.enter(f"Waiting for {protocol}", Connection(self.context, guest.endpoint))
        where = guest.endpoint()
        self.context.data.update(Host=where.host, Port=str(where.port))
        self.hypervisor.reached(communicator)
        self.context.provision(ReachedGuest(communicator))
        connector.finish(self.context, communicator)
        return communicator

    def _shut_down(self, guest: Guest, communicator: Communicator) -> None:
        if self.hypervisor.is_running():
            shut_down(self.config, self.context, guest, communicator, 1.0)

    def _await_power_off(self, guest: Guest, why: str) -> None:
        if self.config.shutdown_command:
            self.context.ui.warn(f"`shutdown_command` is not run: {why}")
        limit = self.config.shutdown_timeout

        def wait() -> None:
            if not guest.wait_off(limit.seconds, self.context.cancellation):
                hint = "make the guest power off when it is done, or raise `shutdown_timeout`"
                raise MachineError(f"the guest did not power off within {limit}", hint=hint)

        self.steps.run("Waiting for the guest to power off", wait)

    def _settle(self) -> None:
        delay = self.config.post_shutdown_delay.seconds
        if delay > 0:
            wait = partial(self.context.cancellation.wait, delay)
            self.steps.run("Waiting after the shutdown (`post_shutdown_delay`)", wait, quiet=True)
