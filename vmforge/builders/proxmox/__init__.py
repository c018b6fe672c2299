"""The builders `proxmox-iso` and `proxmox-clone`: templates made on a Proxmox VE cluster through its API."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from vmforge.builders.installing.options import local_files, presets
from vmforge.builders.iso import local_iso, remote_iso
from vmforge.builders.proxmox.blocks import IsoFile
from vmforge.builders.proxmox.check import check_proxmox_clone, check_proxmox_iso
from vmforge.builders.proxmox.config import ProxmoxCloneConfig, ProxmoxIsoConfig
from vmforge.builders.removable_media import named_files
from vmforge.sdk import Artifact, BuildContext, Builder, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import Interpolator
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.network import RemoteInput, RemoteKind


class ProxmoxIsoBuilder(Builder[ProxmoxIsoConfig]):
    """The component that `source "proxmox-iso"` names."""

    config_type = ProxmoxIsoConfig
    builder_id = "proxmox.iso"
    summary = "builds a template on Proxmox VE from an installer's ISO"

    @classmethod
    def check(cls, config: ProxmoxIsoConfig) -> Iterable[Problem]:
        return check_proxmox_iso(config)

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        return presets(body, engine, ProxmoxIsoConfig, efi_option=("bios", "ovmf"))

    @classmethod
    def remote_inputs(cls, config: ProxmoxIsoConfig) -> Iterable[RemoteInput]:
        return _remote(config.iso_files)

    @classmethod
    def local_inputs(cls, config: ProxmoxIsoConfig) -> Iterable[Path]:
        return (*local_files(config), *_local(config.iso_files))

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.installing.recipe import install
        from vmforge.builders.proxmox.hypervisor import ProxmoxIso

        return install(self.config, context, ProxmoxIso(self.config, context))

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        from vmforge.builders.proxmox.hypervisor import ProxmoxIso

        return list(ProxmoxIso(self.config, context).leftovers())


class ProxmoxCloneBuilder(Builder[ProxmoxCloneConfig]):
    """The component that `source "proxmox-clone"` names."""

    config_type = ProxmoxCloneConfig
    builder_id = "proxmox.clone"
    summary = "builds a template on Proxmox VE from a clone of another one"

    @classmethod
    def check(cls, config: ProxmoxCloneConfig) -> Iterable[Problem]:
        return check_proxmox_clone(config)

    @classmethod
    def remote_inputs(cls, config: ProxmoxCloneConfig) -> Iterable[RemoteInput]:
        return _remote(config.iso_files)

    @classmethod
    def local_inputs(cls, config: ProxmoxCloneConfig) -> Iterable[Path]:
        return (*local_files(config), *_local(config.iso_files))

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.installing.recipe import install
        from vmforge.builders.proxmox.hypervisor import ProxmoxClone

        return install(self.config, context, ProxmoxClone(self.config, context))

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        from vmforge.builders.proxmox.hypervisor import ProxmoxClone

        return list(ProxmoxClone(self.config, context).leftovers())


def _remote(isos: Iterable[IsoFile]) -> Iterable[RemoteInput]:
    for iso in isos:
        if iso.urls and iso.iso_download_pve:
            yield RemoteInput(RemoteKind.PROGRAM, "the ISO, which the Proxmox node downloads", iso.urls)
        elif iso.urls:
            yield from remote_iso(iso)


def _local(isos: Iterable[IsoFile]) -> Iterable[Path]:
    return chain.from_iterable(
        (*(local_iso(iso) if iso.urls and not iso.iso_download_pve else ()), *named_files(iso))
        for iso in isos
    )
