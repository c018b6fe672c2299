"""The `ansible-local` provisioner: uploads playbooks and runs Ansible in the guest."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.provisioners.ansible.galaxy import Requirements
from vmforge.provisioners.local_paths import check_files, check_folders, check_paths, paths_of
from vmforge.provisioners.staging import FileCommands, StagingFolder, check_program, run_in_guest
from vmforge.sdk import BuildContext, Communicator, Config, Machine, Problem, Provisioner, option

_STAGING = "/tmp/packer-provisioner-ansible-local"
_HOST = "127.0.0.1"
# beside the playbook Ansible looks for them itself
_ROLES, _COLLECTIONS = "roles", "collections"


@dataclass(frozen=True, kw_only=True)
class AnsibleLocalConfig(Config):
    """The options of the `ansible-local` provisioner."""

    playbook_file: Path | None = option(None, help="The playbook.")
    playbook_files: tuple[Path, ...] = option(
        (), help="Several of them, run one after the other; those in `playbook_dir` are named below it."
    )
    playbook_dir: Path | None = option(None, help="A folder whose contents are uploaded beside the playbook.")
    playbook_paths: tuple[Path, ...] = option((), help="More files and folders to upload beside it.")
    role_paths: tuple[Path, ...] = option((), help="Folders of roles.")
    collection_paths: tuple[Path, ...] = option((), help="Folders of collections.")
    group_vars: Path | None = option(None, help="The folder `group_vars`.")
    host_vars: Path | None = option(None, help="The folder `host_vars`.")
    inventory_file: Path | None = option(
        None, help="An inventory of your own.", default_text="one with the guest itself, `127.0.0.1`"
    )
    inventory_groups: tuple[str, ...] = option((), help="The groups that the guest is in.")
    extra_arguments: tuple[str, ...] = option(
        (), help="More arguments for `ansible-playbook`, as the shell reads them."
    )
    command: str = option(
        "ansible-playbook", help="The command that runs a playbook; may set variables first."
    )
    staging_directory: str = option(
        "",
        help="The guest's folder for all of it.",
        default_text=f"`{_STAGING}/` and the run's id",
        affects_image=False,
    )
    clean_staging_directory: bool = option(False, help="Remove that folder afterwards.")
    galaxy_file: Path | None = option(
        None, help="A requirements file: its roles and collections are installed."
    )
    galaxy_command: str = option("ansible-galaxy", help="The command that installs them.")
    galaxy_roles_path: str = option(
        "", help="Where in the guest roles are installed.", default_text="`roles` in the staging folder"
    )
    galaxy_collections_path: str = option(
        "", help="Where in the guest collections are installed.", default_text="`collections` there"
    )

    @property
    def playbooks(self) -> tuple[Path, ...]:
        return self.playbook_files or ((self.playbook_file,) if self.playbook_file is not None else ())


_PATHS = (
    "playbook_file",
    "playbook_files",
    "playbook_dir",
    "playbook_paths",
    "role_paths",
    "collection_paths",
    "group_vars",
    "host_vars",
    "inventory_file",
    "galaxy_file",
)


class AnsibleLocalProvisioner(Provisioner[AnsibleLocalConfig]):
    """Runs playbooks in the guest, which must have Ansible."""

    config_type = AnsibleLocalConfig
    summary = "uploads playbooks and runs Ansible in the guest"

    @classmethod
    def check(cls, config: AnsibleLocalConfig) -> Iterable[Problem]:
        if not config.playbooks:
            yield Problem("there is no playbook", hint="set `playbook_file` or `playbook_files`")
        if config.playbook_file is not None and config.playbook_files:
            yield Problem("`playbook_file` and `playbook_files` are both set", "playbook_files")
        if config.inventory_file is not None and config.inventory_groups:
            summary = "`inventory_groups` have no effect beside `inventory_file`"
            yield Problem(summary, "inventory_groups", warning=True)
        yield from check_files(config, "playbook_file", "playbook_files", "inventory_file", "galaxy_file")
        yield from check_folders(
            config, "playbook_dir", "role_paths", "collection_paths", "group_vars", "host_vars"
        )
        yield from check_paths(config, "playbook_paths")

    @property
    def cacheable(self) -> bool:
        return True

    def input_files(self) -> Iterable[Path]:
        return paths_of(self.config, *_PATHS)

    def provision(self, context: BuildContext, machine: Machine) -> None:
        communicator = machine.communicator
        path = self.config.staging_directory or f"{_STAGING}/{context.run_uuid}"
        keep = not self.config.clean_staging_directory
        with StagingFolder(context, communicator, path, FileCommands(), keep=keep) as staging:
            context.ui.message(f"uploading the playbooks to `{path}`")
            playbooks = self._upload(staging)
            inventory = self._upload_inventory(staging)
            for command in self._galaxy_commands(staging):
                self._run(context, communicator, command, "ansible-galaxy")
            for playbook in playbooks:
                context.ui.message(f"running `{playbook}`")
                command = self._command(context, staging, playbook, inventory)
                self._run(context, communicator, command, "ansible-playbook")

    def _upload(self, staging: StagingFolder) -> list[str]:
        """Everything but the inventory; returns the playbooks' paths in the guest."""
        config = self.config
        if config.playbook_dir is not None:
            staging.upload(config.playbook_dir, ".")
        for name in ("group_vars", "host_vars"):
            for path in paths_of(config, name):
                staging.upload(path, name)
        for folder, option_name in ((_ROLES, "role_paths"), (_COLLECTIONS, "collection_paths")):
            for path in paths_of(config, option_name):
                staging.upload(path, f"{folder}/{path.absolute().name}")
        for path in config.playbook_paths:
            staging.upload(path, path.absolute().name)
        return [self._upload_playbook(staging, path) for path in config.playbooks]

    def _upload_playbook(self, staging: StagingFolder, path: Path) -> str:
        folder = self.config.playbook_dir
        if folder is not None and path.absolute().is_relative_to(folder.absolute()):
            return staging.inside(str(path.absolute().relative_to(folder.absolute())))
        return staging.upload(path, path.name)

    def _upload_inventory(self, staging: StagingFolder) -> str:
        if self.config.inventory_file is not None:
            return staging.upload(self.config.inventory_file, self.config.inventory_file.name)
        groups = "".join(f"[{group}]\n{_HOST}\n" for group in self.config.inventory_groups)
        return staging.write(groups or f"{_HOST}\n", "vmforge-inventory")

    def _galaxy_commands(self, staging: StagingFolder) -> Iterator[str]:
        config = self.config
        if config.galaxy_file is None:
            return
        file = staging.upload(config.galaxy_file, config.galaxy_file.name)
        roles = config.galaxy_roles_path or staging.inside(_ROLES)
        collections = config.galaxy_collections_path or staging.inside(_COLLECTIONS)
        for arguments in Requirements.read(config.galaxy_file).commands(file, roles, collections):
            yield f"cd {shlex.quote(staging.path)} && {config.galaxy_command} {shlex.join(arguments)}"

    def _command(self, context: BuildContext, staging: StagingFolder, playbook: str, inventory: str) -> str:
        config = self.config
        variables = [f"packer_build_name={context.name}", f"packer_builder_type={context.builder_type}"]
        if address := context.data.get("PackerHTTPAddr"):
            variables.append(f"packer_http_addr={address}")
        settings = "ANSIBLE_NOCOLOR=1 PYTHONUNBUFFERED=1 "
        if config.galaxy_roles_path:
            settings += f"ANSIBLE_ROLES_PATH={shlex.quote(config.galaxy_roles_path)} "
        if config.galaxy_collections_path:
            settings += f"ANSIBLE_COLLECTIONS_PATH={shlex.quote(config.galaxy_collections_path)} "
        extra = "".join(f"{argument} " for argument in config.extra_arguments)
        return (
            f"cd {shlex.quote(staging.path)} && {settings}{config.command} {shlex.quote(playbook)} "
            f"--extra-vars {shlex.quote(' '.join(variables))} {extra}-c local -i {shlex.quote(inventory)}"
        )

    def _run(self, context: BuildContext, communicator: Communicator, command: str, program: str) -> None:
        status = run_in_guest(context, communicator, command)
        check_program(f"`{program}`", status, program="ansible")
