"""Tags: the user's, and the mark of the build, which everything has from its first moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vmforge.sdk.mark import RunMark


def as_api(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def specification(kinds: Iterable[str], tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """`TagSpecifications` of a request that makes things of these kinds; none without tags."""
    return [{"ResourceType": kind, "Tags": as_api(tags)} for kind in kinds if tags]


def tags_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a thing in an answer."""
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags") or ()}


def mark_of(thing: Mapping[str, Any]) -> RunMark | None:
    return RunMark.read(tags_of(thing))
