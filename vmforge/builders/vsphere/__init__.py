"""Machines and templates made on vSphere through its API: the builders `vsphere-iso` and `vsphere-clone`, and
the post-processors `vsphere` and `vsphere-template`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vmforge.builders.installing.options import local_files, presets
from vmforge.builders.iso import remote_iso
from vmforge.builders.vsphere.check import check_vsphere_clone, check_vsphere_iso
from vmforge.builders.vsphere.config import VsphereCloneConfig, VsphereIsoConfig
from vmforge.sdk import Artifact, BuildContext, Builder, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.extras import needs
from vmforge.sdk.interpolate import Interpolator
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.network import RemoteInput, RemoteKind


class VsphereIsoBuilder(Builder[VsphereIsoConfig]):
    """The component that `source "vsphere-iso"` names."""

    config_type = VsphereIsoConfig
    builder_id = "jetbrains.vsphere"
    summary = "builds a machine or template on vSphere from an installer's ISO"

    @classmethod
    def check(cls, config: VsphereIsoConfig) -> Iterable[Problem]:
        return check_vsphere_iso(config)

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        return presets(body, engine, VsphereIsoConfig, efi_option=("firmware", "efi"))

    @classmethod
    def remote_inputs(cls, config: VsphereIsoConfig) -> Iterable[RemoteInput]:
        return remote_iso(config) if config.urls else ()

    @classmethod
    def local_inputs(cls, config: VsphereIsoConfig) -> Iterable[Path]:
        return local_files(config)

    def build(self, context: BuildContext) -> Artifact | None:
        with needs("vsphere", "pyVmomi"):
            from vmforge.builders.vsphere.hypervisor import VsphereIso
        from vmforge.builders.installing.recipe import install

        return install(self.config, context, VsphereIso(self.config, context))

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        with needs("vsphere", "pyVmomi"):
            from vmforge.builders.vsphere.hypervisor import VsphereIso

        return list(VsphereIso(self.config, context).leftovers())


class VsphereCloneBuilder(Builder[VsphereCloneConfig]):
    """The component that `source "vsphere-clone"` names."""

    config_type = VsphereCloneConfig
    builder_id = "jetbrains.vsphere"
    summary = "builds a machine or template on vSphere from a clone of another one"

    @classmethod
    def check(cls, config: VsphereCloneConfig) -> Iterable[Problem]:
        return check_vsphere_clone(config)

    @classmethod
    def remote_inputs(cls, config: VsphereCloneConfig) -> Iterable[RemoteInput]:
        if config.remote_source is not None:
            yield RemoteInput(RemoteKind.MEDIUM, "the OVA", (config.remote_source.url,), extension="ova")

    @classmethod
    def local_inputs(cls, config: VsphereCloneConfig) -> Iterable[Path]:
        return local_files(config)

    def build(self, context: BuildContext) -> Artifact | None:
        with needs("vsphere", "pyVmomi"):
            from vmforge.builders.vsphere.hypervisor import VsphereClone
        from vmforge.builders.installing.recipe import install

        return install(self.config, context, VsphereClone(self.config, context))

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        with needs("vsphere", "pyVmomi"):
            from vmforge.builders.vsphere.hypervisor import VsphereClone

        return list(VsphereClone(self.config, context).leftovers())
