"""Builders on VirtualBox: from an installer's disc, from an appliance, from a machine that is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

from vmforge.builders.installing.options import local_files, presets
from vmforge.builders.iso import check_iso, local_iso, remote_iso
from vmforge.builders.virtualbox.config import (
    VirtualBoxIsoConfig,
    VirtualBoxOptions,
    VirtualBoxOvfConfig,
    VirtualBoxVmConfig,
    check_hardware,
    check_options,
)
from vmforge.sdk import Artifact, BuildContext, Builder, Cancellation, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import Interpolator
from vmforge.sdk.network import RemoteInput


class VirtualBoxIsoBuilder(Builder[VirtualBoxIsoConfig]):
    """The component that `source "virtualbox-iso"` names."""

    config_type = VirtualBoxIsoConfig
    builder_id = "mitchellh.virtualbox"
    summary = "builds an OVF or OVA on VirtualBox, from an installer's ISO"

    @classmethod
    def check(cls, config: VirtualBoxIsoConfig) -> Iterable[Problem]:
        return chain(check_options(config), check_hardware(config))

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        return presets(body, engine, VirtualBoxIsoConfig, efi_option=("firmware", "efi"))

    @classmethod
    def remote_inputs(cls, config: VirtualBoxIsoConfig) -> Iterable[RemoteInput]:
        return remote_iso(config)

    @classmethod
    def local_inputs(cls, config: VirtualBoxIsoConfig) -> Iterable[Path]:
        return local_files(config)

    @classmethod
    def tools(cls, config: VirtualBoxIsoConfig) -> Mapping[str, str]:
        return _tools()

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.installing.recipe import install
        from vmforge.builders.virtualbox.sources import InstalledMachine

        return install(self.config, context, InstalledMachine(self.config, context))


class VirtualBoxOvfBuilder(Builder[VirtualBoxOvfConfig]):
    """The component that `source "virtualbox-ovf"` names."""

    config_type = VirtualBoxOvfConfig
    builder_id = "mitchellh.virtualbox"
    summary = "builds an OVF or OVA on VirtualBox, from another one"

    @classmethod
    def check(cls, config: VirtualBoxOvfConfig) -> Iterable[Problem]:
        from vmforge.builders.virtualbox.sources import appliance_medium

        about = {"iso_url": "source_path", "iso_checksum": "checksum"}
        for problem in check_iso(appliance_medium(config)):
            yield Problem(
                problem.summary, about.get(problem.option, "source_path"), problem.hint, problem.warning
            )
        yield from check_options(config)

    @classmethod
    def remote_inputs(cls, config: VirtualBoxOvfConfig) -> Iterable[RemoteInput]:
        from vmforge.builders.virtualbox.sources import appliance_medium

        return remote_iso(appliance_medium(config))

    @classmethod
    def local_inputs(cls, config: VirtualBoxOvfConfig) -> Iterable[Path]:
        from vmforge.builders.virtualbox.sources import appliance_medium

        return (*local_files(config), *local_iso(appliance_medium(config)))

    @classmethod
    def tools(cls, config: VirtualBoxOvfConfig) -> Mapping[str, str]:
        return _tools()

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.installing.recipe import install
        from vmforge.builders.virtualbox.sources import ImportedMachine

        return install(self.config, context, ImportedMachine(self.config, context))


class VirtualBoxVmBuilder(Builder[VirtualBoxVmConfig]):
    """The component that `source "virtualbox-vm"` names."""

    config_type = VirtualBoxVmConfig
    builder_id = "mitchellh.virtualbox"
    summary = "provisions a machine that VirtualBox has, and exports it"

    @classmethod
    def check(cls, config: VirtualBoxVmConfig) -> Iterable[Problem]:
        return check_options(config)

    @classmethod
    def local_inputs(cls, config: VirtualBoxVmConfig) -> Iterable[Path]:
        return local_files(config)

    @classmethod
    def tools(cls, config: VirtualBoxVmConfig) -> Mapping[str, str]:
        return _tools()

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.installing.recipe import install
        from vmforge.builders.virtualbox.sources import ExistingMachine

        return install(self.config, context, ExistingMachine(self.config, context))


def _tools() -> Mapping[str, str]:
    from vmforge.builders.virtualbox.tool import VBoxManage
    from vmforge.errors import VmforgeError

    try:
        return {"VirtualBox": VBoxManage.of(Cancellation()).version()}
    except VmforgeError:
        return {}


__all__ = ["VirtualBoxIsoBuilder", "VirtualBoxOptions", "VirtualBoxOvfBuilder", "VirtualBoxVmBuilder"]
