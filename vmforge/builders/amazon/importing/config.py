"""The options of `amazon-import`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from vmforge.builders.amazon.options.access import AccessConfig, check_access
from vmforge.builders.amazon.options.ami import check_name
from vmforge.builders.amazon.options.blocks import Architecture, BootMode
from vmforge.sdk import Problem, option


class Method(StrEnum):
    """How a disk gets there."""

    IMPORT_IMAGE = "import-image"
    IMPORT_SNAPSHOT = "import-snapshot"
    EBS_DIRECT = "ebs-direct"


class DiskFormat(StrEnum):
    """What AWS's import reads."""

    OVA = "ova"
    RAW = "raw"
    VHD = "vhd"
    VHDX = "vhdx"
    VMDK = "vmdk"


@dataclass(frozen=True, kw_only=True)
class ImportConfig(AccessConfig):
    """All options of `amazon-import`."""

    method: Method | None = option(
        None,
        help="`ebs-direct` writes the disks into snapshots, with no bucket and no role; `import-snapshot` "
        "and `import-image` go by way of a bucket, and the second has AWS look into the disk and change it.",
        default_text="`ebs-direct`; `import-image` with `s3_bucket_name`",
    )
    ami_name: str = option("", help="The image's name.", default_text="AWS's, with `import-image`")
    ami_description: str = option("", help="What is said of it.")
    ami_users: tuple[str, ...] = option((), help="The accounts that may use it.")
    ami_groups: tuple[str, ...] = option((), help="`all` lets everybody use it.")
    ami_org_arns: tuple[str, ...] = option((), help="The organizations that may use it.")
    ami_ou_arns: tuple[str, ...] = option((), help="The organizational units that may use it.")
    ami_encrypt: bool = option(False, help="Encrypt its disks.")
    ami_kms_key: str = option("", help="The key to encrypt them with.", default_text="the region's")
    tags: Mapping[str, str] = option({}, help="The tags of the image and its snapshots.")
    architecture: Architecture | None = option(
        None, help="What it is for.", default_text="what the machine was built for"
    )
    boot_mode: BootMode | None = option(
        None, help="How instances of it boot.", default_text="as the machine was built"
    )

    s3_bucket_name: str = option("", help="The bucket that the disk goes by way of.")
    s3_key_name: str = option("", help="Its name there.", default_text="one of this build's own")
    s3_encryption: str = option("", help="How it is encrypted there: `AES256` or `aws:kms`.")
    s3_encryption_key: str = option("", help="The key, with `aws:kms`.")
    skip_clean: bool = option(False, help="Leave it in the bucket.")
    format: DiskFormat = option(DiskFormat.OVA, help="Which of the artifact's files is imported.")
    role_name: str = option("", help="The role that AWS's import takes on.", default_text="`vmimport`")
    license_type: str = option("", help="`AWS` or `BYOL`, with `import-image`.")
    platform: str = option("", help="`Linux` or `Windows`, with `import-image`.")

    root_device_name: str = option("/dev/xvda", help="What the first disk is called.")
    volume_type: str = option("gp3", help="The kind of volume that instances get for each disk.")
    ena_support: bool = option(True, help="Say that it can use ENA's network cards, as new machines demand.")
    sriov_support: bool = option(False, help="Say that it can use Intel's network cards (`ixgbevf`).")
    imds_support: str = option("", help="`v2.0`: its metadata service demands tokens.")
    tpm_support: str = option("", help="`v2.0` gives its instances a TPM; needs UEFI.")
    uefi_data: str = option("", help="The UEFI variables that they start with, in base64.")
    parallel: int = option(16, help="How many blocks `ebs-direct` sends at a time.")

    @property
    def way(self) -> Method:
        if self.method is not None:
            return self.method
        return Method.IMPORT_IMAGE if self.s3_bucket_name else Method.EBS_DIRECT


def check_import(config: ImportConfig) -> Iterable[Problem]:
    """What the values tell of an import."""
    yield from check_access(config)
    if config.ami_name or config.way is not Method.IMPORT_IMAGE:
        yield from check_name(config.ami_name)
    if config.way is Method.EBS_DIRECT:
        for name in ("license_type", "platform", "role_name"):
            if getattr(config, name):
                hint = "set `s3_bucket_name` for `import-image`"
                yield Problem(f"`{name}` means nothing with `ebs-direct`", name, hint=hint, warning=True)
    elif not config.s3_bucket_name:
        hint = "set it, or leave `method` out: `ebs-direct` needs no bucket"
        yield Problem("`s3_bucket_name` is missing", "method", hint=hint)
    if config.way is Method.IMPORT_SNAPSHOT and config.format is DiskFormat.OVA:
        hint = 'set `format = "vmdk"`, `"raw"` or `"vhd"`'
        yield Problem("`import-snapshot` takes a disk, not a whole machine", "format", hint=hint)
    if config.s3_encryption not in ("", "AES256", "aws:kms"):
        yield Problem("`s3_encryption` is `AES256` or `aws:kms`", "s3_encryption")
    if config.ami_kms_key and not config.ami_encrypt:
        yield Problem("`ami_kms_key` means nothing without `ami_encrypt`", "ami_kms_key")
    if not 1 <= config.parallel <= 64:
        yield Problem("`parallel` goes from 1 to 64", "parallel")
