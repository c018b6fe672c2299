"""The build of a `source "qemu"`, start to end.

Follows Packer's order of steps: output directory, medium, disks, answer files, machine, boot command,
connection, provisioners, shutdown, compaction. Each resource is entered through the build's steps,
which release it however the build ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vmforge.builders.boot_config import Installation, with_answers
from vmforge.builders.cloud_init import await_cloud_init, make_seed, seed_arguments
from vmforge.builders.iso import HeldIso, retrieve_iso
from vmforge.builders.kernel_boot import read_kernel
from vmforge.builders.output import OutputDirectory, finished_files
from vmforge.builders.ports import PortReservation
from vmforge.builders.qemu.acceleration import Speed, choose_speed
from vmforge.builders.qemu.arguments import wants_host_port, with_qemuargs
from vmforge.builders.qemu.booting import Booting
from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.qemu.disks import Disks
from vmforge.builders.qemu.firmware import EFI_VARIABLES, find_firmware
from vmforge.builders.qemu.guest import Guest, ReachedGuest, Watch, screen_of
from vmforge.builders.qemu.hardware import Media, architecture, domain_spec, processors
from vmforge.builders.qemu.layering import (
    LayeredGuest,
    address_locks,
    bring_back,
    going_on,
    inputs,
    set_clock,
    why_none,
)
from vmforge.builders.qemu.lookout import Lookout
from vmforge.builders.qemu.minimising import Minimising, check_host
from vmforge.builders.qemu.reach import Reach
from vmforge.builders.qemu.services import QemuServices
from vmforge.builders.removable_media import make_cd, make_floppy
from vmforge.builders.shutdown import shut_down
from vmforge.console.film import check_film
from vmforge.errors import DownloadError, HostError, MachineError, VmforgeError
from vmforge.hypervisor.connection import Connecting, Hypervisor, connect
from vmforge.hypervisor.devices import AgentChannel, Kernel
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import (
    APPLIANCE,
    Appliance,
    Artifact,
    BuildContext,
    Communicator,
    FileArtifact,
    FirmwareKind,
    FrozenMachine,
    Inputs,
    Size,
)
from vmforge.sdk.connection import Connection

BUILDER_ID = "transcend.qemu"


def build(config: QemuConfig, context: BuildContext) -> Artifact:
    """Run the whole build; see `Builder.build`."""
    return _Recipe(config, context).run()


@dataclass(frozen=True)
class _Running:
    """The machine that runs, with what is known of it; `frozen` is the layer that it went on from."""

    machine: VirtualMachine
    disks: Disks
    speed: Speed
    frozen: FrozenMachine | None


def find_artifact(config: QemuConfig, context: BuildContext) -> Artifact | None:
    """See `Builder.find_artifact`."""
    return _Recipe(config, context).find_artifact()


def layer_inputs(config: QemuConfig, context: BuildContext) -> Inputs | str:
    """See `Builder.layer_inputs`."""
    if not context.connector.reaches_guest:
        return "nothing talks to the guest"
    return why_none(config) or _Recipe(config, context).known_inputs()


class _Recipe:
    def __init__(self, config: QemuConfig, context: BuildContext) -> None:
        self.config = config
        self.context = context
        self.steps = context.steps
        self.installation = Installation(config, config.uses_efi)
        self.name = config.vm_name or f"packer-{context.name}"
        # shown and handed on as the template has it; the machine gets the absolute path
        self.folder = config.output_directory or Path(f"output-{context.name}")
        if context.throwaway:
            self.folder = context.scratch / "output"

    def run(self) -> Artifact:
        """The recipe."""
        output = self.steps.enter(
            "Preparing the output directory", OutputDirectory(self.folder, self.context.force), quiet=True
        )
        hypervisor = self.steps.enter("Opening the hypervisor", self._hypervisor(), quiet=True)
        speed = self._choose_speed(hypervisor)
        check_host(self.config, self.context)
        check_film(self.context.film)
        medium = self.steps.enter("Retrieving the ISO", HeldIso(self.config, self.context))
        disks = Disks.planned(self.config, self.context, medium.path, self.folder.absolute(), self.name)
        minimising = Minimising(self.config, self.context, disks)
        frozen = self._begin(disks, partial(self._inputs, medium.digest, hypervisor, speed))
        self.context.data.update(self.context.connector.prepare(self.context))
        goes_on = frozen is not None
        self.services = QemuServices(self.config, self.installation, self.context, self.name, goes_on)
        self.services.start()
        spec = self._describe_machine(disks, medium.path, speed)
        if self.config.boots_kernel and frozen is None:
            spec = replace(spec, kernel=self._read_kernel(medium.path, spec.arch))
        running = self._start(hypervisor, spec, disks, speed, frozen)
        self._use_explained(running, minimising)
        minimising.on_host()
        self.steps.run("Flattening the disk" if disks.are_copied else "Checking the disk", disks.finish)
        return self._artifact(output.commit(), disks, speed)

    def find_artifact(self) -> Artifact | None:
        """What an earlier build left in the output directory, if that is whole."""
        disks = Disks.planned(self.config, self.context, Path(), self.folder.absolute(), self.name)
        made = (*(path.name for path in disks.paths), EFI_VARIABLES)
        # post-processors may have left their own files there
        files = tuple(path for path in finished_files(self.folder) if path.name in made)
        if not all(path.exists() for path in disks.paths) or not files:
            return None
        with self._hypervisor() as hypervisor:
            speed = choose_speed(self.config, hypervisor)
        return self._artifact(files, disks, speed)

    # -- before the machine starts ------------------------------------------------------------

    def _hypervisor(self) -> Connecting:
        uri = self.config.libvirt_uri or os.environ.get("VMFORGE_LIBVIRT_URI", "")
        return connect(uri, self.context.state_dir, self.context.cancellation)

    def _choose_speed(self, hypervisor: Hypervisor) -> Speed:
        if hypervisor.is_remote:
            hint = "use a hypervisor on this machine (`qemu:///system`, `qemu:///session`), or none at all"
            raise HostError("building on a remote hypervisor is not supported", hint=hint)
        speed = choose_speed(self.config, hypervisor)
        if speed.notice:
            self.context.ui.message(speed.notice)
        return speed

    def _inputs(self, medium_digest: str, hypervisor: Hypervisor, speed: Speed) -> Inputs:
        emulator = hypervisor.emulator(self.config.qemu_binary, architecture(self.config.qemu_binary))
        firmware = find_firmware(self.config, architecture(self.config.qemu_binary), self.folder)
        return inputs(self.config, medium_digest, speed.accelerator, Path(emulator), firmware)

    def known_inputs(self) -> Inputs | str:
        """The inputs, if the medium is here already."""
        try:
            medium = retrieve_iso(self.config, self.context, fetch=False)
        except DownloadError as error:
            return error.message
        with self._hypervisor() as hypervisor:
            speed = choose_speed(self.config, hypervisor)
            return self._inputs(medium.digest, hypervisor, speed)

    def _begin(self, disks: Disks, inputs: Callable[[], Inputs]) -> FrozenMachine | None:
        """Make the disks: over those of a layer, which is returned, or new ones."""
        layers = self.context.layers if self.context.connector.reaches_guest else None
        if layers is not None and (reason := why_none(self.config)):
            self.context.ui.message(f"no layers are kept: {reason}")
            layers = None
        beginning = None
        if layers is not None:
            begin = layers.begin
            beginning = self.steps.run("Choosing a layer", lambda: begin(inputs()), quiet=True)
        if beginning is not None and beginning.frozen is not None:
            disks.in_use = disks.lay_over(beginning.frozen.disks, beginning.folder)
            bring_back(beginning.frozen, self.folder, self.context)
            return beginning.frozen
        if beginning is not None:
            disks.work_in(beginning.folder)
        self.steps.run("Creating the disks", disks.create, quiet=True)
        return None

    def _describe_machine(self, disks: Disks, medium: Path, speed: Speed) -> DomainSpec:
        host_port = self._host_port()
        media = self.steps.run("Making floppy and CD", lambda: self._media(disks, medium), quiet=True)
        spec = domain_spec(self.config, media, speed.accelerator)
        if self.context.connector.needs_agent:
            spec = replace(spec, agent=AgentChannel())
        if self.config.qemuargs:
            spec = self._with_qemuargs(spec, host_port)
        told = seed_arguments(self.config, self.context.data["PackerHTTPAddr"])
        return replace(spec, qemu_arguments=(*spec.qemu_arguments, *told)) if told else spec

    def _with_qemuargs(self, spec: DomainSpec, host_port: int) -> DomainSpec:
        fields = self.services.fields() | {
            "HTTPDir": str(self.config.http_directory.absolute()) if self.config.http_directory else "",
            "HTTPContent": dict(self.config.http_content),
            "OutputDir": str(self.folder.absolute()),
            "SSHHostPort": str(host_port),
        }
        return with_qemuargs(spec, self.config, self.context, fields)

    def _read_kernel(self, iso: Path, arch: str) -> Kernel:
        read = partial(read_kernel, self.config, self.context, iso, arch, self.services.fields())
        return self.steps.run("Reading the kernel", read, quiet=True)

    def _host_port(self) -> int:
        """What `{{ .SSHHostPort }}` stands for: a port held for the forward in the template's `qemuargs`."""
        if not wants_host_port(self.config) or self.config.skip_nat_mapping:
            return self.context.connector.port
        reservation = PortReservation(self.config.forwarded_ports)
        return self.steps.enter("Reserving a port", reservation, quiet=True)

    def _media(self, disks: Disks, medium: Path) -> Media:
        installer = None if self.config.disk_image else medium.absolute()
        made = with_answers(self.config, self.installation, self.context, self.services.fields())
        discs = (installer, make_cd(made, self.context))
        output = self.folder.absolute()
        return Media(
            disks=disks.in_use,
            disk_format=disks.format,
            discs=tuple(disc for disc in discs if disc is not None),
            floppy=make_floppy(made, self.context),
            firmware=find_firmware(self.config, architecture(self.config.qemu_binary), output),
            serial_log=self.context.scratch.absolute() / "serial.log",
            seed=make_seed(self.config, self.context, self.services.fields()),
        )

    # -- while the machine runs ---------------------------------------------------------------

    def _start(
        self,
        hypervisor: Hypervisor,
        spec: DomainSpec,
        disks: Disks,
        speed: Speed,
        frozen: FrozenMachine | None,
    ) -> _Running:
        """Start the machine, or let it go on from a layer, and have it watched."""
        spec, saved = going_on(spec, frozen, self.context.scratch.absolute())
        for lock in address_locks(spec, self.context) if disks.layered else ():
            self.steps.enter("Waiting for the guest's address", lock, quiet=True)
        title = f"{'Restoring' if frozen else 'Starting'} the machine"
        machine = self.steps.enter(title, Guest(hypervisor, spec, saved))
        watch = Watch(machine, self.context.cancellation)
        cancellation = self.steps.enter("Watching the machine", watch, quiet=True)
        agent = machine.agent() if spec.agent is not None else None
        self.context = replace(self.context, cancellation=cancellation, agent=agent)
        lookout = self._lookout(machine, watch, speed.time_scale)
        self.lookout = self.steps.enter("Looking at the screen", lookout, quiet=True)
        return _Running(machine, disks, speed, frozen)

    def _use_explained(self, running: _Running, minimising: Minimising) -> None:
        """Use the machine; a failure is told with what was seen of the guest."""
        try:
            self._use(running, minimising)
        except VmforgeError as error:
            reason = self.lookout.explain(error)
            if reason is error:
                raise
            raise reason from error

    def _use(self, running: _Running, minimising: Minimising) -> None:
        """All that happens while the guest runs."""
        machine, speed = running.machine, running.speed
        reach = Reach(machine, self.context, self.config)
        self.steps.run("Forwarding the guest's port", reach.prepare, quiet=True)
        self._tell_how_to_watch(machine)
        if running.frozen is None:
            self._boot(machine, speed)
        if not self.context.connector.reaches_guest:
            self._await_power_off(machine, speed)
            return
        communicator = self._provision(running, reach)
        if machine.is_running:
            minimising.in_guest(communicator)
        self.steps.run("Shutting the guest down", lambda: self._shut_down(machine, communicator, speed))

    def _lookout(self, machine: VirtualMachine, watch: Watch, time_scale: float) -> Lookout:
        attended = not self.config.headless
        return Lookout(machine, watch, self.context, self.services.answer_files, time_scale, attended)

    def _tell_how_to_watch(self, machine: VirtualMachine) -> None:
        screen = "" if self.config.headless else screen_of(machine)
        if not screen:
            return
        vnc = machine.spec.graphics
        generated = vnc.password if vnc is not None and not self.config.vnc_password else None
        # it protects the screen from others, and the user has no other way to know it
        password = f", password `{generated.value}`" if generated else ""
        self.context.ui.message(f"watch it with a VNC viewer at `{screen}`{password}")

    def _boot(self, machine: VirtualMachine, speed: Speed) -> None:
        """Wait and type, unless there is nothing to type."""
        if self.config.boots_kernel or not self.config.steps:
            return
        booting = Booting(self.config, self.context, machine, speed.time_scale, self.lookout.reader)
        self.steps.run("Waiting for the boot prompt", booting.wait, quiet=True)
        self.steps.run("Typing the boot command", lambda: booting.type(self.services.fields()))

    def _provision(self, running: _Running, reach: Reach) -> Communicator:
        connection = Connection(self.context, reach.endpoint, running.speed.time_scale)
        communicator = self.steps.enter(f"Waiting for {self._protocol()}", connection)
        self.lookout.reached(communicator)
        where = reach.endpoint()
        self.context.data.update(Host=where.host, Port=str(where.port))
        block = self.config.cloud_init
        if block is not None and block.wait and running.frozen is None:
            self.steps.run("Waiting for cloud-init", lambda: await_cloud_init(self.context, communicator))
        self.context.provision(self._reached(running, communicator))
        self.context.connector.finish(self.context, communicator)
        return communicator

    def _reached(self, running: _Running, communicator: Communicator) -> ReachedGuest | LayeredGuest:
        """The guest for provisioners, its clock set or its installation kept."""
        if not running.disks.layered or self.context.layers is None:
            return ReachedGuest(communicator)
        guest = LayeredGuest(
            communicator, running.machine, running.disks, self.context, running.speed.time_scale
        )
        if running.frozen is not None:
            set_clock(self.context, communicator)
        else:
            self.context.layers.cut(guest)
        return guest

    def _protocol(self) -> str:
        return self.context.data.get("ConnType", "the guest").upper()

    def _shut_down(self, machine: VirtualMachine, communicator: Communicator, speed: Speed) -> None:
        if machine.is_running:
            shut_down(self.config, self.context, machine, communicator, speed.time_scale)

    def _await_power_off(self, machine: VirtualMachine, speed: Speed) -> None:
        """Without a communicator the installer itself must end by powering off."""
        if self.config.shutdown_command:
            self.context.ui.warn("`shutdown_command` is not run: nothing talks to the guest")
        limit = self.config.shutdown_timeout * speed.time_scale

        def wait() -> None:
            if not machine.wait_off(limit.seconds, self.context.cancellation):
                hint = "make the installer power off when it is done, or raise `shutdown_timeout`"
                raise MachineError(f"the guest did not power off within {limit}", hint=hint)

        self.steps.run("Waiting for the guest to power off", wait)

    # -- after it has ended -------------------------------------------------------------------

    def _artifact(self, files: tuple[Path, ...], disks: Disks, speed: Speed) -> Artifact:
        if self.config.efi_drop_efivars:
            files = tuple(path for path in files if path.name != EFI_VARIABLES)
        state = {
            "diskName": self.name,
            "diskPaths": [str(self.folder / path.name) for path in disks.paths],
            "diskType": self.config.format.value,
            "diskSize": self.config.disk_size.bytes,
            "domainType": speed.accelerator,
            APPLIANCE: self._appliance(disks, speed),
            "generated_data": dict(self.context.data),
        }
        description = f"VM files in directory: {self.folder}"
        return FileArtifact(BUILDER_ID, "VM", files, description, self.folder, state)

    def _appliance(self, disks: Disks, speed: Speed) -> Appliance:
        variables = self.folder / EFI_VARIABLES
        return Appliance(
            name=self.name,
            disks=tuple(self.folder / path.name for path in disks.paths),
            architecture=architecture(self.config.qemu_binary),
            cpus=processors(self.config),
            memory=Size(self.config.memory_mebibytes * 1024**2),
            firmware=FirmwareKind.UEFI if self.config.uses_efi else FirmwareKind.BIOS,
            nvram=variables if self.config.uses_efi and variables.is_file() else None,
            disk_bus=self.config.disk_interface.value,
            network_model=self.config.net_device,
            accelerator=speed.accelerator,
        )
