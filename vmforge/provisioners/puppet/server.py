"""The `puppet-server` provisioner: runs Puppet's agent in the guest, against a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.provisioners.local_paths import check_folders
from vmforge.provisioners.puppet.config import SWITCHES, PuppetConfig, PuppetRun
from vmforge.provisioners.staging import GuestSystem, StagingFolder
from vmforge.provisioners.windows.elevated import check_account
from vmforge.sdk import BuildContext, Machine, Problem, Provisioner, option
from vmforge.sdk.late import check_late

_STAGING = {
    GuestSystem.UNIX: "/tmp/packer-puppet-server",
    GuestSystem.WINDOWS: "C:/Windows/Temp/packer-puppet-server",
}
_FIELDS = (
    "WorkingDir",
    "FacterVars",
    "PuppetServer",
    "PuppetNode",
    "ClientCertPath",
    "ClientPrivateKeyPath",
    "PuppetBinDir",
    "Sudo",
    "Debug",
    "ExtraArguments",
)


@dataclass(frozen=True, kw_only=True)
class PuppetServerConfig(PuppetConfig):
    """The options of the `puppet-server` provisioner."""

    puppet_server: str = option("puppet", help="The server.")
    puppet_node: str = option("", help="The guest's name there.", default_text="Puppet's own choice")
    client_cert_path: Path | None = option(None, help="A folder with the guest's certificate.")
    client_private_key_path: Path | None = option(None, help="A folder with the guest's private key.")
    staging_dir: str = option(
        "",
        help="The guest's folder for these.",
        default_text=f"`{_STAGING[GuestSystem.UNIX]}`, on Windows `{_STAGING[GuestSystem.WINDOWS]}`",
        aliases=("staging_directory",),
        affects_image=False,
    )


class PuppetServerProvisioner(Provisioner[PuppetServerConfig]):
    """Runs Puppet's agent once. What the server says may change without notice, so no layer stands for it."""

    config_type = PuppetServerConfig
    summary = "runs Puppet's agent in the guest, against a server"

    @classmethod
    def check(cls, config: PuppetServerConfig) -> Iterable[Problem]:
        yield from check_folders(config, "client_cert_path", "client_private_key_path")
        yield from check_late(config.execute_command, _FIELDS, "execute_command")
        yield from check_account(config.elevated_user, config.elevated_password)

    def provision(self, context: BuildContext, machine: Machine) -> None:
        run = PuppetRun(self.config, context, machine.communicator)
        path = self.config.staging_dir or _STAGING[run.system]
        keep = not self.config.clean_staging_directory
        with StagingFolder(context, machine.communicator, path, run.commands, keep=keep) as staging:
            cert, key = self.config.client_cert_path, self.config.client_private_key_path
            fields = {
                "PuppetServer": self.config.puppet_server,
                "PuppetNode": self.config.puppet_node,
                "ClientCertPath": staging.upload(cert, "certs") if cert is not None else "",
                "ClientPrivateKeyPath": staging.upload(key, "private_keys") if key is not None else "",
            }
            run.run(" ".join(self._arguments(fields, run)), fields, staging.path)

    def _arguments(self, fields: dict[str, str], run: PuppetRun) -> Iterator[str]:
        yield f"agent --onetime --no-daemonize {SWITCHES}"
        if run.context.debug:
            yield "--debug"
        switches = {
            "PuppetServer": "server",
            "PuppetNode": "certname",
            "ClientCertPath": "certdir",
            "ClientPrivateKeyPath": "privatekeydir",
        }
        for name, switch in switches.items():
            if fields[name]:
                yield f"--{switch}={run.quote(fields[name])}"
