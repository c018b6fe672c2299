"""The `chef-client` provisioner: runs Chef in the guest as a node of a server."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.provisioners.chef.config import ChefConfig, ChefRun, check_chef, remote_chef, ruby
from vmforge.provisioners.local_paths import check_files, check_folders, paths_of
from vmforge.provisioners.staging import GuestSystem, StagingFolder, run_in_guest
from vmforge.provisioners.windows.elevated import Account, check_account
from vmforge.sdk import BuildContext, Machine, Problem, Provisioner, Secret, option
from vmforge.sdk.late import check_late
from vmforge.sdk.network import RemoteInput

_STAGING = {
    GuestSystem.UNIX: "/tmp/packer-chef-client",
    GuestSystem.WINDOWS: "C:/Windows/Temp/packer-chef-client",
}
_FIELDS = (
    "ChefEnvironment",
    "ChefLicense",
    "ClientKey",
    "EncryptedDataBagSecretPath",
    "NodeName",
    "ServerUrl",
    "SslVerifyMode",
    "TrustedCertsDir",
    "ValidationClientName",
    "ValidationKeyPath",
    "PolicyGroup",
    "PolicyName",
    "Sudo",
)


@dataclass(frozen=True, kw_only=True)
class ChefClientConfig(ChefConfig):
    """The options of the `chef-client` provisioner."""

    server_url: str = option(help="The server, with the organization.")
    node_name: str = option("", help="The node's name.", default_text="`packer-` and the run's id")
    policy_group: str = option("", help="The group of the policy, in place of an environment.")
    policy_name: str = option("", help="The policy.")
    validation_key_path: Path | None = option(None, help="The key that registers new nodes.")
    validation_client_name: str = option("", help="Whose key that is.", default_text="`chef-validator`")
    client_key: str = option(
        "",
        help="Where in the guest the node's own key is.",
        default_text="`client.pem` in the staging folder",
    )
    ssl_verify_mode: str = option(
        "", help="How the server's certificate is looked at: `verify_none`, `verify_peer`."
    )
    trusted_certs_dir: Path | None = option(
        None, help="A folder of certificates that Chef is to trust.", default_text="Chef's own"
    )
    knife_command: str = option(
        "",
        late=True,
        help="The command that runs `knife`; knows `{{ .Args }}`, `{{ .Flags }}` and `{{ .Sudo }}`.",
        default_text="`knife`, as root",
    )
    skip_clean_client: bool = option(False, help="Leave the client on the server.")
    skip_clean_node: bool = option(False, help="Leave the node on the server.")
    skip_clean_staging_directory: bool = option(False, help="Leave the staging folder in the guest.")
    staging_directory: str = option(
        "",
        help="The guest's folder for all of it.",
        default_text=f"`{_STAGING[GuestSystem.UNIX]}`, on Windows `{_STAGING[GuestSystem.WINDOWS]}`",
        affects_image=False,
    )
    elevated_user: str = option("", help="Windows: the user to run Chef as, with all rights.")
    elevated_password: Secret = option(Secret(""), help="Their password.")


class ChefClientProvisioner(Provisioner[ChefClientConfig]):
    """Registers a node, applies what the server has for it, and takes the node away again. What the server
    says may change without notice, so no layer stands for it."""

    config_type = ChefClientConfig
    summary = "runs Chef in the guest as a node of a server"

    @classmethod
    def check(cls, config: ChefClientConfig) -> Iterable[Problem]:
        if not config.server_url:
            yield Problem("`server_url` is empty", "server_url")
        if bool(config.policy_name) != bool(config.policy_group):
            name = "policy_name" if config.policy_name else "policy_group"
            yield Problem("`policy_name` and `policy_group` go together", name)
        yield from check_account(config.elevated_user, config.elevated_password)
        yield from check_files(config, "validation_key_path")
        yield from check_folders(config, "trusted_certs_dir")
        yield from check_late(config.knife_command, ("Args", "Flags", "Sudo"), "knife_command")
        yield from check_chef(config, _FIELDS)

    @classmethod
    def remote_inputs(cls, config: ChefClientConfig) -> Iterable[RemoteInput]:
        return remote_chef(config)

    def input_files(self) -> Iterable[Path]:
        return paths_of(self.config, "encrypted_data_bag_secret_path", "config_template", "trusted_certs_dir")

    def provision(self, context: BuildContext, machine: Machine) -> None:
        config = self.config
        account = Account(config.elevated_user, config.elevated_password)
        run = ChefRun(config, "chef-client", context, machine.communicator, account)
        run.install()
        path = config.staging_directory or _STAGING[run.system]
        keep = config.skip_clean_staging_directory
        with StagingFolder(context, machine.communicator, path, run.commands, keep=keep) as staging:
            fields = self._upload(staging, context)
            settings = run.write_settings(staging, "client.rb", "".join(self._settings(fields)), fields)
            knife = staging.write("".join(_knife_settings(fields)), "knife.rb")
            try:
                run.run(settings, run.write_attributes(staging))
            finally:
                self._clean(run, str(fields["NodeName"]), knife)

    def _upload(self, staging: StagingFolder, context: BuildContext) -> dict[str, str]:
        config = self.config
        secret, certificates = config.encrypted_data_bag_secret_path, config.trusted_certs_dir
        key = config.validation_key_path
        return {
            "ServerUrl": config.server_url,
            "NodeName": config.node_name or f"packer-{context.run_uuid}",
            "ChefEnvironment": config.chef_environment,
            "ChefLicense": config.chef_license,
            "PolicyGroup": config.policy_group,
            "PolicyName": config.policy_name,
            "SslVerifyMode": config.ssl_verify_mode,
            "ValidationClientName": config.validation_client_name or "chef-validator",
            "ClientKey": config.client_key or staging.inside("client.pem"),
            "ValidationKeyPath": staging.upload(key, "validation.pem") if key is not None else "",
            "EncryptedDataBagSecretPath": (
                staging.upload(secret, "encrypted_data_bag_secret") if secret is not None else ""
            ),
            "TrustedCertsDir": staging.upload(certificates, "trusted_certs")
            if certificates is not None
            else "",
        }

    def _settings(self, fields: Mapping[str, str]) -> Iterator[str]:
        """The lines of client.rb."""
        yield "log_level :info\nlog_location STDOUT\n"
        names = {
            "chef_server_url": "ServerUrl",
            "client_key": "ClientKey",
            "node_name": "NodeName",
            "encrypted_data_bag_secret": "EncryptedDataBagSecretPath",
            "validation_key": "ValidationKeyPath",
            "environment": "ChefEnvironment",
            "policy_group": "PolicyGroup",
            "policy_name": "PolicyName",
            "trusted_certs_dir": "TrustedCertsDir",
            "chef_license": "ChefLicense",
        }
        for setting, field in names.items():
            if fields[field]:
                yield f"{setting} {ruby(fields[field])}\n"
        if fields["ValidationKeyPath"]:
            yield f"validation_client_name {ruby(fields['ValidationClientName'])}\n"
        if fields["SslVerifyMode"]:
            yield f"ssl_verify_mode :{fields['SslVerifyMode'].removeprefix(':')}\n"

    def _clean(self, run: ChefRun, node: str, knife: str) -> None:
        """Take the node and the client off the server; what cannot be done is a warning."""
        wanted = (("node", not self.config.skip_clean_node), ("client", not self.config.skip_clean_client))
        for what, clean in wanted:
            if not clean:
                continue
            try:
                status = run_in_guest(run.context, run.communicator, self._knife(run, what, node, knife))
            except VmforgeError as error:
                run.context.ui.warn(f"{what} `{node}` is still on the Chef server: {error.message}")
                return
            if status != 0:
                run.context.ui.warn(f"{what} `{node}` is still on the Chef server: `knife` answered {status}")

    def _knife(self, run: ChefRun, what: str, node: str, settings: str) -> str:
        arguments, flags = f"{what} delete {shlex.quote(node)}", f"-y -c {settings}"
        custom = self.config.knife_command
        fields = {"Args": arguments, "Flags": flags}
        return run.render(custom, fields) if custom else f"{run.prefix}knife {arguments} {flags}"


def _knife_settings(fields: Mapping[str, str]) -> Iterator[str]:
    yield "log_level :info\nlog_location STDOUT\n"
    yield f"chef_server_url {ruby(fields['ServerUrl'])}\n"
    yield f"client_key {ruby(fields['ClientKey'])}\n"
    yield f"node_name {ruby(fields['NodeName'])}\n"
    if fields["SslVerifyMode"]:
        yield f"ssl_verify_mode :{fields['SslVerifyMode'].removeprefix(':')}\n"
