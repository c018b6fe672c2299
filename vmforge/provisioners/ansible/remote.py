"""The `ansible` provisioner: runs Ansible on this machine, against the guest."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import CommandFailed
from vmforge.provisioners.ansible.arguments import out_of_sight
from vmforge.provisioners.ansible.config import AnsibleConfig, check_ansible
from vmforge.provisioners.ansible.galaxy import Requirements
from vmforge.provisioners.ansible.inventory import Inventory
from vmforge.provisioners.ansible.playbook_files import files_around, files_of_settings
from vmforge.provisioners.guest_access import GuestAccess, Login
from vmforge.provisioners.local_paths import paths_of
from vmforge.scripts.process import run_process
from vmforge.sdk import BuildContext, Machine, Problem, Provisioner
from vmforge.sdk.network import RemoteInput, RemoteKind

_ROLES_PATH = "~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles"
_COLLECTIONS_PATH = "~/.ansible/collections:/usr/share/ansible/collections"
# A guest of a build is a stranger each time, at an address that other guests had before.
_STRANGER = ("-o UserKnownHostsFile=/dev/null", "-o LogLevel=ERROR")


class AnsibleProvisioner(Provisioner[AnsibleConfig]):
    """Runs a playbook against the guest."""

    config_type = AnsibleConfig
    summary = "runs Ansible on this machine, against the guest"

    @classmethod
    def check(cls, config: AnsibleConfig) -> Iterable[Problem]:
        return check_ansible(config)

    @classmethod
    def remote_inputs(cls, config: AnsibleConfig) -> Iterable[RemoteInput]:
        if config.galaxy_file is not None:
            yield RemoteInput(RemoteKind.PROGRAM, f"what `{config.galaxy_file}` names, by `ansible-galaxy`")

    @property
    def cacheable(self) -> bool:
        return True

    def input_files(self) -> Iterable[Path]:
        yield from files_around(self.config.playbook_file)
        yield from files_of_settings()
        yield from paths_of(self.config, "galaxy_file", "inventory_file", "roles_path", "collections_path")
        folder = self.config.inventory_directory or (
            self.config.inventory_file.parent if self.config.inventory_file is not None else None
        )
        if folder is not None:
            yield from (folder / name for name in ("group_vars", "host_vars") if (folder / name).is_dir())

    def provision(self, context: BuildContext, machine: Machine) -> None:
        config = self.config
        with ExitStack() as stack:
            access = GuestAccess(
                context, machine.communicator, config.adapter, config.use_proxy, user=config.user
            )
            login = stack.enter_context(access)
            inventory = stack.enter_context(Inventory(config, login, context))
            sockets = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmforge-"))
            run = _Run(config, context, login, Path(sockets))
            run.install_requirements()
            run.play(inventory)


@dataclass(frozen=True)
class _Run:
    """Ansible's programs, with the environment that they get."""

    config: AnsibleConfig
    context: BuildContext
    login: Login
    sockets: Path  # short: the name of a socket may have 107 characters

    def install_requirements(self) -> None:
        config = self.config
        if config.galaxy_file is None:
            return
        force = ["--force-with-deps"] if config.galaxy_force_with_deps else []
        force = force or (["--force"] if config.galaxy_force_install else [])
        commands = Requirements.read(config.galaxy_file).commands(
            str(config.galaxy_file.absolute()), _text(config.roles_path), _text(config.collections_path)
        )
        for arguments in commands:
            self._run([config.galaxy_command, *arguments, *force])

    def play(self, inventory: Path) -> None:
        config = self.config
        # a file, because everybody on this machine may read a command line
        variables = self.sockets / "variables.json"
        descriptor = os.open(variables, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(dict(self._extra_variables()), file)
        arguments = [config.command, "--extra-vars", f"@{variables}", "-i", str(inventory)]
        if self.login.transport == "ssh":
            arguments += [
                "--ssh-extra-args",
                " ".join(config.ansible_ssh_extra_args or self._ssh_arguments()),
            ]
        extra = [self.context.render(argument, self.context.data) for argument in config.extra_arguments]
        arguments += out_of_sight(extra, self.context.hide, self.sockets)
        self._run([*arguments, str(config.playbook_file.absolute())])

    def _ssh_arguments(self) -> tuple[str, ...]:
        # where there is no key file, the user's agent has the key
        return (*(["-o IdentitiesOnly=yes"] if self.login.key_file is not None else []), *_STRANGER)

    def _extra_variables(self) -> Iterator[tuple[str, str]]:
        yield "packer_build_name", self.context.name
        yield "packer_builder_type", self.context.builder_type
        if address := self.context.data.get("PackerHTTPAddr"):
            yield "packer_http_addr", address
        login = self.login
        if login.key_file is not None:
            yield "ansible_ssh_private_key_file", str(login.key_file)
        if login.password and login.key_file is None:
            yield "ansible_password", login.password.value
        if login.transport == "winrm":
            plain = self.config.ansible_winrm_use_http or not login.uses_tls
            yield "ansible_winrm_scheme", "http" if plain else "https"
            yield "ansible_winrm_server_cert_validation", "ignore"
            if self.config.inventory_file is not None:
                yield "ansible_connection", "winrm"

    def _run(self, arguments: list[str]) -> None:
        title = f"`{Path(arguments[0]).name}`"
        status = run_process(
            arguments,
            environment=self._environment(),
            output=lambda line, error: self.context.ui.output(line, error=error),
            cancellation=self.context.cancellation,
        )
        if status != 0:
            raise CommandFailed(f"{title} ended with exit status {status}", status=status, hint=_hint(status))

    def _environment(self) -> Mapping[str, str]:
        """Ansible's settings. What the template sets wins, then what the user's shell has."""
        own = {
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            # two guests that had one address must not share a connection
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.sockets),
            "PYTHONUNBUFFERED": "1",
        }
        if self.config.roles_path is not None:
            own["ANSIBLE_ROLES_PATH"] = f"{self.config.roles_path.absolute()}:{_ROLES_PATH}"
        if self.config.collections_path is not None:
            own["ANSIBLE_COLLECTIONS_PATH"] = f"{self.config.collections_path.absolute()}:{_COLLECTIONS_PATH}"
        kept = {name: value for name, value in own.items() if name not in os.environ}
        if self.login.through_adapter:
            # it has SFTP, and no standard input for commands
            kept |= {"ANSIBLE_SSH_TRANSFER_METHOD": "sftp", "ANSIBLE_PIPELINING": "False"}
        return {**kept, **self.context.environment(), **self.config.variables}


def _text(path: Path | None) -> str:
    return "" if path is None else str(path.absolute())


def _hint(status: int) -> str:
    if status == 4:
        return (
            "4 means that the guest could not be reached: it needs Python and a user that Ansible can log "
            'in as; `extra_arguments = ["-vvv"]` shows how it tries'
        )
    return 'the lines above say which task failed; `extra_arguments = ["-vvv"]` shows more'
