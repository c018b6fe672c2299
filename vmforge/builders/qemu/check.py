"""What is wrong with a `source "qemu"`, judged by its values alone."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from vmforge.builders.answer_files import check_answer_files
from vmforge.builders.answer_texts import check_own_answers
from vmforge.builders.boot import BOOT_FIELDS, check_boot, check_unseen
from vmforge.builders.boot_config import Installation
from vmforge.builders.cloud_init import check_cloud_init
from vmforge.builders.iso import check_iso
from vmforge.builders.kernel_boot import check_kernel_boot
from vmforge.builders.ports import check_ports
from vmforge.builders.qemu.config import DiskFormat, DiskInterface, QemuConfig
from vmforge.builders.removable_media import check_removable_media
from vmforge.sdk import Problem
from vmforge.sdk.late import check_late

# What `{{ }}` in `qemuargs` may use, beside the values of a running build.
QEMUARGS_FIELDS = (*BOOT_FIELDS, "HTTPDir", "HTTPContent", "OutputDir", "SSHHostPort")

# Switches with which QEMU boots a kernel by itself.
_KERNEL_SWITCHES = ("-kernel", "-initrd", "-append")

# VNC's ports begin here: viewers and QEMU count displays from it.
_FIRST_VNC_PORT = 5900


def check_qemu(config: QemuConfig) -> Iterable[Problem]:
    """Every problem of the configuration."""
    return chain(
        check_iso(config),
        check_answer_files(config),
        check_removable_media(config),
        check_own_answers(config),
        check_cloud_init(config),
        Installation(config, config.uses_efi).check(),
        check_boot(config),
        check_kernel_boot(config),
        _check_boot_method(config),
        _check_disks(config),
        _check_image(config),
        _check_hardware(config),
        _check_firmware(config),
        _check_console(config),
        _check_network(config),
    )


def _check_boot_method(config: QemuConfig) -> Iterable[Problem]:
    from vmforge.hypervisor.qemuargs import forbids_restart

    if not config.boots_kernel:
        return
    if config.disk_image:
        yield Problem("`disk_image` has no installer whose kernel could be booted", "boot_method")
    if config.steps:
        name = "boot_steps" if config.boot_steps else "boot_command"
        hint = "put what the installer must know into `kernel_cmdline`"
        yield Problem(f'`{name}` is not typed with `boot_method = "kernel"`', name, hint=hint, warning=True)
    if any(switch in _KERNEL_SWITCHES for switch, *_ in filter(None, config.qemuargs)):
        hint = "write `kernel_path`, `initrd_path` and `kernel_cmdline`"
        yield Problem(
            '`qemuargs` name a kernel beside that of `boot_method = "kernel"`', "qemuargs", hint=hint
        )
    if forbids_restart(config.qemuargs):
        yield Problem(
            "with these `qemuargs` a reboot resets the machine in place, and would boot the installer again",
            "qemuargs",
            hint='leave them out, or use `boot_method = "type"`',
        )


def _check_disks(config: QemuConfig) -> Iterable[Problem]:
    if config.disk_compression and config.format is not DiskFormat.QCOW2:
        hint = 'set `format = "qcow2"`, or compress with the `compress` post-processor'
        yield Problem(
            "`disk_compression` has no effect on a raw image", "disk_compression", hint=hint, warning=True
        )
    for size in (config.disk_size, *config.disk_additional_size):
        if size.bytes == 0:
            name = "disk_size" if size is config.disk_size else "disk_additional_size"
            yield Problem(f"`{name}` is 0", name, hint='write a size, as in `"40G"`')
    if config.disk_interface is DiskInterface.SD and config.machine_type in ("pc", "q35"):
        yield Problem(
            f"machines of type `{config.machine_type}` have no SD card slot for `disk_interface`",
            "disk_interface",
            hint="use `virtio`",
        )


def _check_image(config: QemuConfig) -> Iterable[Problem]:
    if config.use_backing_file and not (config.disk_image and config.format is DiskFormat.QCOW2):
        hint = 'set `disk_image = true` and `format = "qcow2"`'
        yield Problem("`use_backing_file` needs a disk image in qcow2 format", "use_backing_file", hint=hint)
    if config.use_backing_file and config.disk_compression:
        yield Problem(
            "`disk_compression` makes an image that stands alone, in spite of `use_backing_file`",
            "disk_compression",
            hint="leave it out to keep the overlay",
            warning=True,
        )
    if config.skip_resize_disk and not config.disk_image:
        yield Problem("`skip_resize_disk` needs `disk_image = true`", "skip_resize_disk")


def _check_hardware(config: QemuConfig) -> Iterable[Problem]:
    for name in ("cpus", "sockets", "cores", "threads", "memory"):
        if (getattr(config, name) or 0) < 0:
            yield Problem(f"`{name}` is negative", name)
    if config.use_tpm1 and not config.vtpm:
        yield Problem("`use_tpm1` has no effect without `vtpm = true`", "use_tpm1", warning=True)


def _check_firmware(config: QemuConfig) -> Iterable[Problem]:
    if config.use_pflash and config.firmware is None:
        yield Problem("`use_pflash` needs `firmware`", "use_pflash")
    if config.firmware is not None and config.uses_efi:
        hint = "keep `efi_boot` and its files, or `firmware`"
        yield Problem("`firmware` and the `efi_...` options are both set", "firmware", hint=hint)


def _check_console(config: QemuConfig) -> Iterable[Problem]:
    if config.disable_vnc and config.steps and not config.boots_kernel:
        yield from check_unseen(config)
    if len(config.vnc_password.value if config.vnc_password else "") > 8:
        yield Problem(
            "`vnc_password` is longer than 8 characters, and VNC looks at no more of it",
            "vnc_password",
            warning=True,
        )
    if config.qmp_enable or config.qmp_socket_path:
        name = "qmp_socket_path" if config.qmp_socket_path else "qmp_enable"
        yield Problem(f"`{name}` has no effect: there is no QMP socket", name, warning=True)
    yield from check_ports("vnc_port", config.vnc_ports, lowest=_FIRST_VNC_PORT)


def _check_network(config: QemuConfig) -> Iterable[Problem]:
    yield from check_ports("host_port", config.forwarded_ports)
    for arguments in config.qemuargs:
        if not arguments:
            yield Problem("`qemuargs` holds an empty list", "qemuargs", hint='write `["-switch", "value"]`')
        for part in arguments:
            yield from check_late(part, QEMUARGS_FIELDS, "qemuargs")
