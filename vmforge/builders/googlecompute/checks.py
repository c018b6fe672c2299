"""What can be said about a `googlecompute` source without asking Google."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmforge.builders.googlecompute.account import check_account
from vmforge.builders.googlecompute.config import DiskAttachment, GoogleComputeConfig, Maintenance
from vmforge.sdk import Problem

# https://cloud.google.com/compute/docs/naming-resources#resource-name-format
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
# https://cloud.google.com/compute/docs/labeling-resources#requirements
_LABEL, _LABEL_VALUE = re.compile(r"[^\W\dA-Z_][\w-]{0,62}"), re.compile(r"[\w-]{0,63}")
_HAS_ENGINE = re.compile(r"\{\{")


def problems(config: GoogleComputeConfig) -> Iterator[Problem]:
    """Everything that is wrong with a configuration."""
    yield from check_account(config)
    for name in ("project_id", "zone"):
        if not getattr(config, name):
            yield Problem(f"`{name}` is empty", option=name)
    if not config.source_image and not config.source_image_family:
        hint = "set `source_image` or `source_image_family`"
        yield Problem("there is no image to start from", hint=hint)
    for name in ("image_name", "image_family", "instance_name", "disk_name"):
        yield from check_name(name, getattr(config, name))
    yield from check_labels("image_labels", config.image_labels)
    yield from check_labels("labels", config.labels)
    yield from _check_network(config)
    yield from _check_hardware(config)
    yield from _check_disks(config)
    yield from _check_files(config)


def check_name(option: str, name: str) -> Iterator[Problem]:
    """That something can have this name, if it has any."""
    if name and not _HAS_ENGINE.search(name) and not _NAME.fullmatch(name):
        hint = "use at most 63 small letters, digits and `-`; begin with a letter, do not end with `-`"
        yield Problem(f"`{name}` cannot be a name in Google Cloud", option=option, hint=hint)


def check_labels(option: str, labels: object) -> Iterator[Problem]:
    """That labels can be labels."""
    assert isinstance(labels, dict)
    for key, value in labels.items():
        if not _LABEL.fullmatch(key) or not _LABEL_VALUE.fullmatch(value) or value != value.lower():
            hint = "use at most 63 small letters, digits, `-` and `_` for both, and begin with a letter"
            yield Problem(f"`{key} = {value}` cannot be a label", option=option, hint=hint, part=key)


def _check_network(config: GoogleComputeConfig) -> Iterator[Problem]:
    if config.omit_external_ip and not (config.use_internal_ip or config.use_iap):
        hint = "set `use_internal_ip` or `use_iap`"
        yield Problem("nothing leads to an instance without an external address", "omit_external_ip", hint)
    if config.omit_external_ip and config.address:
        yield Problem("`omit_external_ip` and `address` are both set", "address", hint="keep one of them")
    waits = ("wait_to_add_ssh_keys", "windows_password_timeout", "state_timeout")
    for name in waits:
        if getattr(config, name).seconds < 0:
            yield Problem(f"`{name}` is negative", name, hint="write a time such as `5m`")
    for name in ("iap_hashbang", "iap_ext"):
        if getattr(config, name):
            yield Problem(f"`{name}` has no effect: `gcloud` is started without a script", name, warning=True)


def _check_hardware(config: GoogleComputeConfig) -> Iterator[Problem]:
    maintenance = config.on_host_maintenance
    if config.preemptible and maintenance is Maintenance.MIGRATE:
        hint = "set it to `TERMINATE`, or leave it out"
        yield Problem("a preemptible instance cannot migrate", "on_host_maintenance", hint=hint)
    if config.accelerator_type and not config.accelerator_count:
        yield Problem("`accelerator_type` needs `accelerator_count`", "accelerator_type")
    if config.accelerator_count and not config.accelerator_type:
        yield Problem("`accelerator_count` needs `accelerator_type`", "accelerator_count")
    if config.accelerator_count and maintenance is not Maintenance.TERMINATE and not config.preemptible:
        hint = 'set `on_host_maintenance = "TERMINATE"`'
        yield Problem("an instance with accelerators cannot migrate", "accelerator_count", hint=hint)
    if config.enable_integrity_monitoring and not config.enable_vtpm:
        summary = "`enable_integrity_monitoring` needs `enable_vtpm`"
        yield Problem(summary, "enable_integrity_monitoring")
    if config.max_run_duration_in_seconds and config.instance_termination_action is None:
        hint = 'set it to `"DELETE"`'
        summary = "`max_run_duration_in_seconds` needs `instance_termination_action`"
        yield Problem(summary, "max_run_duration_in_seconds", hint=hint)
    if len(config.image_storage_locations) > 1:
        yield Problem("an image is kept at one location", "image_storage_locations", hint="name one")


def _check_disks(config: GoogleComputeConfig) -> Iterator[Problem]:
    if sum(disk.create_image for disk in config.disk_attachment) > 1:
        yield Problem("`create_image` can be set for one disk only", "disk_attachment")
    for disk in config.disk_attachment:
        for said in _faults_of(disk):
            yield Problem(f"`disk_attachment`: {said}", "disk_attachment")
    keys = [config.disk_encryption_key, config.image_encryption_key]
    keys += [disk.disk_encryption_key for disk in config.disk_attachment]
    if any(key is not None and bool(key.kmsKeyName) == bool(key.rawKey) for key in keys):
        yield Problem("an encryption key has either `kmsKeyName` or `rawKey`", "disk_encryption_key")


def _faults_of(disk: DiskAttachment) -> Iterator[str]:
    if disk.is_scratch:
        for name in ("keep_device", "create_image", "source_volume", "disk_name"):
            if getattr(disk, name):
                yield f"a scratch disk cannot have `{name}`"
        if disk.volume_size not in (0, 375):
            yield "a scratch disk has 375 GB, no other size"
    elif not disk.volume_size and not disk.source_volume:
        yield "`volume_size` is missing"
    if disk.attachment_mode not in ("READ_WRITE", "READ_ONLY"):
        yield f"`attachment_mode` is `READ_WRITE` or `READ_ONLY`, not `{disk.attachment_mode}`"
    if disk.interface_type not in ("SCSI", "NVME"):
        yield f"`interface_type` is `SCSI` or `NVME`, not `{disk.interface_type}`"


def _check_files(config: GoogleComputeConfig) -> Iterator[Problem]:
    if config.startup_script_file and not config.startup_script_file.is_file():
        yield Problem(f"there is no file `{config.startup_script_file}`", "startup_script_file")
    for key, path in config.metadata_files.items():
        if not path.is_file():
            yield Problem(f"there is no file `{path}`", "metadata_files", part=key)
