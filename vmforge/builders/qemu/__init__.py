"""The `qemu` builder: images made on QEMU through libvirt, from an installer's ISO or a disk image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from vmforge.builders.iso import local_iso, remote_iso
from vmforge.builders.qemu.check import check_qemu
from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.removable_media import named_files
from vmforge.sdk import Artifact, BuildContext, Builder, HostFinding, Inputs, Machine, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import Interpolator
from vmforge.sdk.network import RemoteInput
from vmforge.sdk.options import paths_of


class QemuBuilder(Builder[QemuConfig]):
    """The component that `source "qemu"` names."""

    config_type = QemuConfig
    builder_id = "transcend.qemu"
    summary = "builds a disk image on QEMU through libvirt, from an installer's ISO or a disk image"

    @classmethod
    def check(cls, config: QemuConfig) -> Iterable[Problem]:
        return check_qemu(config)

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        from vmforge.builders.boot_config import presets

        return presets(body, engine)

    @classmethod
    def remote_inputs(cls, config: QemuConfig) -> Iterable[RemoteInput]:
        return remote_iso(config)

    @classmethod
    def local_inputs(cls, config: QemuConfig) -> Iterable[Path]:
        return (*paths_of(config), *local_iso(config), *named_files(config))

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.qemu.recipe import build

        return build(self.config, context)

    def find_artifact(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.qemu.recipe import find_artifact

        return find_artifact(self.config, context)

    def boot(self, context: BuildContext, artifact: Artifact, use: Callable[[Machine], None]) -> None:
        from vmforge.builders.qemu.trial import boot

        boot(self.config, context, artifact, use)

    def layer_inputs(self, context: BuildContext) -> Inputs | str:
        from vmforge.builders.qemu.recipe import layer_inputs

        return layer_inputs(self.config, context)

    @classmethod
    def tools(cls, config: QemuConfig) -> Mapping[str, str]:
        from vmforge.hypervisor.inspection import tool_versions

        return tool_versions(config.qemu_binary)

    @classmethod
    def examine_host(cls, state_dir: Path) -> Iterable[HostFinding]:
        from vmforge.hypervisor.inspection import inspect_host

        return inspect_host(state_dir, os.environ.get("VMFORGE_LIBVIRT_URI"))
