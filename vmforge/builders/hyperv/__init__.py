"""Builders on Hyper-V, by PowerShell: from an installer's disc, or from another machine."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from vmforge.builders.hyperv.config import (
    HyperVIsoConfig,
    HyperVOptions,
    HyperVVmcxConfig,
    check_new_disk,
    check_options,
    check_source,
)
from vmforge.builders.installing.options import local_files, presets
from vmforge.builders.iso import remote_iso
from vmforge.sdk import Artifact, BuildContext, Builder, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import Interpolator
from vmforge.sdk.network import RemoteInput


class HyperVIsoBuilder(Builder[HyperVIsoConfig]):
    """The component that `source "hyperv-iso"` names."""

    config_type = HyperVIsoConfig
    builder_id = "MSOpenTech.hyperv"
    summary = "builds a machine on Hyper-V, from an installer's ISO or a disk"

    @classmethod
    def check(cls, config: HyperVIsoConfig) -> Iterable[Problem]:
        return chain(check_options(config), check_new_disk(config))

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        return presets(body, engine, HyperVIsoConfig, efi_option=("generation", "2"))

    @classmethod
    def remote_inputs(cls, config: HyperVIsoConfig) -> Iterable[RemoteInput]:
        return remote_iso(config)

    @classmethod
    def local_inputs(cls, config: HyperVIsoConfig) -> Iterable[Path]:
        return (*local_files(config), *_discs(config))

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.hyperv.machine import InstalledMachine
        from vmforge.builders.installing.recipe import install

        return install(self.config, context, InstalledMachine(self.config, context))


class HyperVVmcxBuilder(Builder[HyperVVmcxConfig]):
    """The component that `source "hyperv-vmcx"` names."""

    config_type = HyperVVmcxConfig
    builder_id = "MSOpenTech.hyperv"
    summary = "provisions a copy of a machine on Hyper-V"

    @classmethod
    def check(cls, config: HyperVVmcxConfig) -> Iterable[Problem]:
        return chain(check_options(config), check_source(config))

    @classmethod
    def local_inputs(cls, config: HyperVVmcxConfig) -> Iterable[Path]:
        source = [Path(config.clone_from_vmcx_path)] if config.clone_from_vmcx_path else []
        return (*local_files(config), *_discs(config), *source)

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.hyperv.machine import ClonedMachine
        from vmforge.builders.installing.recipe import install

        return install(self.config, context, ClonedMachine(self.config, context))


def _discs(config: HyperVOptions) -> Iterable[Path]:
    """The discs that the template names by their paths."""
    named = (*config.secondary_iso_images, config.guest_additions_path)
    return (Path(path) for path in named if path)
