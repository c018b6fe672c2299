"""The options of `source "vagrant"`, as Packer's plugin names them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.builders.iso import IsoOptions, check_iso
from vmforge.sdk import Config, Problem, option
from vmforge.sdk.values import can_be_path, expand_home

_ADD = "As `vagrant box add` has it."


class Teardown(StrEnum):
    """What becomes of the machine in the end."""

    HALT = "halt"
    SUSPEND = "suspend"
    DESTROY = "destroy"


@dataclass(frozen=True, kw_only=True)
class VagrantConfig(Config):
    """All options of `source "vagrant"` but the communicator's."""

    source_path: str = option("", help="The box to begin from: its name, or a path or URL of its file.")
    global_id: str = option(
        "", help="A machine that Vagrant has already, as `vagrant global-status` names it."
    )
    checksum: str = option(
        "", help="What the box's file must be, as `iso_checksum` has it.", default_text="none"
    )
    box_name: str = option(
        "", help="The name that a box from a file gets in Vagrant.", default_text="packer_BUILDNAME"
    )
    box_version: str = option("", help="The box's version.", default_text="the newest")
    provider: str = option("", help="Vagrant's provider.", default_text="Vagrant's choice")
    output_dir: Path | None = option(
        None, help="Where the box goes; must not exist.", default_text="output-BUILDNAME", written=True
    )
    template: Path | None = option(
        None,
        help="A template of the machine's Vagrantfile, which defines a machine `source`. It knows "
        "`{{ .BoxName }}`, `{{ .SyncedFolder }}` and `{{ .InsertKey }}`.",
    )
    vagrantfile_template: Path | None = option(None, help="The same as `template`.")
    synced_folder: str = option("", help="A folder of this machine that the guest gets as `/vagrant`.")
    insert_key: bool = option(False, help="Let Vagrant replace its well-known key in the guest.")
    teardown_method: Teardown | None = option(
        None,
        help="What becomes of the machine once it is packaged.",
        default_text="`destroy`; `halt` with `global_id`",
    )
    skip_add: bool = option(False, help="Do not add the box: Vagrant has it.")
    add_cacert: str = option("", help=_ADD)
    add_capath: str = option("", help=_ADD)
    add_cert: str = option("", help=_ADD)
    add_clean: bool = option(False, help=_ADD)
    add_force: bool = option(False, help=_ADD)
    add_insecure: bool = option(False, help=_ADD)
    skip_package: bool = option(False, help="Make no box.")
    output_vagrantfile: str = option("", help="A Vagrantfile that goes into the box.")
    package_include: tuple[str, ...] = option((), help="More files that go into the box.")

    @property
    def teardown(self) -> Teardown:
        return self.teardown_method or (Teardown.HALT if self.global_id else Teardown.DESTROY)

    @property
    def own_template(self) -> Path | None:
        return self.template or self.vagrantfile_template

    @property
    def is_file(self) -> bool:
        """Whether the box is a file, here or behind a URL, and no name in a catalogue."""
        path = self.source_path.partition("?")[0]
        return path.endswith(".box") or (can_be_path(path) and expand_home(Path(path)).is_file())

    @property
    def leaves_transfer_to_vagrant(self) -> bool:
        """Whether the template tells Vagrant how to fetch the box."""
        return bool(self.add_cacert or self.add_capath or self.add_cert or self.add_insecure)

    @property
    def medium(self) -> IsoOptions | None:
        """The box's file as something to be fetched; None where that is left to Vagrant."""
        if not self.is_file or self.global_id or self.skip_add or self.leaves_transfer_to_vagrant:
            return None
        return IsoOptions(
            iso_url=self.source_path, iso_checksum=self.checksum or "none", iso_target_extension="box"
        )


def check(config: VagrantConfig) -> Iterable[Problem]:
    """All that is wrong with the options."""
    if bool(config.source_path) == bool(config.global_id):
        hint = "set `source_path` to a box, or `global_id` to a machine that is there"
        summary = "`source_path` and `global_id` are both set" if config.global_id else "there is no box"
        yield Problem(summary, "global_id" if config.global_id else "", hint=hint)
    if config.medium is not None:
        about = {"iso_checksum": "checksum", "iso_url": "source_path"}
        for problem in check_iso(config.medium):
            yield Problem(problem.summary, about.get(problem.option, ""), problem.hint, problem.warning)
    for name in ("template", "vagrantfile_template", "output_vagrantfile", "synced_folder"):
        path = getattr(config, name)
        if path and not (can_be_path(str(path)) and expand_home(Path(path)).exists()):
            yield Problem(f"`{name}`: there is no `{path}`", name)
    for path in config.package_include:
        if not (can_be_path(path) and Path(path).exists()):
            yield Problem(f"`package_include`: there is no `{path}`", "package_include")
    if config.template is not None and config.vagrantfile_template is not None:
        hint = "keep one of them"
        yield Problem("`template` and `vagrantfile_template` are both set", "vagrantfile_template", hint=hint)
    if config.skip_package and (config.output_vagrantfile or config.package_include):
        name = "output_vagrantfile" if config.output_vagrantfile else "package_include"
        yield Problem(f"`{name}` goes into no box with `skip_package`", name, warning=True)
