"""The options of the `ansible` provisioner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.provisioners.local_paths import check_files, check_folders
from vmforge.sdk import Config, Problem, option
from vmforge.sdk.adapter import AdapterKeyType, AdapterSettings
from vmforge.sdk.late import check_late

HOST_LINE = "{{ .HostAlias }} ansible_host={{ .Host }} ansible_user={{ .User }} ansible_port={{ .Port }}"
HOST_FIELDS = ("HostAlias", "Host", "User", "Port")
_IGNORED = "Accepted for Packer's sake; "


@dataclass(frozen=True, kw_only=True)
class InventoryOptions(Config):
    """Options of the inventory."""

    groups: tuple[str, ...] = option((), help="The groups that the guest is in.")
    empty_groups: tuple[str, ...] = option((), help="Groups that exist and hold no host.")
    host_alias: str = option("default", help="The guest's name in the inventory.")
    inventory_file: Path | None = option(
        None,
        help="An inventory of your own, in place of the one that is made; it must say where the guest is.",
    )
    inventory_directory: Path | None = option(
        None, help="Where to make the inventory: beside the `group_vars` and `host_vars` of this folder."
    )
    inventory_file_template: str = option(
        "",
        late=True,
        help="The guest's line in the inventory; knows `{{ .HostAlias }}`, `{{ .Host }}`, `{{ .User }}` and "
        "`{{ .Port }}`.",
        default_text=f"`{HOST_LINE}`; for WinRM with `ansible_connection=winrm`",
    )
    keep_inventory_file: bool = option(
        False, help="Leave the inventory that was made, and tell where it is.", affects_image=False
    )


@dataclass(frozen=True, kw_only=True)
class GalaxyOptions(Config):
    """Options of Ansible Galaxy."""

    galaxy_file: Path | None = option(
        None, help="A requirements file: its roles and collections are installed."
    )
    galaxy_command: str = option("ansible-galaxy", help="The program that installs them.")
    galaxy_force_install: bool = option(False, help="Install again what is there (`--force`).")
    galaxy_force_with_deps: bool = option(
        False, help="Install again what is there and all that it needs (`--force-with-deps`)."
    )
    roles_path: Path | None = option(
        None, help="Where roles are installed, and looked for first.", default_text="Ansible's own"
    )
    collections_path: Path | None = option(
        None, help="Where collections are installed, and looked for first.", default_text="Ansible's own"
    )


@dataclass(frozen=True, kw_only=True)
class AdapterOptions(Config):
    """Options of the way to the guest."""

    use_proxy: bool | None = option(
        None,
        help="Go through an SSH server on this machine that hands everything on to the guest over the "
        "connection that the build has; `false` logs in to the guest itself.",
        default_text="false, but where the guest cannot be reached directly: it wants a password and there "
        "is no `sshpass`, it is behind a bastion, or it has no network",
        affects_image=False,
    )
    ansible_proxy_host: str = option(
        "127.0.0.1", help="The address on which that server listens.", affects_image=False
    )
    local_port: int = option(
        0, help="The port on which that server listens.", default_text="any free port", affects_image=False
    )
    ssh_host_key_file: Path | None = option(
        None, help="That server's private key.", default_text="a new one", affects_image=False
    )
    ssh_authorized_key_file: Path | None = option(
        None,
        help="The public key that it lets in, when Ansible is to log in with a key of your own.",
        default_text="a new one",
        affects_image=False,
    )
    ansible_proxy_key_type: AdapterKeyType = option(
        AdapterKeyType.ECDSA, help="The type of the keys that are made for it.", affects_image=False
    )
    sftp_command: str = option("", help=_IGNORED + "that server speaks SFTP itself.", affects_image=False)
    use_sftp: bool = option(True, help=_IGNORED + "files always travel over SFTP.", affects_image=False)

    @property
    def adapter(self) -> AdapterSettings:
        return AdapterSettings(
            host=self.ansible_proxy_host,
            port=self.local_port,
            key_type=self.ansible_proxy_key_type,
            host_key_file=self.ssh_host_key_file,
            authorized_key_file=self.ssh_authorized_key_file,
        )


@dataclass(frozen=True, kw_only=True)
class AnsibleConfig(InventoryOptions, GalaxyOptions, AdapterOptions):
    """All options of the `ansible` provisioner."""

    playbook_file: Path = option(help="The playbook.")
    command: str = option("ansible-playbook", help="The program that runs it.")
    extra_arguments: tuple[str, ...] = option(
        (), late=True, help="More arguments for it, before the playbook; they win over vmforge's own."
    )
    ansible_env_vars: tuple[str, ...] = option((), help="Variables for it, each as `NAME=VALUE`.")
    ansible_ssh_extra_args: tuple[str, ...] = option(
        (),
        help="Arguments for `ssh` (`--ssh-extra-args`).",
        default_text="`-o IdentitiesOnly=yes`, and no memory of host keys",
        affects_image=False,
    )
    user: str = option("", help="The user to log in as.", default_text="the communicator's")
    ansible_winrm_use_http: bool = option(
        False, help="Speak WinRM without TLS.", default_text="as the communicator does", affects_image=False
    )
    skip_version_check: bool = option(
        False, help=_IGNORED + "Ansible's version is not looked at.", affects_image=False
    )

    @property
    def variables(self) -> Mapping[str, str]:
        return dict(pair.split("=", 1) for pair in self.ansible_env_vars)


def check_ansible(config: AnsibleConfig) -> Iterable[Problem]:
    """Everything that is wrong with the options, judged by their values."""
    yield from check_files(
        config, "playbook_file", "galaxy_file", "ssh_host_key_file", "ssh_authorized_key_file"
    )
    yield from check_folders(config, "inventory_directory")
    if config.inventory_file is not None and not config.inventory_file.exists():
        yield Problem(f"`inventory_file`: there is no file `{config.inventory_file}`", "inventory_file")
    yield from check_late(config.inventory_file_template, HOST_FIELDS, "inventory_file_template")
    for argument in config.extra_arguments:
        yield from check_late(argument, (), "extra_arguments")
    for pair in config.ansible_env_vars:
        if not pair.partition("=")[0] or "=" not in pair:
            yield Problem(f"`{pair.partition('=')[0]}` is not `NAME=VALUE`", "ansible_env_vars")
    if config.inventory_file is not None and (config.groups or config.empty_groups):
        yield Problem("`groups` have no effect beside `inventory_file`", "inventory_file", warning=True)
    if not 0 <= config.local_port < 65536:
        yield Problem(f"`local_port` is {config.local_port}, and ports go up to 65535", "local_port")
    yield from _check_adapter(config)


def _check_adapter(config: AnsibleConfig) -> Iterable[Problem]:
    if config.use_proxy is not False:
        return
    for name in ("local_port", "ssh_host_key_file", "ssh_authorized_key_file"):
        if getattr(config, name):
            yield Problem(f"`{name}` has no effect with `use_proxy = false`", name, warning=True)
