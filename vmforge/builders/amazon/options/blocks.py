"""The blocks that builders have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vmforge.sdk import Config, option


@dataclass(frozen=True, kw_only=True)
class NameValue(Config):
    """`filter { name, value }`"""

    name: str = option(help="The filter.")
    value: str = option(help="The value that is looked for; `,` separates several.")


@dataclass(frozen=True, kw_only=True)
class KeyValue(Config):
    """`tag { key, value }`"""

    key: str = option(help="The tag.", aliases=("name",))
    value: str = option(help="Its value.", late=True)


@dataclass(frozen=True, kw_only=True)
class Filter(Config):
    """What something in the account is found by."""

    filters: Mapping[str, str] = option(
        {}, help="Filters of EC2's API by name; `,` separates values of which any will do."
    )
    filter: tuple[NameValue, ...] = option((), help="The same, one block for each.")

    @property
    def wanted(self) -> dict[str, str]:
        return {**self.filters, **{one.name: one.value for one in self.filter}}


@dataclass(frozen=True, kw_only=True)
class AmiFilter(Filter):
    """`source_ami_filter {}`"""

    owners: tuple[str, ...] = option(
        (), help="Whose images count: account numbers, `self`, `amazon`, `aws-marketplace`."
    )
    most_recent: bool = option(False, help="Take the newest when there are several.")
    include_deprecated: bool = option(False, help="Deprecated images count too.")


@dataclass(frozen=True, kw_only=True)
class SubnetFilter(Filter):
    """`subnet_filter {}`"""

    most_free: bool = option(False, help="Of several, take the one with the most free addresses first.")
    random: bool = option(False, help="Of several, take any.")


@dataclass(frozen=True, kw_only=True)
class BlockDevice(Config):
    """A disk: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_BlockDeviceMapping.html"""

    device_name: str = option("", help="The device, as in `/dev/sda1`.")
    volume_size: int = option(0, help="Its size in GiB.", default_text="the snapshot's")
    volume_type: str = option("", help="`gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1` or `standard`.")
    iops: int | None = option(None, help="Operations per second (`io1`, `io2`, `gp3`).")
    throughput: int | None = option(None, help="MiB per second (`gp3`).")
    encrypted: bool | None = option(
        None, help="Whether it is encrypted.", default_text="as the source image's"
    )
    kms_key_id: str = option("", help="The key to encrypt it with.", default_text="the region's")
    snapshot_id: str = option("", help="A snapshot to begin with.")
    delete_on_termination: bool = option(False, help="Delete it together with its instance.")
    no_device: bool = option(False, help="Leave out what the source image has here.")
    virtual_name: str = option("", help="For a disk of the host: `ephemeral0` to `ephemeral23`.")


@dataclass(frozen=True, kw_only=True)
class MetadataOptions(Config):
    """`metadata_options {}`: the instance's metadata service while it is provisioned."""

    http_endpoint: str = option("", help="`enabled` or `disabled`.", default_text="`enabled`")
    http_tokens: str = option(
        "", help="`required` for version 2 alone, or `optional`.", default_text="the account's"
    )
    http_put_response_hop_limit: int = option(0, help="How many hops an answer may make.", default_text="1")
    instance_metadata_tags: str = option("", help="Whether tags are told there: `enabled` or `disabled`.")


@dataclass(frozen=True, kw_only=True)
class Placement(Config):
    """`placement {}`"""

    host_resource_group_arn: str = option("", help="The group of hosts to run on.")
    host_id: str = option("", help="The dedicated host to run on.")
    tenancy: str = option("", help="`default`, `dedicated` or `host`.")


@dataclass(frozen=True, kw_only=True)
class LicenseConfigurationRequest(Config):
    """`license_configuration_request {}`"""

    license_configuration_arn: str = option("", help="The license configuration.")


@dataclass(frozen=True, kw_only=True)
class LicenseSpecification(Config):
    """`license_specifications {}`"""

    license_configuration_request: LicenseConfigurationRequest = option(
        LicenseConfigurationRequest(), help="Which license configuration the instance counts for."
    )


@dataclass(frozen=True, kw_only=True)
class Statement(Config):
    """`Statement {}`, named as in policies."""

    Effect: str = option("Allow", help="`Allow` or `Deny`.")
    Action: tuple[str, ...] = option((), help="What is allowed, as in `s3:GetObject`.")
    Resource: tuple[str, ...] = option((), help="On what.")


@dataclass(frozen=True, kw_only=True)
class PolicyDocument(Config):
    """`temporary_iam_instance_profile_policy_document {}`, named as in policies."""

    Version: str = option("2012-10-17", help="The language's version.")
    Statement: tuple[Statement, ...] = option((), help="What the instance may do.")


@dataclass(frozen=True, kw_only=True)
class DeregistrationProtection(Config):
    """`deregistration_protection {}`"""

    enabled: bool = option(False, help="Keep the image from being deregistered.")
    with_cooldown: bool = option(False, help="For a day longer than it is protected.")


@dataclass(frozen=True, kw_only=True)
class LaunchTemplateOfRegion(Config):
    """`region_launch_templates {}`"""

    region: str = option(help="The region.")
    enable_fast_launch: bool | None = option(None, help="Whether to prepare launches there.")
    template_id: str = option("", help="The launch template there.")
    template_name: str = option("", help="Its name, in place of its id.")
    template_version: int = option(0, help="Its version.", default_text="the newest")


@dataclass(frozen=True, kw_only=True)
class FastLaunch(Config):
    """`fast_launch {}`, for Windows: instances are started from snapshots that are prepared beforehand."""

    enable_fast_launch: bool = option(False, help="Prepare launches.")
    template_id: str = option("", help="The launch template to prepare them with.")
    template_name: str = option("", help="Its name, in place of its id.")
    template_version: int = option(0, help="Its version.", default_text="the newest")
    max_parallel_launches: int = option(0, help="How many are prepared at once, 6 or more.")
    target_resource_count: int = option(0, help="How many are kept ready.", default_text="AWS's: 5")
    region_launch_templates: tuple[LaunchTemplateOfRegion, ...] = option(
        (), help="The launch templates of the regions that the image is copied to."
    )


class SshInterface(StrEnum):
    """By what the instance is reached."""

    PUBLIC_IP = "public_ip"
    PRIVATE_IP = "private_ip"
    PUBLIC_DNS = "public_dns"
    PRIVATE_DNS = "private_dns"
    IPV6 = "ipv6"
    SESSION_MANAGER = "session_manager"


class Virtualization(StrEnum):
    HVM = "hvm"
    PARAVIRTUAL = "paravirtual"


class ShutdownBehavior(StrEnum):
    STOP = "stop"
    TERMINATE = "terminate"


class BootMode(StrEnum):
    LEGACY_BIOS = "legacy-bios"
    UEFI = "uefi"
    UEFI_PREFERRED = "uefi-preferred"


class Architecture(StrEnum):
    X86_64 = "x86_64"
    ARM64 = "arm64"
    I386 = "i386"
    X86_64_MAC = "x86_64_mac"
    ARM64_MAC = "arm64_mac"


def together(tags: Mapping[str, str], blocks: Sequence[KeyValue]) -> dict[str, str]:
    """`tags` and its singular form."""
    return {**tags, **{one.key: one.value for one in blocks}}


def given(items: Sequence[str]) -> tuple[str, ...]:
    """What users mean by a list: JSON templates write one as `"a,b"`, and an empty one as `""`."""
    return tuple(part.strip() for item in items for part in item.split(",") if part.strip())


def api_filters(wanted: Mapping[str, str]) -> list[dict[str, object]]:
    """Filters as EC2's API takes them."""
    return [{"Name": name, "Values": list(given([value])) or [""]} for name, value in wanted.items()]


def late_texts(tags: Mapping[str, str], blocks: Sequence[KeyValue]) -> Iterator[str]:
    yield from together(tags, blocks).values()
