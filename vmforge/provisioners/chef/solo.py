"""The `chef-solo` provisioner: uploads cookbooks and applies them in the guest, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.provisioners.chef.config import ChefConfig, ChefRun, check_chef, remote_chef, ruby
from vmforge.provisioners.local_paths import check_folders, paths_of
from vmforge.provisioners.staging import GuestSystem, StagingFolder
from vmforge.sdk import BuildContext, Machine, Problem, Provisioner, option
from vmforge.sdk.network import RemoteInput

_STAGING = {
    GuestSystem.UNIX: "/tmp/packer-chef-solo",
    GuestSystem.WINDOWS: "C:/Windows/Temp/packer-chef-solo",
}
# One folder each: the option, what solo.rb calls it, what a template calls it.
_FOLDERS = (
    ("roles_path", "role_path", "RolesPath"),
    ("data_bags_path", "data_bag_path", "DataBagsPath"),
    ("environments_path", "environment_path", "EnvironmentsPath"),
)
_FIELDS = (
    "CookbookPaths",
    "EncryptedDataBagSecretPath",
    "HasEncryptedDataBagSecretPath",
    "ChefEnvironment",
    "ChefLicense",
    "Sudo",
    *(f"{has}{field}" for _, _, field in _FOLDERS for has in ("", "Has")),
)


@dataclass(frozen=True, kw_only=True)
class ChefSoloConfig(ChefConfig):
    """The options of the `chef-solo` provisioner."""

    cookbook_paths: tuple[Path, ...] = option((), help="Folders of cookbooks.")
    remote_cookbook_paths: tuple[str, ...] = option(
        (), help="Folders of cookbooks that are in the guest already."
    )
    roles_path: Path | None = option(None, help="The folder of roles.")
    data_bags_path: Path | None = option(None, help="The folder of data bags.")
    environments_path: Path | None = option(None, help="The folder of environments.")
    staging_directory: str = option(
        "",
        help="The guest's folder for all of it.",
        default_text=f"`{_STAGING[GuestSystem.UNIX]}`, on Windows `{_STAGING[GuestSystem.WINDOWS]}`",
        affects_image=False,
    )


_PATHS = (
    "cookbook_paths",
    "roles_path",
    "data_bags_path",
    "environments_path",
    "encrypted_data_bag_secret_path",
    "config_template",
)


class ChefSoloProvisioner(Provisioner[ChefSoloConfig]):
    """Applies cookbooks in the guest. What was uploaded stays there, as with Packer."""

    config_type = ChefSoloConfig
    summary = "uploads cookbooks and applies them with Chef in the guest"

    @classmethod
    def check(cls, config: ChefSoloConfig) -> Iterable[Problem]:
        yield from check_folders(config, "cookbook_paths", *(name for name, _, _ in _FOLDERS))
        yield from check_chef(config, _FIELDS)

    @property
    def cacheable(self) -> bool:
        return True

    @classmethod
    def remote_inputs(cls, config: ChefSoloConfig) -> Iterable[RemoteInput]:
        return remote_chef(config)

    def input_files(self) -> Iterable[Path]:
        return paths_of(self.config, *_PATHS)

    def provision(self, context: BuildContext, machine: Machine) -> None:
        run = ChefRun(self.config, "chef-solo", context, machine.communicator)
        run.install()
        path = self.config.staging_directory or _STAGING[run.system]
        with StagingFolder(context, machine.communicator, path, run.commands, keep=True) as staging:
            context.ui.message(f"uploading cookbooks to `{path}`")
            fields, settings = self._upload(staging)
            config_path = run.write_settings(staging, "solo.rb", "".join(settings), fields)
            run.run(config_path, run.write_attributes(staging))

    def _upload(self, staging: StagingFolder) -> tuple[Mapping[str, object], list[str]]:
        """Everything; returns where it is, as fields for a template and as lines for solo.rb."""
        config = self.config
        uploaded = [staging.upload(path, f"cookbooks-{n}") for n, path in enumerate(config.cookbook_paths)]
        cookbooks = ", ".join(ruby(path) for path in (*config.remote_cookbook_paths, *uploaded))
        fields: dict[str, object] = {"CookbookPaths": cookbooks}
        lines = [f"cookbook_path [{cookbooks}]\n"] if cookbooks else []
        for name, setting, field in _FOLDERS:
            source = getattr(config, name)
            path = staging.upload(source, name.removesuffix("_path")) if source is not None else ""
            fields |= {field: path, f"Has{field}": bool(path)}
            lines += [f"{setting} {ruby(path)}\n"] if path else []
        secret = config.encrypted_data_bag_secret_path
        path = staging.upload(secret, "encrypted_data_bag_secret") if secret is not None else ""
        fields |= {"EncryptedDataBagSecretPath": path, "HasEncryptedDataBagSecretPath": bool(path)}
        lines += [f"encrypted_data_bag_secret {ruby(path)}\n"] if path else []
        fields |= {"ChefEnvironment": config.chef_environment, "ChefLicense": config.chef_license}
        return fields, [*lines, *self._last_lines()]

    def _last_lines(self) -> Iterator[str]:
        if self.config.chef_environment:
            yield f"environment {ruby(self.config.chef_environment)}\n"
        if self.config.chef_license:
            yield f"chef_license {ruby(self.config.chef_license)}\n"
