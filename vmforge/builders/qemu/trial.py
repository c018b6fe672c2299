"""A finished image booted for a trial: on an overlay that is thrown away, with nothing installed or typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vmforge.builders.kernel_boot import BootMethod
from vmforge.builders.qemu.config import DiskFormat, Minimise, QemuConfig
from vmforge.builders.qemu.recipe import build
from vmforge.errors import VmforgeError
from vmforge.sdk import Appliance, Artifact, BuildContext, LayerPolicy, Machine, appliance_of


def boot(
    config: QemuConfig, context: BuildContext, artifact: Artifact, use: Callable[[Machine], None]
) -> None:
    """See `Builder.boot`."""
    appliance = appliance_of(artifact, context.name)
    on_trial = replace(
        context, data=dict(context.data), layers=None, throwaway=True, film=None, provision=use
    )
    build(trial_config(config, appliance), on_trial)


def trial_config(config: QemuConfig, appliance: Appliance) -> QemuConfig:
    """The same machine, its disk an overlay over the image, without what installed it. A seed of cloud-init
    stays: without it nobody could log in to an image that has forgotten the build's key."""
    if len(appliance.disks) > 1:
        hint = "test it before it is finished: leave `on` out"
        raise VmforgeError("an image of several disks cannot be booted for a test", hint=hint)
    return replace(
        config,
        iso_url=str(appliance.disks[0].absolute()),
        iso_urls=(),
        iso_checksum="none",
        iso_checksum_type="",
        iso_checksum_url="",
        iso_target_path=None,
        disk_image=True,
        use_backing_file=True,
        skip_resize_disk=True,
        disk_compression=False,
        format=DiskFormat.QCOW2,
        minimise=Minimise.OFF,
        layers=LayerPolicy.OFF,
        efi_boot=config.uses_efi,
        efi_firmware_vars=appliance.nvram.absolute() if appliance.nvram else config.efi_firmware_vars,
        boot_method=BootMethod.TYPE,
        boot_command=(),
        boot_steps=(),
        http_directory=None,
        http_content={},
        floppy_files=(),
        floppy_dirs=(),
        floppy_content={},
        cd_files=(),
        cd_content={},
    )
