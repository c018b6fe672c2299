"""Images and their snapshots, in all the regions that they are in."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.options.access import limit_of
from vmforge.builders.amazon.options.ami import AmiConfig
from vmforge.builders.amazon.requests import mappings
from vmforge.builders.amazon.tagging import specification
from vmforge.sdk import Duration
from vmforge.sdk.cloud import CloudError, Resource, RunMark, delete_quietly, wait_for

# Copies of large disks, and snapshots that wait for storage, take hours.
_LIMIT = Duration(4 * 3600)


class Step(Resource[str]):
    """Work that makes nothing of its own."""

    def keep(self) -> str:
        return ""


def step(title: str, work: Callable[[], object]) -> Step:
    def create() -> str:
        work()
        return ""

    return Step(title, "", create, lambda made: None)


@dataclass
class Images:
    """The images of one build: `made` has the ones that stay, by region."""

    config: AmiConfig
    account: Account
    deleting: Account
    mark: RunMark
    description: str = ""
    made: dict[str, str] = field(default_factory=dict)
    original: str = ""  # the image that all others are copied from

    @property
    def is_intermediate(self) -> bool:
        """Whether what the instance gives is only copied from, and does not stay."""
        return self.config.needs_encryption or self.config.skip_save_build_region

    @property
    def first_name(self) -> str:
        return self.mark.name if self.is_intermediate else self.config.ami_name

    @property
    def targets(self) -> tuple[str, ...]:
        """Where the image has its final name."""
        here = () if self.config.skip_save_build_region else (self.account.region,)
        return tuple(dict.fromkeys((*here, *self.config.regions)))

    def check_name(self) -> None:
        """Refuse a name that is taken. Raises `CloudError`."""
        if self.config.force_deregister or self.config.skip_create_ami:
            return
        for region in self.targets:
            for image in self._named(region):
                hint = "take another, as in `web-{{timestamp}}`, or set `force_deregister = true`"
                text = f"there is an image `{self.config.ami_name}` in {region} already: `{image['ImageId']}`"
                raise CloudError(text, code="InvalidAMIName.Duplicate", hint=hint)

    def deregister_old(self) -> None:
        """Make room for the name."""
        for region in self.targets:
            for image in self._named(region):
                delete_image(
                    self.account, region, image["ImageId"], snapshots=self.config.force_delete_snapshot
                )

    def _named(self, region: str) -> Iterator[dict[str, Any]]:
        wanted = [{"Name": "name", "Values": [self.config.ami_name]}]
        return self.account.api("ec2", region).items(
            "describe_images", "Images", Owners=["self"], Filters=wanted
        )

    def create(self, instance: str) -> str:
        """An image of an instance."""
        request: dict[str, Any] = {
            "InstanceId": instance,
            "Name": self.first_name,
            "Description": self.description,
            "TagSpecifications": specification(("image", "snapshot"), self.mark.tags),
        }
        if devices := mappings(self.config.ami_block_device_mappings):
            request["BlockDeviceMappings"] = devices
        return str(self.account.api()("create_image", **request)["ImageId"])

    def register(self, request: Mapping[str, Any]) -> str:
        """An image of snapshots."""
        described = {
            "Name": self.first_name,
            "Description": self.description,
            "TagSpecifications": specification(("image",), self.mark.tags),
            **request,
        }
        return str(
            self.account.api()("register_image", **{k: v for k, v in described.items() if v != ""})["ImageId"]
        )

    def first(self, title: str, create: Callable[[], str]) -> Resource[str]:
        """The image that all others are copied from."""

        def make() -> str:
            self.original = create()
            if not self.is_intermediate:
                self.made[self.account.region] = self.original
            return self.original

        here = self.account.region
        return Resource(
            title,
            "image",
            make,
            partial(delete_image, self.deleting, here),
            ready=partial(self.wait, here),
            product=not self.is_intermediate,
        )

    def copies(self) -> Iterator[Resource[str]]:
        """Copies of the original, all at once, and the wait for them."""
        regions = [region for region in self.targets if region not in self.made]
        for region in regions:
            yield Resource(
                f"Copying the image to {region}" if region != self.account.region else "Encrypting the image",
                "image",
                partial(self._copy, region),
                partial(delete_image, self.deleting, region),
                product=True,
            )
        if regions:
            yield step("Waiting for the copies", lambda: [self.wait(one, self.made[one]) for one in regions])

    def _copy(self, region: str) -> str:
        here, config = self.account.region, self.config
        keys = config.region_kms_key_ids
        key = keys.get(region, config.kms_key_id if region == here else "")
        request: dict[str, Any] = {
            "Name": config.ami_name,
            "Description": self.description,
            "SourceImageId": self.original,
            "SourceRegion": here,
            "ClientToken": str(uuid.uuid4()),
            "TagSpecifications": specification(("image", "snapshot"), self.mark.tags),
        }
        if config.needs_encryption or region in keys:
            request |= {"Encrypted": True} | ({"KmsKeyId": key} if key else {})
        self.made[region] = str(self.account.api("ec2", region)("copy_image", **request)["ImageId"])
        return self.made[region]

    def wait(self, region: str, image: str) -> dict[str, Any]:
        """Until an image can be used; returns what EC2 says of it."""

        def look() -> dict[str, Any] | None:
            found = describe_image(self.account, region, image)
            if found is None:
                return None
            if found["State"] in ("failed", "error", "invalid", "deregistered"):
                reason = (found.get("StateReason") or {}).get("Message", "")
                text = f"the image `{image}` in {region} became `{found['State']}`"
                raise CloudError(f"{text}: {reason}" if reason else text)
            return found if found["State"] == "available" else None

        return wait_for(
            look,
            f"the image `{image}` in {region} to be available",
            cancellation=self.account.cancellation,
            limit=limit_of(self.config, _LIMIT),
            longest_pause=self.config.aws_polling.delay_seconds or 10.0,
            hint="raise `max_attempts` in `aws_polling`" if self.config.aws_polling.max_attempts else "",
        )

    def delete_all(self) -> None:
        for region, image in self.made.items():
            delete_quietly(partial(delete_image, self.deleting, region, image))


def describe_image(account: Account, region: str, image: str) -> dict[str, Any] | None:
    """What EC2 says of an image; None while it does not know it yet, or no more."""
    try:
        found = account.api("ec2", region)("describe_images", ImageIds=[image]).get("Images") or [None]
    except CloudError as error:
        if error.is_absence or error.code == "InvalidAMIID.Unavailable":
            return None
        raise
    described: dict[str, Any] | None = found[0]
    return described


def snapshots_of(image: Mapping[str, Any]) -> list[str]:
    devices = image.get("BlockDeviceMappings") or ()
    return [device["Ebs"]["SnapshotId"] for device in devices if device.get("Ebs", {}).get("SnapshotId")]


def delete_image(account: Account, region: str, image: str, *, snapshots: bool = True) -> None:
    """Deregister an image and delete its snapshots; it need not exist."""
    found = describe_image(account, region, image)
    if found is None:
        return
    ec2 = account.api("ec2", region)
    if (found.get("DeregistrationProtection") or "disabled") != "disabled":
        ec2("disable_image_deregistration_protection", ImageId=image)
    ec2("deregister_image", ImageId=image)
    for snapshot in snapshots_of(found) if snapshots else ():
        delete_quietly(partial(delete_snapshot, account, region, snapshot))


def delete_snapshot(account: Account, region: str, snapshot: str) -> None:
    account.api("ec2", region)("delete_snapshot", SnapshotId=snapshot)
