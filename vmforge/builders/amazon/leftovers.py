"""What builds have left in an account, found by their marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.images import delete_image, delete_snapshot
from vmforge.builders.amazon.instances import delete_volume, end_instance
from vmforge.builders.amazon.profile import delete_profile, profiles_left
from vmforge.builders.amazon.tagging import mark_of
from vmforge.sdk.cloud import Leftover, delete_quietly
from vmforge.sdk.mark import RUN

_MARKED = [{"Name": "tag-key", "Values": [RUN]}]
_ALIVE = ["pending", "running", "stopping", "stopped"]


def find_leftovers(account: Account, regions: Iterable[str]) -> Iterator[Leftover]:
    """Everything that has a mark, in the order in which it can be deleted. A finished image has none."""
    places = tuple(dict.fromkeys((account.region, *regions)))
    for region in places:
        yield from _machines(account, region)
    for region in places:
        yield from _images(account, region)
    for region in places:
        yield from _surroundings(account, region)
    for name, mark in profiles_left(account):
        yield Leftover("instance profile", name, mark, partial(_quietly, delete_profile, account, name))


def _machines(account: Account, region: str) -> Iterator[Leftover]:
    alive = [*_MARKED, {"Name": "instance-state-name", "Values": _ALIVE}]
    ec2 = account.api("ec2", region)
    for group in ec2.items("describe_instances", "Reservations", Filters=alive):
        yield from _each(account, region, "instance", "InstanceId", group["Instances"], _end_instance)
    found = ec2.items("describe_launch_templates", "LaunchTemplates", Filters=_MARKED)
    yield from _each(account, region, "launch template", "LaunchTemplateId", found, _delete_template)


def _images(account: Account, region: str) -> Iterator[Leftover]:
    ec2 = account.api("ec2", region)
    found = ec2.items("describe_images", "Images", Owners=["self"], Filters=_MARKED)
    yield from _each(account, region, "image", "ImageId", found, delete_image)
    found = ec2.items("describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=_MARKED)
    yield from _each(account, region, "snapshot", "SnapshotId", found, delete_snapshot)


def _surroundings(account: Account, region: str) -> Iterator[Leftover]:
    """What instances leave, and what they need while they exist."""
    ec2 = account.api("ec2", region)
    for operation, key, kind, id, delete in _SURROUNDINGS:
        yield from _each(account, region, kind, id, ec2.items(operation, key, Filters=_MARKED), delete)


def _each(
    account: Account,
    region: str,
    kind: str,
    id: str,
    things: Iterable[dict[str, Any]],
    delete: Callable[[Account, str, str], None],
) -> Iterator[Leftover]:
    for thing in things:
        mark = mark_of({"Tags": thing.get("TagSet") or thing.get("Tags")})
        if mark is not None:
            name = str(thing[id])
            yield Leftover(kind, name, mark, partial(_quietly, delete, account, region, name), region)


def _quietly(delete: Callable[..., object], *arguments: object) -> None:
    delete_quietly(partial(delete, *arguments))


def _end_instance(account: Account, region: str, id: str) -> None:
    end_instance(account, id, region)


def _delete_volume(account: Account, region: str, id: str) -> None:
    delete_volume(account, id, region)


def _delete_template(account: Account, region: str, id: str) -> None:
    account.api("ec2", region)("delete_launch_template", LaunchTemplateId=id)


def _delete_interface(account: Account, region: str, id: str) -> None:
    account.api("ec2", region)("delete_network_interface", NetworkInterfaceId=id)


def _delete_group(account: Account, region: str, id: str) -> None:
    account.api("ec2", region)("delete_security_group", GroupId=id)


def _delete_key(account: Account, region: str, id: str) -> None:
    account.api("ec2", region)("delete_key_pair", KeyName=id)


_SURROUNDINGS: Final = (
    ("describe_volumes", "Volumes", "volume", "VolumeId", _delete_volume),
    (
        "describe_network_interfaces",
        "NetworkInterfaces",
        "network interface",
        "NetworkInterfaceId",
        _delete_interface,
    ),
    ("describe_security_groups", "SecurityGroups", "security group", "GroupId", _delete_group),
    ("describe_key_pairs", "KeyPairs", "key pair", "KeyName", _delete_key),
)
