"""Builders on VMware Workstation, Player and Fusion: from an installer's disc, or from another machine."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from vmforge.builders.installing.options import local_files, presets
from vmforge.builders.iso import remote_iso
from vmforge.builders.vmware.config import VMwareIsoConfig, VMwareVmxConfig, check_hardware, check_options
from vmforge.sdk import Artifact, BuildContext, Builder, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import Interpolator
from vmforge.sdk.network import RemoteInput


class VMwareIsoBuilder(Builder[VMwareIsoConfig]):
    """The component that `source "vmware-iso"` names."""

    config_type = VMwareIsoConfig
    builder_id = "mitchellh.vmware"
    summary = "builds a machine on VMware Workstation or Fusion, from an installer's ISO"

    @classmethod
    def check(cls, config: VMwareIsoConfig) -> Iterable[Problem]:
        return chain(check_options(config), check_hardware(config))

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        return presets(body, engine, VMwareIsoConfig, efi_option=("firmware", "efi"))

    @classmethod
    def remote_inputs(cls, config: VMwareIsoConfig) -> Iterable[RemoteInput]:
        return remote_iso(config)

    @classmethod
    def local_inputs(cls, config: VMwareIsoConfig) -> Iterable[Path]:
        return local_files(config)

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.installing.recipe import install
        from vmforge.builders.vmware.sources import InstalledMachine

        return install(self.config, context, InstalledMachine(self.config, context))


class VMwareVmxBuilder(Builder[VMwareVmxConfig]):
    """The component that `source "vmware-vmx"` names."""

    config_type = VMwareVmxConfig
    builder_id = "mitchellh.vmware"
    summary = "provisions a copy of a machine on VMware Workstation or Fusion"

    @classmethod
    def check(cls, config: VMwareVmxConfig) -> Iterable[Problem]:
        return check_options(config)

    @classmethod
    def local_inputs(cls, config: VMwareVmxConfig) -> Iterable[Path]:
        return local_files(config)

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.installing.recipe import install
        from vmforge.builders.vmware.sources import ClonedMachine

        return install(self.config, context, ClonedMachine(self.config, context))
