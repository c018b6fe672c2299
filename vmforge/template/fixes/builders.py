"""Builders whose types or values are written otherwise today."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from vmforge.template.fixes.fixer import Fixer, Repair
from vmforge.template.fixes.renames import removed, renamed
from vmforge.template.fixes.tree import Json, Number, Object

_CREATE_TIME = re.compile(r"\{\{\s*\.CreateTime\s*\}\}")
_CLEAN_NAME = re.compile(r"clean_(?:image|ami)_name")
_NAMED_BY_TIME: Final = ("ami_name", "bundle_prefix", "snapshot_name")
# Weakly typed as templates are: a boolean may be one of these strings (Go's `strconv.ParseBool`).
_BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "f", "F", "false", "False", "FALSE"), False),
}
_ESXI: Final = "esx5"


def _typed(type_: str) -> Repair:
    return lambda builder: {**builder, "type": type_}


def _boolean(value: Json) -> bool | None:
    if isinstance(value, str):
        return _BOOLEANS.get(value)
    return value if isinstance(value, bool) else None


def _timestamps(builder: Object) -> Object:
    texts = {k: v for k, v in builder.items() if k in _NAMED_BY_TIME and isinstance(v, str)}
    return {**builder, **{k: _CREATE_TIME.sub("{{timestamp}}", text) for k, text in texts.items()}}


def _guest_additions(builder: Object) -> Object:
    attached = _boolean(builder.get("guest_additions_attach"))
    if attached is None:
        return builder
    rest = removed("guest_additions_attach")(builder)
    return {**rest, "guest_additions_mode": "attach" if attached else "upload"}


def _ssh_interface(builder: Object) -> Object:
    private = _boolean(builder.get("ssh_private_ip"))
    if private is None or "ssh_interface" in builder:
        return builder
    return {**removed("ssh_private_ip")(builder), "ssh_interface": "private_ip" if private else "public_ip"}


def _source_cidrs(builder: Object) -> Object:
    cidr = builder.get("temporary_security_group_source_cidr")
    if not isinstance(cidr, str):
        return builder
    rest = removed("temporary_security_group_source_cidr")(builder)
    return {**rest, "temporary_security_group_source_cidrs": [cidr]}


def _compaction(builder: Object) -> Object:
    """On ESXi only thin disks can be compacted, and disks are `zeroedthick` unless told otherwise."""
    disk_type = builder.get("disk_type_id", "zeroedthick")
    if builder.get("remote_type") != _ESXI or not isinstance(disk_type, str) or disk_type == "thin":
        return builder
    fixed: dict[str, Json] = {**builder, "disk_type_id": disk_type}
    if isinstance(builder.get("skip_compaction", False), bool):  # may also be a `{{user ...}}`
        fixed["skip_compaction"] = True
    return fixed


def _clean_names(value: Json) -> Json:
    match value:
        case str():
            return _CLEAN_NAME.sub("clean_resource_name", value)
        case list():
            return [_clean_names(item) for item in value]
        case dict():
            return {key: _clean_names(item) for key, item in value.items()}
    return value


def _clean_options(builder: Object) -> Object:
    return {option: _clean_names(value) for option, value in builder.items()}


def _disk_size(builder: Object) -> Object:
    size = builder.get("disk_size")
    return {**builder, "disk_size": f"{int(float(size.text))}M"} if isinstance(size, Number) else builder


def _gathered(builder: Object, options: tuple[str, ...], into: str) -> Object:
    """Options of one device become the first entry of a list of devices."""
    device: dict[str, Json] = {option: builder[option] for option in options if option in builder}
    others = builder.get(into, [])
    if not device or not isinstance(others, list):
        return builder
    return {**removed(*options)(builder), into: [device, *others]}


def _vsphere_devices(builder: Object) -> Object:
    disk = ("disk_size", "disk_thin_provisioned", "disk_eagerly_scrub")
    return _gathered(_gathered(builder, ("network", "network_card"), "network_adapters"), disk, "storage")


def _exclude_from_latest(builder: Object) -> Object:
    destination = builder.get("shared_image_destination")
    if not isinstance(destination, dict):
        return builder
    rename = renamed({"exlude_from_latest": "exclude_from_latest"}, old_wins=True)
    return {**builder, "shared_image_destination": rename(destination)}


CREATE_TIME = Fixer("createtime", "replaces `{{.CreateTime}}` in names with `{{timestamp}}`", _timestamps)
VIRTUALBOX_GUEST_ADDITIONS = Fixer(
    "virtualbox-gaattach",
    "replaces `guest_additions_attach` of VirtualBox builders with `guest_additions_mode`",
    _guest_additions,
    ("virtualbox",),
)
VIRTUALBOX_RENAME = Fixer(
    "virtualbox-rename",
    "renames the builder `virtualbox` to `virtualbox-iso`",
    _typed("virtualbox-iso"),
    ("virtualbox",),
)
VMWARE_RENAME = Fixer(
    "vmware-rename", "renames the builder `vmware` to `vmware-iso`", _typed("vmware-iso"), ("vmware",)
)
PROXMOX_TYPE = Fixer(
    "proxmox-type", "renames the builder `proxmox` to `proxmox-iso`", _typed("proxmox-iso"), ("proxmox",)
)
AMAZON_PRIVATE_IP = Fixer(
    "amazon-private-ip",
    "replaces `ssh_private_ip` of Amazon builders with `ssh_interface`",
    _ssh_interface,
    ("amazon-*",),
)
AMAZON_SOURCE_CIDRS = Fixer(
    "amazon-temp-sec-cidrs",
    "replaces `temporary_security_group_source_cidr` with the list `temporary_security_group_source_cidrs`",
    _source_cidrs,
    ("amazon-*",),
)
VMWARE_COMPACTION = Fixer(
    "vmware-compaction",
    "adds `skip_compaction` to builders on ESXi whose disks cannot be compacted",
    _compaction,
    ("vmware-iso",),
)
CLEAN_IMAGE_NAME = Fixer(
    "clean-image-name",
    "replaces `clean_image_name` and `clean_ami_name` with `clean_resource_name`",
    _clean_options,
)
QEMU_DISK_SIZE = Fixer(
    "qemu-disk-size",
    "gives a `disk_size` of QEMU builders that is a number its unit, mebibytes",
    _disk_size,
    ("qemu",),
)
VSPHERE_DEVICES = Fixer(
    "vsphere-iso-net-disk",
    "puts the network and disk of `vsphere-iso` into `network_adapters` and `storage`",
    _vsphere_devices,
    ("vsphere-iso",),
)
AZURE_EXCLUDE_FROM_LATEST = Fixer(
    "azure-exclude_from_latest",
    "renames `exlude_from_latest` of `azure-chroot` to `exclude_from_latest`",
    _exclude_from_latest,
    ("azure-chroot",),
)
