"""What both Puppet provisioners have in common: options, and the command that they run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from vmforge.provisioners.staging import (
    FileCommands,
    GuestSystem,
    check_program,
    run_in_guest,
    system_of,
)
from vmforge.provisioners.windows.elevated import Account
from vmforge.sdk import BuildContext, Communicator, Config, Secret, option

# https://www.puppet.com/docs/puppet/7/man/apply.html, under --detailed-exitcodes: 2 is "something changed"
_GOOD_STATUSES = (0, 2)
# Puppet colours what it says even where there is no terminal.
SWITCHES = "--detailed-exitcodes --color=false"
_FACTS = ("packer_build_name", "packer_builder_type", "packer_http_addr")


@dataclass(frozen=True, kw_only=True)
class PuppetConfig(Config):
    """Options of every run of Puppet."""

    facter: Mapping[str, str] = option({}, help="Facts for Puppet, by name.")
    extra_arguments: tuple[str, ...] = option((), help="More arguments for Puppet, as the shell reads them.")
    ignore_exit_codes: bool = option(
        False, help="Go on whatever Puppet's exit status is, else 0 and 2 are good."
    )
    prevent_sudo: bool = option(False, help="Run Puppet as the user that vmforge logs in as.")
    puppet_bin_dir: str = option(
        "", help="The guest's folder with `puppet`.", default_text="the guest's path"
    )
    clean_staging_directory: bool = option(False, help="Remove the staging folder afterwards.")
    working_directory: str = option("", help="Where Puppet runs.", default_text="the staging folder")
    guest_os_type: GuestSystem | None = option(
        None, help="The guest's system.", default_text="`windows` over WinRM, else `unix`"
    )
    execute_command: str = option(
        "",
        late=True,
        help="The command that runs Puppet; see the page on provisioners for what it knows.",
        default_text="as the options say",
    )
    elevated_user: str = option("", help="Windows: the user to run Puppet as, with all rights.")
    elevated_password: Secret = option(Secret(""), help="Their password.")


@dataclass(frozen=True)
class PuppetRun:
    """One run of Puppet in the guest."""

    config: PuppetConfig
    context: BuildContext
    communicator: Communicator

    @property
    def system(self) -> GuestSystem:
        return system_of(self.communicator, self.config.guest_os_type)

    @property
    def sudo(self) -> bool:
        return not self.config.prevent_sudo and self.system is GuestSystem.UNIX

    @property
    def commands(self) -> FileCommands:
        return FileCommands(self.system, self.sudo)

    def quote(self, text: str) -> str:
        return f'"{text}"' if self.system is GuestSystem.WINDOWS else shlex.quote(text)

    def run(self, arguments: str, fields: Mapping[str, object], folder: str) -> None:
        """Run `puppet` with these arguments, or what `execute_command` makes of the fields. Raises
        `CommandFailed`."""
        config = self.config
        place = config.working_directory or folder
        fields = {
            **self.context.data,
            "WorkingDir": place,
            "FacterVars": self._facts().strip(),
            "PuppetBinDir": config.puppet_bin_dir,
            "Sudo": self.sudo,
            "Debug": self.context.debug,
            "ExtraArguments": " ".join(config.extra_arguments),
            **fields,
        }
        command = self.context.render(config.execute_command, fields) if config.execute_command else ""
        account = Account(config.elevated_user, config.elevated_password)
        command = command or self._command(arguments, place)
        status = run_in_guest(self.context, self.communicator, command, account)
        if not config.ignore_exit_codes:
            check_program("`puppet`", status, valid=_GOOD_STATUSES, program="puppet")

    def _command(self, arguments: str, place: str) -> str:
        config = self.config
        folder = f"{config.puppet_bin_dir.rstrip('/')}/" if config.puppet_bin_dir else ""
        extra = "".join(f" {argument}" for argument in config.extra_arguments)
        # -E keeps the facts
        root = "sudo -E " if self.sudo else ""
        return f"cd {self.quote(place)} && {self._facts()}{root}{folder}puppet {arguments}{extra}"

    def _facts(self) -> str:
        """Variables that Facter takes for facts."""
        context = self.context
        values = (context.name, context.builder_type, context.data.get("PackerHTTPAddr", ""))
        facts = {name: value for name, value in zip(_FACTS, values, strict=True) if value}
        if self.system is GuestSystem.WINDOWS:
            return "".join(
                f'SET "FACTER_{name}={value}" & '
                for name, value in (facts | dict(self.config.facter)).items()
            )
        return "".join(
            f"FACTER_{name}={shlex.quote(value)} "
            for name, value in (facts | dict(self.config.facter)).items()
        )
