"""What is wrong with a source of vSphere's, judged by its values alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from itertools import chain

from vmforge.builders.installing.options import check_install
from vmforge.builders.iso import check_iso
from vmforge.builders.vsphere.config import (
    DiskController,
    Export,
    Firmware,
    VsphereCloneConfig,
    VsphereIsoConfig,
    VsphereOptions,
)
from vmforge.builders.vsphere.customization_options import Customize
from vmforge.sdk import Problem

CARDS = ("e1000", "e1000e", "vmxnet2", "vmxnet3", "vmxnet3vrdma", "pcnet32", "sriov")
_BOOT = ("disk", "cdrom", "ethernet", "floppy")
_EXPORT_OPTIONS = ("mac", "uuid", "extraconfig", "nodevicesubtypes")


def check_vsphere_iso(config: VsphereIsoConfig) -> Iterable[Problem]:
    return chain(_check_shared(config), _check_medium(config), _check_controllers(config, 1))


def check_vsphere_clone(config: VsphereCloneConfig) -> Iterable[Problem]:
    return chain(_check_shared(config), _check_origin(config), _check_controllers(config, 0))


def _check_shared(config: VsphereOptions) -> Iterable[Problem]:
    # an ISO may be on a datastore already
    yield from check_install(config, sees=False, medium=False)
    if not config.vcenter_server:
        yield Problem("`vcenter_server` is empty", "vcenter_server")
    if config.datastore and config.datastore_cluster:
        yield Problem("`datastore` and `datastore_cluster` are both set", "datastore_cluster")
    yield from _check_hardware(config)
    yield from _check_media(config)
    yield from _check_result(config)
    for adapter in config.network_adapters:
        if adapter.network_card.lower() not in CARDS:
            known = ", ".join(f"`{card}`" for card in CARDS)
            yield Problem(
                f"there is no network card `{adapter.network_card}`", "network_adapters", f"known are {known}"
            )
    for name in (part.strip() for part in config.boot_order.split(",") if part.strip() not in ("", "-")):
        if name not in _BOOT:
            yield Problem(
                f"`{name}` cannot be booted from", "boot_order", hint=f"known are {', '.join(_BOOT)}"
            )
    if config.ip_wait_address:
        try:
            ipaddress.ip_network(config.ip_wait_address, strict=False)
        except ValueError as error:
            yield Problem(
                f"`ip_wait_address`: {error}", "ip_wait_address", hint="write it as in `192.0.2.0/24`"
            )


def _check_hardware(config: VsphereOptions) -> Iterable[Problem]:
    if config.RAM_reservation and config.RAM_reserve_all:
        yield Problem("`RAM_reservation` and `RAM_reserve_all` are both set", "RAM_reservation")
    if config.cpu_cores and config.CPUs and config.CPUs % config.cpu_cores:
        yield Problem("`CPUs` is no multiple of `cpu_cores`", "cpu_cores")
    if config.vTPM and not config.uses_efi:
        yield Problem("`vTPM` needs UEFI", "vTPM", hint='set `firmware = "efi"` or `"efi-secure"`')
    if config.vbs_enabled:
        lacking = [
            name
            for name, there in (
                ("`vvtd_enabled = true`", config.vvtd_enabled),
                ("`NestedHV = true`", config.NestedHV),
                ('`firmware = "efi-secure"`', config.firmware is Firmware.EFI_SECURE),
            )
            if not there
        ]
        if lacking:
            yield Problem("`vbs_enabled` needs more", "vbs_enabled", hint=f"set {' and '.join(lacking)}")
    if config.precision_clock not in ("", "ptp", "ntp", "none"):
        yield Problem(f"there is no precision clock `{config.precision_clock}`", "precision_clock")


def _check_media(config: VsphereOptions) -> Iterable[Problem]:
    if not 0 <= config.reattach_cdroms <= 4:
        yield Problem("`reattach_cdroms` must be from 0 to 4", "reattach_cdroms")
    if config.floppy_img_path and config.wants_floppy:
        yield Problem("`floppy_img_path` and `floppy_files` are both set", "floppy_img_path")
    for path in config.iso_paths:
        if path and not path.startswith("[") and path.count("/") < 2:
            hint = "write `[datastore] folder/file.iso`, or `LIBRARY/ITEM/FILE`"
            yield Problem(f"`iso_paths`: `{path}` has no datastore", "iso_paths", hint=hint)


def _check_result(config: VsphereOptions) -> Iterable[Problem]:
    if config.export is not None:
        yield from _check_export(config.export)
    destination = config.content_library_destination
    if destination is None or destination.skip_import:
        return
    if not destination.library:
        hint = "set `library`, or `skip_import = true`"
        yield Problem("there is no content library to put it into", "content_library_destination", hint)
    if config.convert_to_template and not destination.ovf:
        hint = "keep one of them: in the library it is a template"
        yield Problem(
            "`convert_to_template` and `content_library_destination` are both set",
            "convert_to_template",
            hint,
        )
    name = config.vm_name
    if not destination.ovf and name and destination.name == name:
        hint = "leave it out: the time is then added"
        yield Problem(
            "a VM template must be called otherwise than the machine", "content_library_destination", hint
        )
    if destination.cluster and destination.host:
        yield Problem(
            "a VM template has either a `cluster` or a `host`",
            "content_library_destination",
            hint="keep one of them",
            warning=True,
        )


def _check_export(export: Export) -> Iterable[Problem]:
    for name in export.options:
        if name not in _EXPORT_OPTIONS:
            known = ", ".join(f"`{one}`" for one in _EXPORT_OPTIONS)
            yield Problem(f"there is no export option `{name}`", "export", hint=f"known are {known}")
    if export.images:
        yield Problem("`images` is an old name of `image_files`", "export", warning=True)
    if not export.directory_permission.isdigit() or set(export.directory_permission) - set("01234567"):
        yield Problem("`directory_permission` is no octal number", "export", hint='write `"0750"`')


def _check_medium(config: VsphereIsoConfig) -> Iterable[Problem]:
    if config.urls:
        yield from check_iso(config)
    elif not any(config.iso_paths):
        yield Problem("there is no ISO to install from", hint="set `iso_url`, or `iso_paths`")
    if not (config.cluster or config.host):
        hint = "set `cluster` or `host`"
        yield Problem("it is not said where the machine runs", hint=hint, warning=True)
    kinds = [kind.value for kind in config.usb_controller]
    if len(set(kinds)) != len(kinds):
        yield Problem("a machine has one USB controller of a kind", "usb_controller")


def _check_controllers(config: VsphereOptions, default: int) -> Iterable[Problem]:
    count = len(config.disk_controller_type) or default
    for disk in config.storage:
        if disk.disk_controller_index >= max(count, 1):
            yield Problem(
                f"there is no disk controller {disk.disk_controller_index}",
                "storage",
                hint="see `disk_controller_type`",
            )
        if disk.disk_size.bytes <= 0:
            yield Problem("`disk_size` is 0", "storage")
        if disk.disk_thin_provisioned and disk.disk_eagerly_scrub:
            yield Problem(
                "a disk is either thin or scrubbed", "storage", hint="leave `disk_eagerly_scrub` out"
            )
    if len(config.disk_controller_type) > 4 or config.disk_controller_type.count(DiskController.NVME) > 4:
        yield Problem("a machine has at most 4 disk controllers of a kind", "disk_controller_type")


def _check_origin(config: VsphereCloneConfig) -> Iterable[Problem]:
    if bool(config.template) == (config.remote_source is not None):
        yield Problem("a clone has either `template` or `remote_source`", "template")
    if config.linked_clone and config.disk_size is not None:
        yield Problem("a linked clone's disk has its origin's size", "disk_size")
    if config.mac_address and not config.network:
        yield Problem("`mac_address` needs `network`", "mac_address")
    source = config.remote_source
    if source is not None and not source.url.startswith(("https://", "http://")):
        yield Problem("`remote_source` has no `https://` URL", "remote_source")
    if source is not None and source.skip_tls_verify:
        hint = "set `REQUESTS_CA_BUNDLE` to the server's CA"
        yield Problem("certificates of downloads are always verified", "remote_source", hint=hint)
    if config.customize is not None:
        yield from _check_customize(config.customize)


def _check_customize(block: Customize) -> Iterable[Problem]:
    ways = (
        block.linux_options is not None,
        block.windows_options is not None,
        block.windows_sysprep_file is not None,
        bool(block.windows_sysprep_text),
    )
    if sum(ways) != 1:
        hint = "set one of `linux_options`, `windows_options` and `windows_sysprep_text`"
        yield Problem("`customize` does not say what the guest is", "customize", hint=hint)
    if not block.network_interface:
        hint = "add a `network_interface {}` for each card; an empty one stands for DHCP"
        yield Problem("`customize` has no `network_interface`", "customize", hint=hint)
    for interface in block.network_interface:
        for address, bits in ((interface.ipv4_address, 32), (interface.ipv6_address, 128)):
            try:
                wrong = bool(address) and ipaddress.ip_address(address).max_prefixlen != bits
            except ValueError:
                wrong = True
            if wrong:
                yield Problem(f"`{address}` is no address", "customize")
