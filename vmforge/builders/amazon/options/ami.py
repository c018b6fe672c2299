"""The image that is made: its name, who may use it, where it is copied to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from vmforge.builders.amazon.options.access import check_regions
from vmforge.builders.amazon.options.blocks import (
    BlockDevice,
    BootMode,
    DeregistrationProtection,
    FastLaunch,
    KeyValue,
    Virtualization,
    given,
    together,
)
from vmforge.builders.amazon.options.run import SOURCE_FIELDS, RunConfig, check_devices, check_run, check_tags
from vmforge.sdk import Problem, option
from vmforge.sdk.decoding import UNKNOWN_TEXT
from vmforge.sdk.late import check_late

_NAME: Final = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
_TIMES: Final = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True, kw_only=True)
class AmiConfig(RunConfig):
    """The image."""

    ami_name: str = option("", help="The image's name, 3 to 128 characters.", affects_image=False)
    ami_description: str = option("", help="What is said of it.", late=True, affects_image=False)
    ami_virtualization_type: Virtualization = option(Virtualization.HVM, help="How it is virtualized.")
    ami_block_device_mappings: tuple[BlockDevice, ...] = option(
        (), help="Disks that instances of the image get beside those that the build has."
    )
    ami_users: tuple[str, ...] = option((), help="The accounts that may use it.", affects_image=False)
    ami_groups: tuple[str, ...] = option((), help="`all` lets everybody use it.", affects_image=False)
    ami_org_arns: tuple[str, ...] = option((), help="The organizations that may use it.", affects_image=False)
    ami_ou_arns: tuple[str, ...] = option(
        (), help="The organizational units that may use it.", affects_image=False
    )
    ami_product_codes: tuple[str, ...] = option((), help="Product codes to attach.", affects_image=False)
    ami_regions: tuple[str, ...] = option((), help="The regions to copy it to.", affects_image=False)
    skip_save_build_region: bool = option(
        False, help="Keep it in the regions that it is copied to only.", affects_image=False
    )
    tags: Mapping[str, str] = option({}, help="The image's tags.", late=True, affects_image=False)
    tag: tuple[KeyValue, ...] = option((), help="The same, one block for each.", affects_image=False)
    skip_ami_run_tags: bool = option(False, help="Do not give the image `run_tags` too.", affects_image=False)
    snapshot_tags: Mapping[str, str] = option({}, help="Its snapshots' tags.", late=True, affects_image=False)
    snapshot_tag: tuple[KeyValue, ...] = option((), help="The same, one block for each.", affects_image=False)
    snapshot_users: tuple[str, ...] = option(
        (), help="The accounts that may make volumes of its snapshots.", affects_image=False
    )
    snapshot_groups: tuple[str, ...] = option(
        (), help="`all` lets everybody make volumes of its snapshots.", affects_image=False
    )
    encrypt_boot: bool | None = option(
        None, help="Whether its disks are encrypted.", default_text="as the instance's are"
    )
    kms_key_id: str = option(
        "", help="The key to encrypt it with in the build's region.", default_text="the region's"
    )
    region_kms_key_ids: Mapping[str, str] = option(
        {}, help='The keys of the regions that it is copied to; `""` for the region\'s own.'
    )
    ena_support: bool | None = option(None, help="Say that it can use ENA's network cards.")
    sriov_support: bool = option(False, help="Say that it can use Intel's network cards (`ixgbevf`).")
    boot_mode: BootMode | None = option(None, help="How instances of it boot.", default_text="the source's")
    uefi_data: str = option("", help="The UEFI variables that they start with, in base64.")
    tpm_support: str = option("", help="`v2.0` gives them a TPM; needs UEFI.")
    imds_support: str = option("", help="`v2.0`: their metadata service demands tokens.")
    force_deregister: bool = option(
        False, help="Deregister an image that has the name already.", affects_image=False
    )
    force_delete_snapshot: bool = option(False, help="And delete its snapshots.", affects_image=False)
    deprecate_at: str = option(
        "", help="When it becomes deprecated, as in `2030-01-31T12:00:00Z`.", affects_image=False
    )
    deregistration_protection: DeregistrationProtection | None = option(
        None, help="Protect it from being deregistered.", affects_image=False
    )
    fast_launch: FastLaunch | None = option(None, help="Prepare launches (Windows).", affects_image=False)
    skip_create_ami: bool = option(False, help="Provision, and make no image.", affects_image=False)

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that the image is copied to."""
        return tuple(dict.fromkeys(given(self.ami_regions)))

    @property
    def image_tags(self) -> dict[str, str]:
        inherited = {} if self.skip_ami_run_tags else together(self.run_tags, self.run_tag)
        return {**inherited, **together(self.tags, self.tag)}

    @property
    def is_registered(self) -> bool:
        """Whether the image is to say of itself what no instance can tell."""
        return bool(self.boot_mode or self.uefi_data or self.tpm_support)

    @property
    def needs_encryption(self) -> bool:
        """Whether the image is to be copied in its own region, to be encrypted."""
        return bool(self.encrypt_boot)


def check_ami(config: AmiConfig) -> Iterator[Problem]:
    """What the values tell of a build of an image."""
    yield from check_run(config)
    yield from check_name(config.ami_name)
    yield from check_tags(config, "tags", "snapshot_tags")
    yield from check_late(config.ami_description, SOURCE_FIELDS, "ami_description")
    yield from check_devices(config.ami_block_device_mappings, "ami_block_device_mappings")
    yield from check_regions(config, config.regions, "ami_regions")
    yield from _check_encryption(config)
    yield from _check_support(config)
    if config.deprecate_at and deprecation_time(config.deprecate_at) is None:
        yield Problem(
            f"`{config.deprecate_at}` is no time", "deprecate_at", hint="write `2030-01-31T12:00:00Z`"
        )
    if config.skip_save_build_region and not config.regions:
        yield Problem("the image would be kept nowhere", "skip_save_build_region", hint="set `ami_regions`")
    fast = config.fast_launch
    if fast is not None and fast.max_parallel_launches and fast.max_parallel_launches < 6:
        yield Problem("`max_parallel_launches` is 6 or more", "fast_launch")
    if fast is not None and fast.template_id and fast.template_name:
        yield Problem("`template_id` and `template_name` are set, but only one of them can be", "fast_launch")


def check_name(name: str) -> Iterator[Problem]:
    if not name:
        yield Problem("`ami_name` is missing", "ami_name", hint='set it, as in `"web-{{timestamp}}"`')
    elif UNKNOWN_TEXT not in name and "{{" not in name and not _NAME.fullmatch(name):
        hint = "use 3 to 128 letters, digits and `()[] ./-'@_`; `clean_resource_name` replaces all others"
        yield Problem(f"`{name}` cannot be an image's name", "ami_name", hint=hint)


def _check_encryption(config: AmiConfig) -> Iterator[Problem]:
    if config.kms_key_id and config.encrypt_boot is False:
        yield Problem("`kms_key_id` is set, and the image is not to be encrypted", "kms_key_id")
    for region in config.region_kms_key_ids:
        if region not in (*config.regions, config.region):
            hint = f"add `{region}` to `ami_regions`"
            yield Problem(f"the image is not copied to `{region}`", "region_kms_key_ids", hint=hint)
    if config.snapshot_users and config.encrypt_boot and not config.kms_key_id:
        hint = "set `kms_key_id` to a key that the others may use"
        yield Problem(
            "nobody else can use snapshots that the default key encrypts", "snapshot_users", hint=hint
        )
    if config.ami_groups and config.encrypt_boot:
        yield Problem("encrypted images cannot be public", "ami_groups", warning=True)


def _check_support(config: AmiConfig) -> Iterator[Problem]:
    for name in ("imds_support", "tpm_support"):
        if getattr(config, name) not in ("", "v2.0"):
            yield Problem(f"`{name}` is `v2.0`, or left out", name)
    if config.tpm_support and config.boot_mode not in (BootMode.UEFI, BootMode.UEFI_PREFERRED):
        yield Problem("a TPM needs UEFI", "tpm_support", hint='set `boot_mode = "uefi"`')
    if config.sriov_support and config.ami_virtualization_type is not Virtualization.HVM:
        yield Problem("`sriov_support` needs `hvm`", "sriov_support")


def deprecation_time(text: str) -> datetime | None:
    for form in _TIMES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
