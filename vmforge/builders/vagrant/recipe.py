"""The build of a box from a box, start to end: the box added, its machine up, provisioned, packaged, put
away."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

from vmforge.builders.installing.program import Program
from vmforge.builders.installing.record import MachineRecord
from vmforge.builders.iso import HeldIso
from vmforge.builders.output import OutputDirectory
from vmforge.builders.vagrant.config import Teardown, VagrantConfig
from vmforge.builders.vagrant.ssh import SshLogin, logging_in_as, read_ssh_config
from vmforge.builders.vagrant.vagrantfile import MACHINE, machine_file
from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, BuildContext, Communicator, Endpoint, FileArtifact
from vmforge.sdk.connection import Connection

BUILDER_ID: Final = "vagrant"
BOX: Final = "package.box"
_HINT: Final = "install Vagrant: `apt-get install vagrant`, or see https://developer.hashicorp.com/vagrant"


def build(config: VagrantConfig, context: BuildContext) -> Artifact:
    """Run the whole build; see `Builder.build`."""
    return _Recipe(config, context).run()


class _Recipe:
    def __init__(self, config: VagrantConfig, context: BuildContext) -> None:
        self.config = config
        self.context = context
        self.steps = context.steps
        self.folder = config.output_dir or Path(f"output-{context.name}")
        environment = {"VAGRANT_CWD": str(self.folder.absolute()), "VAGRANT_CHECKPOINT_DISABLE": "1"}
        self.vagrant = Program("vagrant", _HINT, context.cancellation, environment)
        # what commands are about: the machine of our own Vagrantfile, or one of the user's
        self.machine = config.global_id or MACHINE

    def run(self) -> Artifact:
        """The recipe."""
        self.steps.run("Looking for Vagrant", self.vagrant.find, quiet=True)
        record = self._claim_folder()
        output = self.steps.enter(
            "Preparing the output directory", OutputDirectory(self.folder, self.context.force), quiet=True
        )
        box = self._add_box()
        self._write_vagrantfile(box)
        machine = self.steps.enter("Starting the machine", RunningMachine(self, record))
        if self.context.connector.reaches_guest:
            self._provision()
        if not self.config.skip_package:
            self.steps.run("Packaging the machine", self._package)
        provider = self._provider()
        self.steps.run("Putting the machine away", machine.put_away, quiet=True)
        self._tidy()
        return self._artifact(output.commit(), provider)

    def _claim_folder(self) -> MachineRecord:
        record = MachineRecord(self.context.state_dir, "Vagrant", str(self.folder.absolute()))
        self.steps.enter("Claiming the output directory", record, quiet=True)
        if record.leftover and (self.folder / "Vagrantfile").exists():
            self.context.ui.message("destroying the machine of a build that was killed")
            self.steps.run("Cleaning up", lambda: self.vagrant.run("destroy", "--force", MACHINE), quiet=True)
        return record

    def run_aloud(self, *arguments: str) -> None:
        """Run Vagrant, showing what it says while it works."""
        show = self.context.ui.output
        self.vagrant.run(*arguments, tell=lambda line, error: show(line, error=error))

    # -- before the machine runs

    def _add_box(self) -> str:
        """Have Vagrant know the box; returns its name."""
        config = self.config
        if config.global_id:
            return ""
        name = config.box_name or (f"packer_{self.context.name}" if config.is_file else config.source_path)
        if config.skip_add:
            return name
        source = config.source_path
        if config.medium is not None:
            held = HeldIso(config.medium, self.context)
            source = str(self.steps.enter("Retrieving the box", held).path.absolute())
        arguments = ["box", "add", *self._add_options()]
        arguments += ["--name", name] if config.is_file else []
        self.steps.run("Adding the box", partial(self.run_aloud, *arguments, source))
        return name

    def _add_options(self) -> list[str]:
        config = self.config
        values = {
            "--cacert": config.add_cacert,
            "--capath": config.add_capath,
            "--cert": config.add_cert,
            "--provider": config.provider,
            "--box-version": "" if config.is_file else config.box_version,
        }
        # the box that the last build of this template added has the same name
        force = config.add_force or (config.is_file and not config.box_name)
        flags = {"--clean": config.add_clean, "--force": force, "--insecure": config.add_insecure}
        given = [part for name, value in values.items() if value for part in (name, value)]
        if config.leaves_transfer_to_vagrant and config.checksum not in ("", "none"):
            kind, _, digest = config.checksum.rpartition(":")
            given += ["--checksum", digest, "--checksum-type", kind or "sha256"]
        return [*given, *(name for name, wanted in flags.items() if wanted)]

    def _write_vagrantfile(self, box: str) -> None:
        if not self.config.global_id:
            text = machine_file(self.config, self.context, box)
            (self.folder / "Vagrantfile").write_text(text, encoding="utf-8")

    # -- while it runs

    def _provision(self) -> None:
        text = self.vagrant.run("ssh-config", self.machine)
        login = read_ssh_config(text)
        connector = logging_in_as(self.context.connector, login)
        self.context = replace(self.context, connector=connector)
        self.context.data.update(connector.prepare(self.context))
        endpoint = partial(self._endpoint, login)
        communicator = self.steps.enter("Waiting for SSH", Connection(self.context, endpoint))
        where = endpoint()
        self.context.data.update(Host=where.host, Port=str(where.port), ID=self.machine)
        self.context.provision(ReachedGuest(communicator))
        connector.finish(self.context, communicator)
        communicator.close()

    def _endpoint(self, login: SshLogin) -> Endpoint:
        connector = self.context.connector
        return Endpoint(connector.host, connector.port) if connector.host else login.endpoint

    def _package(self) -> None:
        config = self.config
        options = ["--output", str(self.folder.absolute() / BOX)]
        if config.package_include:
            options += ["--include", ",".join(str(Path(path).absolute()) for path in config.package_include)]
        if config.output_vagrantfile:
            options += ["--vagrantfile", str(Path(config.output_vagrantfile).absolute())]
        self.run_aloud("package", *options, self.machine)

    # -- afterwards

    def _provider(self) -> str:
        """What the machine ran on: the template's word, else what Vagrant has written down."""
        chosen = (self.folder / ".vagrant" / "machines" / MACHINE).glob("*")
        return self.config.provider or next(
            (path.name for path in sorted(chosen) if path.is_dir()), "unknown"
        )

    def _tidy(self) -> None:
        """Of a machine that is gone nothing but the box stays."""
        if self.config.teardown is Teardown.DESTROY and not self.config.global_id:
            shutil.rmtree(self.folder / ".vagrant", ignore_errors=True)
            (self.folder / "Vagrantfile").unlink(missing_ok=True)

    def _artifact(self, files: tuple[Path, ...], provider: str) -> Artifact:
        boxes = tuple(path for path in files if path.name == BOX)
        description = f"Vagrant box '{BOX}' for '{provider}' provider"
        if not boxes:
            description = f"Vagrant machine '{self.machine}' for '{provider}' provider"
        state: dict[str, object] = {"generated_data": dict(self.context.data), "provider": provider}
        return FileArtifact(BUILDER_ID, provider, boxes, description, self.folder, state)


@dataclass
class RunningMachine:
    """The machine that Vagrant runs, as a resource of the build."""

    recipe: _Recipe
    record: MachineRecord
    _running: bool = field(default=False, init=False)

    def __enter__(self) -> RunningMachine:
        config = self.recipe.config
        if not config.global_id:
            self.record.remember(str(self.recipe.folder.absolute()))
        self._running = True
        provider = [f"--provider={config.provider}"] if config.provider else []
        try:
            self.recipe.run_aloud("up", self.recipe.machine, *provider)
        except BaseException:
            self._end(self._after_failure)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running:
            self._end(self._after_failure)

    def keep(self) -> str:
        """Let the machine live on (`-on-error=abort`)."""
        config, folder = self.recipe.config, self.recipe.folder
        if config.global_id:
            return f"the machine `{config.global_id}`; end it with `vagrant halt {config.global_id}`"
        return f"the machine in `{folder}`; end it with `cd {folder} && vagrant destroy`"

    def put_away(self) -> None:
        """The build has succeeded: do as the template has it."""
        self._end(self.recipe.config.teardown)

    @property
    def _after_failure(self) -> Teardown:
        """A machine of our own goes with the output directory that it is in."""
        return Teardown.HALT if self.recipe.config.global_id else Teardown.DESTROY

    def _end(self, how: Teardown) -> None:
        self._running = False
        force = ("--force",) if how is Teardown.DESTROY else ()
        try:
            self.recipe.vagrant.undoing.run(how.value, *force, self.recipe.machine)
        except VmforgeError:
            self.record.retain()
            raise


@dataclass(frozen=True)
class ReachedGuest:
    """The guest as provisioners see it."""

    communicator: Communicator
