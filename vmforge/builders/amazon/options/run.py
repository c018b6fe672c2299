"""The instance that is provisioned: from which image, on what, where, and how it is reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmforge.builders.amazon.options.access import AccessConfig, check_access
from vmforge.builders.amazon.options.blocks import (
    AmiFilter,
    BlockDevice,
    Filter,
    KeyValue,
    LicenseSpecification,
    MetadataOptions,
    Placement,
    PolicyDocument,
    ShutdownBehavior,
    SshInterface,
    SubnetFilter,
    given,
    together,
)
from vmforge.sdk import Duration, Problem, option
from vmforge.sdk.late import check_late
from vmforge.sdk.values import expand_home

# What late options know of the source image, as `{{ .SourceAMI }}`.
SOURCE_FIELDS: Final = (
    "BuildRegion",
    "SourceAMI",
    "SourceAMIName",
    "SourceAMICreationDate",
    "SourceAMIOwner",
    "SourceAMIOwnerName",
    "SourceAMITags",
)
_BLOCK_MINUTES: Final = range(60, 361, 60)


@dataclass(frozen=True, kw_only=True)
class RunConfig(AccessConfig):
    """The instance. `spot_price` or `spot_instance_types` make it a spot instance."""

    source_ami: str = option("", help="The image to start from.")
    source_ami_filter: AmiFilter | None = option(None, help="What it is found by, in place of its id.")
    instance_type: str = option("", help="The kind of machine, as in `t3.small`.")
    ebs_optimized: bool = option(False, help="Give its disks a connection of their own.")
    enable_nitro_enclave: bool = option(False, help="Allow enclaves in it.")
    enable_unlimited_credits: bool = option(
        False,
        help="Let a burstable machine go on at full speed, at a price.",
        aliases=("enable_t2_unlimited",),
    )
    launch_block_device_mappings: tuple[BlockDevice, ...] = option((), help="Its disks; the image gets them.")
    no_ephemeral: bool = option(False, help="For Windows: leave the host's disks out of the image.")
    iam_instance_profile: str = option("", help="The instance profile that it gets.")
    skip_profile_validation: bool = option(False, help="Do not look whether that exists.")
    temporary_iam_instance_profile_policy_document: PolicyDocument | None = option(
        None, help="What the instance may do; a profile and a role are made for it."
    )
    user_data: str = option("", help="What cloud-init, or EC2Launch, gets to read.")
    user_data_file: Path | None = option(None, help="A file with that.")
    metadata_options: MetadataOptions = option(MetadataOptions(), help="Its metadata service.")
    shutdown_behavior: ShutdownBehavior = option(
        ShutdownBehavior.STOP, help="What becomes of it when it shuts itself down.", affects_image=False
    )
    disable_stop_instance: bool = option(False, help="Do not stop it: the last provisioner does (sysprep).")
    license_specifications: tuple[LicenseSpecification, ...] = option((), help="The licenses that it needs.")

    availability_zone: str = option("", help="The zone to run in.", affects_image=False)
    placement: Placement = option(Placement(), help="The host to run on.", affects_image=False)
    tenancy: str = option("", help="The same as `tenancy` in `placement`.", affects_image=False)
    capacity_reservation_preference: str = option(
        "", help="Whether to use reserved capacity: `open` or `none`.", affects_image=False
    )
    capacity_reservation_id: str = option("", help="The reservation to use.", affects_image=False)
    capacity_reservation_group_arn: str = option(
        "", help="The group of reservations to use.", affects_image=False
    )
    vpc_id: str = option("", help="The network.", default_text="the subnet's, or the default one")
    vpc_filter: Filter | None = option(None, help="What it is found by.")
    subnet_id: str = option("", help="The subnet.", affects_image=False)
    subnet_ids: tuple[str, ...] = option(
        (), help="Subnets to try one after the other while there is no capacity.", affects_image=False
    )
    subnet_filter: SubnetFilter | None = option(
        None, help="What subnets are found by; others are tried when one's zone has no capacity."
    )
    associate_public_ip_address: bool | None = option(
        None, help="Whether it gets a public address.", default_text="as the subnet has it"
    )
    security_group_id: str = option("", help="The security group, in place of one for this build.")
    security_group_ids: tuple[str, ...] = option(
        (), help="The security groups, in place of one for this build."
    )
    security_group_filter: Filter | None = option(None, help="What they are found by.")
    temporary_security_group_source_cidrs: tuple[str, ...] = option(
        (),
        help="Who may connect, where a security group is made for this build.",
        default_text="everybody, to the communicator's port",
    )
    temporary_security_group_source_public_ip: bool = option(
        False, help="Only this machine may connect, as checkip.amazonaws.com sees it."
    )

    spot_price: str = option("", help="The most to pay per hour, or `auto`.", affects_image=False)
    spot_instance_types: tuple[str, ...] = option(
        (), help="Kinds of machines of which any will do, in place of `instance_type`."
    )
    spot_allocation_strategy: str = option(
        "",
        help="`price-capacity-optimized`, `capacity-optimized`, `diversified` or `lowest-price`.",
        affects_image=False,
    )
    spot_price_auto_product: str = option("", help="Means nothing any more.", affects_image=False)
    block_duration_minutes: int = option(
        0, help="For how many minutes the spot instance is not interrupted: 60 to 360.", affects_image=False
    )
    spot_tags: Mapping[str, str] = option({}, help="Tags of the spot request.", late=True)
    spot_tag: tuple[KeyValue, ...] = option((), help="The same, one block for each.")
    fleet_tags: Mapping[str, str] = option(
        {}, help="Tags of the fleet that a spot instance comes from.", late=True
    )
    fleet_tag: tuple[KeyValue, ...] = option((), help="The same, one block for each.")

    run_tags: Mapping[str, str] = option(
        {}, help="Tags of all that is made for the build, and of the image.", late=True
    )
    run_tag: tuple[KeyValue, ...] = option((), help="The same, one block for each.")
    run_volume_tags: Mapping[str, str] = option({}, help="Tags of the instance's volumes.", late=True)
    run_volume_tag: tuple[KeyValue, ...] = option((), help="The same, one block for each.")

    ssh_interface: SshInterface | None = option(
        None,
        help="By what it is reached.",
        default_text="its public address, else its private one",
        affects_image=False,
    )
    pause_before_ssm: Duration = option(
        Duration(0), help="How long to wait before the first try of `session_manager`.", affects_image=False
    )
    session_manager_port: int = option(
        0, help="The port on this machine for `session_manager`.", default_text="a free one"
    )
    windows_password_timeout: Duration = option(
        Duration(1200), help="How long to wait for the password of Windows.", affects_image=False
    )

    @property
    def is_spot(self) -> bool:
        return self.spot_price not in ("", "0") or bool(given(self.spot_instance_types))

    @property
    def instance_types(self) -> tuple[str, ...]:
        return given(self.spot_instance_types) or (self.instance_type,)

    @property
    def groups(self) -> tuple[str, ...]:
        return given((self.security_group_id, *self.security_group_ids))


def check_run(config: RunConfig) -> Iterator[Problem]:
    """What the values tell of an instance."""
    yield from check_access(config)
    yield from _check_source(config)
    yield from _check_types(config)
    yield from _check_network(config)
    yield from check_tags(config, "run_tags", "run_volume_tags", "spot_tags", "fleet_tags")
    yield from check_devices(config.launch_block_device_mappings, "launch_block_device_mappings")
    if config.user_data and config.user_data_file:
        yield Problem(
            "`user_data` and `user_data_file` are set, but only one of them can be", "user_data_file"
        )
    if config.user_data_file and not expand_home(config.user_data_file).is_file():
        yield Problem(f"there is no file `{config.user_data_file}`", "user_data_file")
    if config.iam_instance_profile and config.temporary_iam_instance_profile_policy_document:
        name = "temporary_iam_instance_profile_policy_document"
        yield Problem("the instance has `iam_instance_profile`, and gets no other", name, warning=True)


def _check_source(config: RunConfig) -> Iterator[Problem]:
    found = config.source_ami_filter
    if not config.source_ami and found is None:
        hint = "set `source_ami`, or `source_ami_filter`"
        yield Problem("the image to start from is not named", "source_ami", hint=hint)
    if found is not None and not given(found.owners) and not config.source_ami:
        hint = (
            'say whose images count, as in `owners = ["amazon"]`: anybody may call an image what you look for'
        )
        yield Problem("`source_ami_filter` has no `owners`", "source_ami_filter", hint=hint)


def _check_types(config: RunConfig) -> Iterator[Problem]:
    types = given(config.spot_instance_types)
    if not config.instance_type and not types:
        yield Problem("`instance_type` is missing", "instance_type", hint="name one, as in `t3.small`")
    if config.instance_type and types:
        summary = "`instance_type` and `spot_instance_types` are set, but only one of them can be"
        yield Problem(summary, "spot_instance_types")
    if not config.is_spot:
        for name in ("spot_tags", "spot_tag", "block_duration_minutes", "spot_allocation_strategy"):
            if getattr(config, name):
                yield Problem(
                    f"`{name}` means nothing without `spot_price`", name, hint='set `spot_price = "auto"`'
                )
    if config.block_duration_minutes and config.block_duration_minutes not in _BLOCK_MINUTES:
        yield Problem("`block_duration_minutes` is 60, 120, 180, 240, 300 or 360", "block_duration_minutes")
    if config.is_spot and config.enable_nitro_enclave:
        yield Problem("spot instances have no enclaves", "enable_nitro_enclave")
    if config.is_spot and config.enable_unlimited_credits and config.instance_types[0].startswith("t2."):
        yield Problem("spot instances of type `t2` have no unlimited credits", "enable_unlimited_credits")


def _check_network(config: RunConfig) -> Iterator[Problem]:
    if config.security_group_id and config.security_group_ids:
        summary = "`security_group_id` and `security_group_ids` are set, but only one of them can be"
        yield Problem(summary, "security_group_ids")
    named = [n for n in ("subnet_id", "subnet_ids", "subnet_filter") if getattr(config, n)]
    if "subnet_ids" in named and len(named) > 1:
        yield Problem(f"`subnet_ids` and `{named[0]}` are set, but only one of them can be", "subnet_ids")
    if config.tenancy and config.placement.tenancy and config.tenancy != config.placement.tenancy:
        yield Problem("`tenancy` and that of `placement` differ", "tenancy")
    if config.placement.host_resource_group_arn and config.placement.tenancy not in ("", "host"):
        yield Problem('a host of a group demands `tenancy = "host"`', "placement")
    if config.capacity_reservation_preference not in ("", "open", "none"):
        yield Problem(
            "`capacity_reservation_preference` is `open` or `none`", "capacity_reservation_preference"
        )
    reserved = config.capacity_reservation_id or config.capacity_reservation_group_arn
    if reserved and config.capacity_reservation_preference:
        summary = "`capacity_reservation_preference` says nothing where a reservation is named"
        yield Problem(summary, "capacity_reservation_preference", hint="leave it out")
    if config.capacity_reservation_id and config.capacity_reservation_group_arn:
        summary = (
            "`capacity_reservation_id` and `capacity_reservation_group_arn` are set, but only one can be"
        )
        yield Problem(summary, "capacity_reservation_id")


def check_devices(devices: tuple[BlockDevice, ...], option: str) -> Iterator[Problem]:
    for device in devices:
        if not device.device_name:
            yield Problem(f"a block of `{option}` has no `device_name`", option, hint='as in `"/dev/sda1"`')
        if device.kms_key_id and device.encrypted is False:
            yield Problem(f"`{device.device_name}` has a key, and is not to be encrypted", option)
        if device.throughput and device.volume_type not in ("gp3", ""):
            yield Problem(f"`throughput` is for `gp3`, not for `{device.volume_type}`", option)


def check_tags(config: RunConfig, *names: str) -> Iterator[Problem]:
    """That what tags say of the source image can be said."""
    for name in names:
        singular = name.removesuffix("s")
        for text in together(getattr(config, name), getattr(config, singular)).values():
            yield from check_late(text, SOURCE_FIELDS, name if getattr(config, name) else singular)
