"""The `vagrant` builder: makes a box of another box, with the program `vagrant`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vmforge.builders.iso import local_iso, remote_iso
from vmforge.builders.vagrant.config import VagrantConfig, check
from vmforge.builders.vagrant.ssh import TOLD_BY_VAGRANT
from vmforge.sdk import Artifact, BuildContext, Builder, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import Interpolator
from vmforge.sdk.network import RemoteInput, RemoteKind
from vmforge.sdk.options import paths_of


class VagrantBuilder(Builder[VagrantConfig]):
    """The component that `source "vagrant"` names."""

    config_type = VagrantConfig
    builder_id = "vagrant"
    summary = "provisions the machine of a Vagrant box, and makes a box of it"

    @classmethod
    def check(cls, config: VagrantConfig) -> Iterable[Problem]:
        return check(config)

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        """Vagrant knows the user; the communicator wants one named."""
        return Presets({"ssh_username": TOLD_BY_VAGRANT})

    @classmethod
    def remote_inputs(cls, config: VagrantConfig) -> Iterable[RemoteInput]:
        if config.medium is not None:
            yield from remote_iso(config.medium)
        elif config.source_path and not (config.skip_add or config.global_id):
            yield RemoteInput(RemoteKind.PROGRAM, "the box, which Vagrant fetches", (config.source_path,))

    @classmethod
    def local_inputs(cls, config: VagrantConfig) -> Iterable[Path]:
        more = map(Path, (*config.package_include, *filter(None, [config.output_vagrantfile])))
        box = local_iso(config.medium) if config.medium is not None else ()
        return (*paths_of(config), *more, *box)

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.vagrant.recipe import build

        return build(self.config, context)
