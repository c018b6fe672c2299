"""What is done to an image once it is there: who may use it, how long, and its tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vmforge.builders.amazon.api import Account, Api
from vmforge.builders.amazon.images import describe_image, snapshots_of
from vmforge.builders.amazon.options.ami import AmiConfig, deprecation_time
from vmforge.builders.amazon.options.blocks import FastLaunch, given
from vmforge.builders.amazon.tagging import as_api
from vmforge.sdk.cloud import RunMark


def finish_image(
    account: Account,
    config: AmiConfig,
    region: str,
    image: str,
    tags: Mapping[str, str],
    snapshot_tags: Mapping[str, str],
) -> None:
    """All but taking off the mark, which says that the image is not finished."""
    ec2 = account.api("ec2", region)
    snapshots = snapshots_of(describe_image(account, region, image) or {})
    if tags:
        ec2("create_tags", Resources=[image], Tags=as_api(tags))
    if snapshots and (tags or snapshot_tags):
        # snapshots are the image's own: they have its tags too, as in Packer
        ec2("create_tags", Resources=snapshots, Tags=as_api({**tags, **snapshot_tags}))
    _share(ec2, config, image, snapshots)
    if config.imds_support and not config.is_registered:
        ec2("modify_image_attribute", ImageId=image, ImdsSupport={"Value": config.imds_support})
    if (until := deprecation_time(config.deprecate_at)) is not None:
        ec2("enable_image_deprecation", ImageId=image, DeprecateAt=until)
    protection = config.deregistration_protection
    if protection is not None and protection.enabled:
        wait = protection.with_cooldown
        ec2("enable_image_deregistration_protection", ImageId=image, WithCooldown=wait)
    if config.fast_launch is not None:
        _prepare_launches(ec2, config.fast_launch, region, image)


def take_mark_off(account: Account, region: str, image: str, mark: RunMark) -> None:
    """The image is finished, and nobody's to clean up any more."""
    snapshots = snapshots_of(describe_image(account, region, image) or {})
    account.api("ec2", region)("delete_tags", Resources=[image, *snapshots], Tags=as_api(mark.tags))


def launch_permissions(config: AmiConfig) -> list[dict[str, str]]:
    """Who may use the image, as EC2's API has it."""
    return [
        *({"UserId": user} for user in given(config.ami_users)),
        *({"Group": group} for group in given(config.ami_groups)),
        *({"OrganizationArn": arn} for arn in given(config.ami_org_arns)),
        *({"OrganizationalUnitArn": arn} for arn in given(config.ami_ou_arns)),
    ]


def _share(ec2: Api, config: AmiConfig, image: str, snapshots: Sequence[str]) -> None:
    if allowed := launch_permissions(config):
        ec2("modify_image_attribute", ImageId=image, LaunchPermission={"Add": allowed})
    if codes := given(config.ami_product_codes):
        ec2("modify_image_attribute", ImageId=image, Attribute="productCodes", ProductCodes=list(codes))
    users = [{"UserId": user} for user in given(config.snapshot_users)]
    users += [{"Group": group} for group in given(config.snapshot_groups)]
    for snapshot in snapshots if users else ():
        ec2("modify_snapshot_attribute", SnapshotId=snapshot, CreateVolumePermission={"Add": users})


def _prepare_launches(ec2: Api, fast: FastLaunch, region: str, image: str) -> None:
    request = fast_launch_request(fast, region)
    if request is not None:
        ec2("enable_fast_launch", ImageId=image, **request)


def fast_launch_request(fast: FastLaunch, region: str) -> dict[str, Any] | None:
    """`EnableFastLaunch` but for the image; None where it is not wanted."""
    own = next((one for one in fast.region_launch_templates if one.region == region), None)
    wanted = fast.enable_fast_launch
    if own is not None and own.enable_fast_launch is not None:
        wanted = own.enable_fast_launch
    if not wanted:
        return None
    template = own or fast
    request: dict[str, Any] = {"ResourceType": "snapshot"}
    if template.template_id or template.template_name:
        named = {"LaunchTemplateId": template.template_id, "LaunchTemplateName": template.template_name}
        version = str(template.template_version) if template.template_version else "$Latest"
        request["LaunchTemplate"] = {k: v for k, v in named.items() if v} | {"Version": version}
    if fast.max_parallel_launches:
        request["MaxParallelLaunches"] = fast.max_parallel_launches
    if fast.target_resource_count:
        request["SnapshotConfiguration"] = {"TargetResourceCount": fast.target_resource_count}
    return request
