"""What both Chef provisioners have in common: options, installation, the files and the run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from vmforge.provisioners.local_paths import check_files
from vmforge.provisioners.staging import (
    FileCommands,
    GuestSystem,
    StagingFolder,
    check_program,
    run_in_guest,
    system_of,
)
from vmforge.provisioners.windows.elevated import Account
from vmforge.sdk import BuildContext, Communicator, Config, Problem, option
from vmforge.sdk.late import check_late
from vmforge.sdk.network import RemoteInput, RemoteKind

_INSTALL = (
    "curl -fsSL https://omnitruck.chef.io/install.sh | {{ if .Sudo }}sudo {{ end }}bash -s --"
    "{{ if .Version }} -v {{ .Version }}{{ end }}"
)
_INSTALL_ON_WINDOWS = (
    'powershell.exe -NoProfile -ExecutionPolicy Bypass -Command ". { iwr -useb '
    "https://omnitruck.chef.io/install.ps1 } | iex; install"
    '{{ if .Version }} -version {{ .Version }}{{ end }}"'
)
_WINDOWS_PROGRAMS = "c:/opscode/chef/bin/"


@dataclass(frozen=True, kw_only=True)
class ChefConfig(Config):
    """Options of every run of Chef."""

    run_list: tuple[str, ...] = option((), help="Recipes and roles to apply, as in `recipe[apache]`.")
    json: Mapping[str, object] = option({}, help="Attributes of the node.")
    chef_environment: str = option("", help="The node's environment.")
    chef_license: str = option("accept-silent", help="What Chef is told of its licence; empty: nothing.")
    config_template: Path | None = option(
        None, help="A template for Chef's settings file, in place of the one that the options make."
    )
    encrypted_data_bag_secret_path: Path | None = option(None, help="The file with the data bags' secret.")
    execute_command: str = option(
        "",
        late=True,
        help="The command that runs Chef; knows `{{ .ConfigPath }}`, `{{ .JsonPath }}` and `{{ .Sudo }}`.",
        default_text="as the options say",
    )
    install_command: str = option(
        "",
        late=True,
        help="The command that installs Chef; knows `{{ .Sudo }}` and `{{ .Version }}`.",
        default_text="Chef's own installer, fetched in the guest",
    )
    version: str = option("", help="The version to install.", default_text="the newest")
    skip_install: bool = option(False, help="Do not install Chef.")
    prevent_sudo: bool = option(False, help="Run Chef as the user that vmforge logs in as.")
    guest_os_type: GuestSystem | None = option(
        None, help="The guest's system.", default_text="`windows` over WinRM, else `unix`"
    )


def remote_chef(config: ChefConfig) -> Iterator[RemoteInput]:
    """What the guest fetches to install Chef."""
    if not config.skip_install and not config.install_command:
        what = "Chef's installer, unless `skip_install` is set"
        yield RemoteInput(RemoteKind.GUEST, what, ("https://omnitruck.chef.io/install.sh",))


def check_chef(config: ChefConfig, template_fields: tuple[str, ...]) -> Iterator[Problem]:
    """Everything that is wrong with the options that both have."""
    yield from check_files(config, "config_template", "encrypted_data_bag_secret_path")
    yield from check_late(config.execute_command, ("ConfigPath", "JsonPath", "Sudo"), "execute_command")
    yield from check_late(config.install_command, ("Sudo", "Version"), "install_command")
    try:
        if config.config_template is not None:
            text = config.config_template.read_text(encoding="utf-8")
            yield from check_late(text, template_fields, "config_template")
    except (OSError, UnicodeDecodeError):
        return  # which `check_files` says, or the run


@dataclass(frozen=True)
class ChefRun:
    """One run of `chef-solo` or `chef-client` in the guest."""

    config: ChefConfig
    program: str
    context: BuildContext
    communicator: Communicator
    account: Account | None = None

    @property
    def system(self) -> GuestSystem:
        return system_of(self.communicator, self.config.guest_os_type)

    @property
    def sudo(self) -> bool:
        return not self.config.prevent_sudo and self.system is GuestSystem.UNIX

    @property
    def commands(self) -> FileCommands:
        return FileCommands(self.system, self.sudo)

    def install(self) -> None:
        """Install Chef where it is not there yet, or not in that version."""
        config = self.config
        if config.skip_install:
            return
        default = _INSTALL_ON_WINDOWS if self.system is GuestSystem.WINDOWS else _INSTALL
        if self.system is GuestSystem.UNIX and not config.version:
            default = f"command -v {self.program} >/dev/null || {{ {default}; }}"
        command = self.render(config.install_command or default, {"Version": config.version})
        check_program(
            "Chef's installer", run_in_guest(self.context, self.communicator, command), program="curl"
        )

    def write_settings(
        self, staging: StagingFolder, name: str, text: str, fields: Mapping[str, object]
    ) -> str:
        """Chef's settings file, from the user's template or `text`; returns its path in the guest."""
        if self.config.config_template is not None:
            text = self.render(self.config.config_template.read_text(encoding="utf-8"), fields)
        return staging.write(text, name)

    def write_attributes(self, staging: StagingFolder) -> str:
        """The node's attributes and run list as JSON; returns their path in the guest."""
        attributes: dict[str, object] = dict(self.config.json)
        if self.config.run_list:
            attributes["run_list"] = list(self.config.run_list)
        return staging.write(json.dumps(attributes, indent=2, default=_number), "node.json")

    def run(self, settings: str, attributes: str) -> None:
        """Run Chef. Raises `CommandFailed`."""
        fields = {"ConfigPath": settings, "JsonPath": attributes}
        default = f"{self.prefix}{self.program} --no-color -c {settings} -j {attributes}"
        custom = self.config.execute_command
        command = self.render(custom, fields) if custom else default
        status = run_in_guest(self.context, self.communicator, command, self.account)
        check_program(f"`{self.program}`", status, program="chef")

    @property
    def prefix(self) -> str:
        """What stands before a program of Chef's."""
        return _WINDOWS_PROGRAMS if self.system is GuestSystem.WINDOWS else ("sudo " if self.sudo else "")

    def render(self, text: str, fields: Mapping[str, object]) -> str:
        return self.context.render(text, {**self.context.data, "Sudo": self.sudo, **fields})


def _number(value: object) -> object:
    """The template's numbers that JSON's writer does not know."""
    if isinstance(value, (Decimal, Fraction)):
        return int(value) if value == int(value) else float(value)
    raise TypeError(f"not a value of JSON: {value!r}")


def ruby(text: str) -> str:
    """A text as Ruby writes it between double quotes."""
    return json.dumps(text).replace("#", "\\#")
