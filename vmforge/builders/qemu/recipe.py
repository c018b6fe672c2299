"""The build of a `source "qemu"`, start to end.

Follows Packer's order of steps: output directory, medium, disks, answer files, machine, boot command,
connection, provisioners, shutdown, compaction. Each resource is entered through the build's steps,
which release it however the build ends.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from vmforge.builders.answer_files import AnswerFileServer
from vmforge.builders.boot import type_boot_steps
from vmforge.builders.connection import Connection
from vmforge.builders.iso import retrieve_iso
from vmforge.builders.output import OutputDirectory
from vmforge.builders.qemu.acceleration import Speed, choose_speed
from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.qemu.disks import Disks
from vmforge.builders.qemu.guest import Guest, Reach, ReachedGuest, Watch, console_of
from vmforge.builders.qemu.hardware import Media, domain_spec
from vmforge.builders.removable_media import make_cd, make_floppy
from vmforge.builders.shutdown import shut_down
from vmforge.errors import HostError, MachineError, VmforgeError
from vmforge.hypervisor.connection import Connecting, Hypervisor, connect
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.hypervisor.network import bridge_host_address
from vmforge.hypervisor.qemuargs import translate
from vmforge.sdk import Artifact, BuildContext, Communicator, FileArtifact

BUILDER_ID = "transcend.qemu"

# Where a guest on QEMU's user network finds the host, which sees it come from its own loopback.
_USER_NETWORK_HOST, _LOOPBACK = "10.0.2.2", "127.0.0.1"


def build(config: QemuConfig, context: BuildContext) -> Artifact:
    """Run the whole build; see `Builder.build`."""
    return _Recipe(config, context).run()


class _Recipe:
    def __init__(self, config: QemuConfig, context: BuildContext) -> None:
        self.config = config
        self.context = context
        self.steps = context.steps
        self.name = config.vm_name or f"packer-{context.name}"
        self.folder = config.output_directory or Path(f"output-{context.name}")

    def run(self) -> Artifact:
        """The recipe."""
        output = self.steps.enter(
            "Preparing the output directory", OutputDirectory(self.folder, self.context.force), quiet=True
        )
        hypervisor = self.steps.enter("Opening the hypervisor", self._hypervisor(), quiet=True)
        speed = self._choose_speed(hypervisor)
        medium = self.steps.run("Retrieving the ISO", lambda: retrieve_iso(self.config, self.context)).path
        disks = Disks.planned(self.config, self.context, self.folder.absolute(), self.name)
        self.steps.run("Creating the disks", lambda: disks.create(medium), quiet=True)
        self._serve_answer_files()
        self.context.data.update(self.context.connector.prepare(self.context))
        spec = self.steps.run("Making the machine", lambda: self._spec(disks, medium, speed), quiet=True)
        machine = self.steps.enter("Starting the machine", Guest(hypervisor, spec, self.context))
        watch = Watch(machine, self.context.cancellation)
        cancellation = self.steps.enter("Watching the machine", watch, quiet=True)
        self.context = replace(self.context, cancellation=cancellation)
        try:
            self._use(machine, speed)
        except VmforgeError as error:
            reason = watch.reason(error)
            raise reason from (error if reason is not error else None)
        self.steps.run("Flattening the disk" if self.config.compacts else "Checking the disk", disks.finish)
        return self._artifact(output.commit(), disks, speed)

    def _hypervisor(self) -> Connecting:
        uri = self.config.libvirt_uri or os.environ.get("VMFORGE_LIBVIRT_URI", "")
        return connect(uri, self.context.state_dir, self.context.cancellation)

    def _choose_speed(self, hypervisor: Hypervisor) -> Speed:
        if hypervisor.is_remote:
            hint = "use a hypervisor on this machine (`qemu:///system`, `qemu:///session`), or none at all"
            raise HostError("building on a remote hypervisor is not supported", hint=hint)
        return choose_speed(self.config, hypervisor, self.context.ui)

    def _serve_answer_files(self) -> None:
        bridge = self.config.net_bridge
        host = bridge_host_address(bridge) if bridge else _LOOPBACK
        server = AnswerFileServer(self.config, self.context, host)
        port = self.steps.enter("Serving the answer files", server, quiet=True)
        address = self.config.http_bind_address if bridge else ""
        ip = address or (host if bridge else _USER_NETWORK_HOST)
        self.context.data.update(
            PackerHTTPIP=ip, PackerHTTPPort=str(port), PackerHTTPAddr=f"{ip}:{port}" if port else ""
        )

    def _fields(self) -> dict[str, object]:
        """What `{{ }}` in the boot command may use."""
        data = self.context.data
        return {
            "HTTPIP": data["PackerHTTPIP"],
            "HTTPPort": data["PackerHTTPPort"],
            "Name": self.name,
            "SSHPublicKey": data.get("SSHPublicKey", ""),
        }

    def _spec(self, disks: Disks, medium: Path, speed: Speed) -> DomainSpec:
        media = Media(
            disks=disks.paths,
            install_disc=None if self.config.disk_image else medium.absolute(),
            extra_disc=make_cd(self.config, self.context),
            floppy=make_floppy(self.config, self.context),
            output=self.folder,
            serial_log=self.context.scratch / "serial.log",
        )
        spec = domain_spec(self.config, media, speed.accelerator)
        if not self.config.qemuargs:
            return spec
        try:
            translation = translate(spec, self._qemuargs())
        except ValueError as error:
            raise VmforgeError(f"`qemuargs`: {error}") from None
        for warning in translation.warnings:
            self.context.ui.warn(f"`qemuargs`: {warning}")
        # the accelerator was chosen by looking at this machine, which a template cannot do
        return replace(translation.spec, accel=speed.accelerator)

    def _qemuargs(self) -> list[list[str]]:
        fields = self._fields() | {
            "HTTPDir": str(self.config.http_directory or ""),
            "HTTPContent": dict(self.config.http_content),
            "OutputDir": str(self.folder),
            "SSHHostPort": self.context.data.get("Port", "0"),
        }
        return [[self.context.render(part, fields) for part in entry] for entry in self.config.qemuargs]

    def _use(self, machine: VirtualMachine, speed: Speed) -> None:
        """All that happens while the guest runs."""
        reach = Reach(machine, self.context, self.config.net_bridge, self.config.skip_nat_mapping)
        self.steps.run(
            "Forwarding the guest's port", lambda: reach.prepare(self.config.forwarded_ports), quiet=True
        )
        self._boot(machine)
        if not self.context.connector.needs_network:
            self._await_power_off(machine, speed)
            return
        communicator = self._provision(reach, speed)
        self.steps.run("Shutting the guest down", lambda: self._shut_down(machine, communicator, speed))

    def _boot(self, machine: VirtualMachine) -> None:
        """Wait and type, unless there is nothing to type."""
        if not self.config.headless:
            self.context.ui.message(f"watch it with a VNC viewer at `{machine.vnc_socket_path}`")
        if not self.config.steps:
            return
        self.steps.run("Waiting for the boot prompt", lambda: self._wait_for_boot(machine), quiet=True)
        self.steps.run("Typing the boot command", lambda: self._type(machine))

    def _wait_for_boot(self, machine: VirtualMachine) -> None:
        wait = self.config.boot_wait
        if wait.seconds <= 0:
            return
        self.context.ui.message(f"waiting {wait} for the boot prompt (`boot_wait`)")
        if machine.wait_off(wait.seconds, self.context.cancellation):
            machine.check()

    def _type(self, machine: VirtualMachine) -> None:
        with console_of(machine, self.context.cancellation) as console:
            type_boot_steps(self.config, console, self.context, self._fields())

    def _provision(self, reach: Reach, speed: Speed) -> Communicator:
        connection = Connection(self.context, reach.endpoint, speed.time_scale)
        communicator = self.steps.enter(f"Waiting for {self._protocol()}", connection)
        where = reach.endpoint()
        self.context.data.update(Host=where.host, Port=str(where.port))
        self.context.provision(ReachedGuest(communicator))
        self.context.connector.finish(self.context, communicator)
        return communicator

    def _protocol(self) -> str:
        return self.context.data.get("ConnType", "the guest").upper()

    def _shut_down(self, machine: VirtualMachine, communicator: Communicator, speed: Speed) -> None:
        if machine.is_running:
            shut_down(self.config, self.context, machine, communicator, speed.time_scale)

    def _await_power_off(self, machine: VirtualMachine, speed: Speed) -> None:
        """Without a communicator the installer itself must end by powering off."""
        limit = self.config.shutdown_timeout * speed.time_scale

        def wait() -> None:
            if not machine.wait_off(limit.seconds, self.context.cancellation):
                hint = "make the installer power off when it is done, or raise `shutdown_timeout`"
                raise MachineError(f"the guest did not power off within {limit}", hint=hint)

        self.steps.run("Waiting for the guest to power off", wait)

    def _artifact(self, files: tuple[Path, ...], disks: Disks, speed: Speed) -> Artifact:
        shown = tuple(self.folder / path.relative_to(self.folder) for path in files)
        if self.config.efi_drop_efivars:
            shown = tuple(path for path in shown if path.name != "efivars.fd")
        state = {
            "diskName": self.name,
            "diskPaths": [str(self.folder / path.name) for path in disks.paths],
            "diskType": self.config.format.value,
            "diskSize": self.config.disk_size.bytes,
            "domainType": speed.accelerator,
            "generated_data": dict(self.context.data),
        }
        description = f"VM files in directory: {self.folder}"
        return FileArtifact(BUILDER_ID, "VM", shown, description, self.folder, state)
