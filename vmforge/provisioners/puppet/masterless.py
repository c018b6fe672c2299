"""The `puppet-masterless` provisioner: uploads manifests and modules, and applies them in the guest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.provisioners.local_paths import check_files, check_folders, check_paths, paths_of
from vmforge.provisioners.puppet.config import SWITCHES, PuppetConfig, PuppetRun
from vmforge.provisioners.staging import GuestSystem, StagingFolder
from vmforge.provisioners.windows.elevated import check_account
from vmforge.sdk import BuildContext, Machine, Problem, Provisioner, option
from vmforge.sdk.late import check_late

_STAGING = {
    GuestSystem.UNIX: "/tmp/packer-puppet-masterless",
    GuestSystem.WINDOWS: "C:/Windows/Temp/packer-puppet-masterless",
}
_FIELDS = (
    "WorkingDir",
    "FacterVars",
    "HieraConfigPath",
    "ModulePath",
    "ModulePathJoiner",
    "ManifestFile",
    "ManifestDir",
    "PuppetBinDir",
    "Sudo",
    "Debug",
    "ExtraArguments",
)
_PATHS = ("manifest_file", "manifest_dir", "module_paths", "hiera_config_path")


@dataclass(frozen=True, kw_only=True)
class PuppetMasterlessConfig(PuppetConfig):
    """The options of the `puppet-masterless` provisioner."""

    manifest_file: Path = option(help="The manifest to apply; a folder stands for all manifests in it.")
    manifest_dir: Path | None = option(None, help="A folder of manifests that the first one imports.")
    module_paths: tuple[Path, ...] = option((), help="Folders of modules.")
    hiera_config_path: Path | None = option(None, help="Hiera's settings.")
    staging_directory: str = option(
        "",
        help="The guest's folder for all of it.",
        default_text=f"`{_STAGING[GuestSystem.UNIX]}`, on Windows `{_STAGING[GuestSystem.WINDOWS]}`",
        affects_image=False,
    )


class PuppetMasterlessProvisioner(Provisioner[PuppetMasterlessConfig]):
    """Applies manifests in the guest, which must have Puppet."""

    config_type = PuppetMasterlessConfig
    summary = "uploads manifests and modules, and applies them with Puppet in the guest"

    @classmethod
    def check(cls, config: PuppetMasterlessConfig) -> Iterable[Problem]:
        yield from check_paths(config, "manifest_file")
        yield from check_folders(config, "manifest_dir", "module_paths")
        yield from check_files(config, "hiera_config_path")
        yield from check_late(config.execute_command, _FIELDS, "execute_command")
        yield from check_account(config.elevated_user, config.elevated_password)

    @property
    def cacheable(self) -> bool:
        return True

    def input_files(self) -> Iterable[Path]:
        return paths_of(self.config, *_PATHS)

    def provision(self, context: BuildContext, machine: Machine) -> None:
        run = PuppetRun(self.config, context, machine.communicator)
        path = self.config.staging_directory or _STAGING[run.system]
        keep = not self.config.clean_staging_directory
        with StagingFolder(context, machine.communicator, path, run.commands, keep=keep) as staging:
            context.ui.message(f"uploading manifests and modules to `{path}`")
            fields = self._upload(staging, run.system)
            run.run(" ".join(self._arguments(fields, run)), fields, staging.path)

    def _upload(self, staging: StagingFolder, system: GuestSystem) -> dict[str, str]:
        """Everything; returns where it is, by the names that `execute_command` knows."""
        config = self.config
        joiner = ";" if system is GuestSystem.WINDOWS else ":"
        modules = [staging.upload(path, f"module-{n}") for n, path in enumerate(config.module_paths)]
        hiera, folder = config.hiera_config_path, config.manifest_dir
        manifest = config.manifest_file
        name = "manifests" if manifest.is_dir() else f"manifests/{manifest.name}"
        return {
            "ModulePath": joiner.join(modules),
            "ModulePathJoiner": joiner,
            "HieraConfigPath": staging.upload(hiera, "hiera.yaml") if hiera is not None else "",
            "ManifestDir": staging.upload(folder, "manifests") if folder is not None else "",
            "ManifestFile": staging.upload(manifest, name),
        }

    def _arguments(self, fields: dict[str, str], run: PuppetRun) -> Iterator[str]:
        yield f"apply {SWITCHES}"
        if run.context.debug:
            yield "--debug"
        # no `--manifestdir`: Puppet 4 took it away, and the first manifest lies in that folder
        switches = {"ModulePath": "modulepath", "HieraConfigPath": "hiera_config"}
        for name, switch in switches.items():
            if fields[name]:
                yield f"--{switch}={run.quote(fields[name])}"
        yield run.quote(fields["ManifestFile"])
