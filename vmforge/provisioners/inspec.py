"""The `inspec` provisioner: checks the guest with InSpec, which runs on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.errors import CommandFailed
from vmforge.provisioners.guest_access import GuestAccess, Login
from vmforge.provisioners.local_paths import check_files, check_folders, paths_of
from vmforge.scripts.process import run_process
from vmforge.sdk import BuildContext, Config, Machine, Problem, Provisioner, option
from vmforge.sdk.adapter import AdapterSettings
from vmforge.sdk.values import can_be_path


class Backend(StrEnum):
    SSH = "ssh"
    WINRM = "winrm"


@dataclass(frozen=True, kw_only=True)
class InspecConfig(Config):
    """The options of the `inspec` provisioner."""

    profile: str = option(help="The profile: a folder, an archive, an address, whatever InSpec takes.")
    command: str = option("inspec", help="The program.")
    sub_command: str = option("exec", help="Its sub-command.")
    extra_arguments: tuple[str, ...] = option((), help="More arguments for it.")
    inspec_env_vars: tuple[str, ...] = option((), help="Variables for it, each as `NAME=VALUE`.")
    attributes: tuple[Path, ...] = option((), help="Files of inputs.")
    attributes_directory: Path | None = option(None, help="A folder of files of inputs.")
    backend: Backend | None = option(
        None, help="How InSpec reaches the guest.", default_text="as vmforge does", affects_image=False
    )
    user: str = option("", help="The user to log in as.", default_text="the communicator's")
    host: str = option(
        "", help="The address to reach the guest at.", default_text="the guest's", affects_image=False
    )
    use_proxy: bool | None = option(
        None,
        help="Go through an SSH server on this machine that hands everything on to the guest.",
        default_text="false, but where the guest cannot be reached directly",
        affects_image=False,
    )
    local_port: int = option(
        0, help="The port on which that server listens.", default_text="any free port", affects_image=False
    )
    ssh_host_key_file: Path | None = option(
        None, help="That server's private key.", default_text="a new one", affects_image=False
    )
    ssh_authorized_key_file: Path | None = option(
        None, help="The public key that it lets in.", default_text="a new one", affects_image=False
    )
    valid_exit_codes: tuple[int, ...] = option((0, 101), help="The exit statuses that mean success.")


class InspecProvisioner(Provisioner[InspecConfig]):
    """Checks the guest; a control that fails ends the build."""

    config_type = InspecConfig
    summary = "checks the guest with InSpec, which runs on this machine"

    @classmethod
    def check(cls, config: InspecConfig) -> Iterable[Problem]:
        if not config.profile:
            yield Problem("`profile` is empty", "profile")
        yield from check_files(config, "attributes", "ssh_host_key_file", "ssh_authorized_key_file")
        yield from check_folders(config, "attributes_directory")
        for pair in config.inspec_env_vars:
            if not pair.partition("=")[0] or "=" not in pair:
                yield Problem(f"`{pair.partition('=')[0]}` is not `NAME=VALUE`", "inspec_env_vars")

    @property
    def cacheable(self) -> bool:
        return True

    def input_files(self) -> Iterable[Path]:
        if can_be_path(self.config.profile) and Path(self.config.profile).exists():
            yield Path(self.config.profile)
        yield from paths_of(self.config, "attributes", "attributes_directory")

    def provision(self, context: BuildContext, machine: Machine) -> None:
        config = self.config
        settings = AdapterSettings(
            port=config.local_port,
            host_key_file=config.ssh_host_key_file,
            authorized_key_file=config.ssh_authorized_key_file,
        )
        access = GuestAccess(context, machine.communicator, settings, config.use_proxy, user=config.user)
        with ExitStack() as stack:
            login = stack.enter_context(access)
            arguments = list(self._arguments(login, _secret_settings(login, context, stack)))
            status = run_process(
                arguments,
                environment=dict(pair.split("=", 1) for pair in config.inspec_env_vars),
                output=lambda line, error: context.ui.output(line, error=error),
                cancellation=context.cancellation,
            )
        if status not in config.valid_exit_codes:
            hint = "the lines above say which controls failed; `valid_exit_codes` accepts other statuses"
            raise CommandFailed(
                f"`{config.command}` ended with exit status {status}", status=status, hint=hint
            )

    def _arguments(self, login: Login, settings: Path | None) -> Iterator[str]:
        config = self.config
        yield from (config.command, config.sub_command, config.profile)
        yield from ("--backend", config.backend or login.transport)
        yield from ("--host", config.host or login.host, "--port", str(login.port), "--user", login.user)
        if login.uses_tls:
            yield from ("--ssl", "--self-signed")
        if login.key_file is not None:
            yield from ("--key-files", str(login.key_file))
        if settings is not None:
            yield from ("--config", str(settings))
        files = list(config.attributes)
        if config.attributes_directory is not None:
            files += sorted(path for path in config.attributes_directory.iterdir() if path.is_file())
        if files:
            yield from ("--input-file", *map(str, files))
        yield from config.extra_arguments


def _secret_settings(login: Login, context: BuildContext, stack: ExitStack) -> Path | None:
    """The password in a settings file of InSpec's, because everybody on this machine may read a command line:
    https://docs.chef.io/inspec/configure/"""
    if not login.password or login.key_file is not None:
        return None
    path = context.scratch.absolute() / "inspec.json"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    stack.callback(path.unlink, missing_ok=True)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"version": "1.1", "cli_options": {"password": login.password.value}}, file)
    return path
