"""What is wrong with a `source "qemu"`, judged by its values alone."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from vmforge.builders.answer_files import check_answer_files
from vmforge.builders.boot import check_boot
from vmforge.builders.iso import check_iso
from vmforge.builders.qemu.config import DiskFormat, QemuConfig
from vmforge.builders.removable_media import check_removable_media
from vmforge.sdk import Problem


def check_qemu(config: QemuConfig) -> Iterable[Problem]:
    """Every problem of the configuration."""
    return chain(
        check_iso(config),
        check_answer_files(config),
        check_removable_media(config),
        check_boot(config),
        _check_disks(config),
        _check_hardware(config),
        _check_console(config),
        _check_ports(config),
    )


def _check_disks(config: QemuConfig) -> Iterable[Problem]:
    if config.use_backing_file and not (config.disk_image and config.format is DiskFormat.QCOW2):
        hint = 'set `disk_image = true` and `format = "qcow2"`'
        yield Problem("`use_backing_file` needs a disk image in qcow2 format", "use_backing_file", hint=hint)
    if config.skip_resize_disk and not config.disk_image:
        yield Problem("`skip_resize_disk` needs `disk_image = true`", "skip_resize_disk")
    if config.disk_compression and config.format is not DiskFormat.QCOW2:
        hint = 'set `format = "qcow2"`, or compress with the `compress` post-processor'
        yield Problem(
            "`disk_compression` has no effect on a raw image", "disk_compression", hint=hint, warning=True
        )
    if config.disk_size.bytes == 0:
        yield Problem("`disk_size` is 0", "disk_size", hint='write a size, as in `"40G"`')


def _check_hardware(config: QemuConfig) -> Iterable[Problem]:
    for name in ("cpus", "sockets", "cores", "threads"):
        count = getattr(config, name)
        if count is not None and count < 1:
            yield Problem(f"`{name}` must be 1 or more", name)
    if config.use_pflash and config.firmware is None:
        yield Problem("`use_pflash` needs `firmware`", "use_pflash")
    if config.firmware is not None and config.uses_efi:
        hint = "keep `efi_boot` and its files, or `firmware`"
        yield Problem("`firmware` and the `efi_...` options are both set", "firmware", hint=hint)


def _check_console(config: QemuConfig) -> Iterable[Problem]:
    if config.disable_vnc and config.steps:
        yield Problem("`disable_vnc` leaves no way to type the boot command", "disable_vnc")


def _check_ports(config: QemuConfig) -> Iterable[Problem]:
    if config.forwarded_ports is not None and not config.forwarded_ports:
        yield Problem("`host_port_max` is less than `host_port_min`", "host_port_max")
    for arguments in config.qemuargs:
        if not arguments:
            yield Problem("`qemuargs` holds an empty list", "qemuargs", hint='write `["-switch", "value"]`')
