"""The image that a build starts from, and what templates get to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vmforge.builders.amazon.api import Api
from vmforge.builders.amazon.options.blocks import AmiFilter, api_filters, given
from vmforge.builders.amazon.tagging import tags_of
from vmforge.sdk.cloud import CloudError

_LISTED = 5


@dataclass(frozen=True)
class SourceImage:
    """An image as EC2 describes it; `devices` are its `BlockDeviceMappings`."""

    id: str
    region: str
    name: str = ""
    created: str = ""
    owner: str = ""
    owner_name: str = ""
    root_device: str = ""
    root_type: str = "ebs"
    architecture: str = "x86_64"
    virtualization: str = "hvm"
    tags: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def read(cls, image: Mapping[str, Any], region: str) -> SourceImage:
        return cls(
            image["ImageId"],
            region,
            image.get("Name", ""),
            image.get("CreationDate", ""),
            image.get("OwnerId", ""),
            image.get("ImageOwnerAlias", ""),
            image.get("RootDeviceName", ""),
            image.get("RootDeviceType", "ebs"),
            image.get("Architecture", "x86_64"),
            image.get("VirtualizationType", "hvm"),
            tags_of(image),
            tuple(image.get("BlockDeviceMappings") or ()),
        )

    @property
    def fields(self) -> dict[str, object]:
        """What late options know of it."""
        return {**self.data, "SourceAMITags": dict(self.tags)}

    @property
    def data(self) -> dict[str, str]:
        """What a running build's template knows of it, as `build.SourceAMI`."""
        return {
            "BuildRegion": self.region,
            "SourceAMI": self.id,
            "SourceAMIName": self.name,
            "SourceAMICreationDate": self.created,
            "SourceAMIOwner": self.owner,
            "SourceAMIOwnerName": self.owner_name,
        }


def find_image(ec2: Api, id: str, found_by: AmiFilter | None) -> Mapping[str, Any]:
    """The one image that is meant. Raises `CloudError` for none, and for several."""
    request: dict[str, Any] = {"ImageIds": [id]} if id else {}
    if found_by is not None:
        request["Filters"] = api_filters(found_by.wanted)
        if owners := given(found_by.owners):
            request["Owners"] = list(owners)
        if found_by.include_deprecated:
            request["IncludeDeprecated"] = True
    images = list(ec2.items("describe_images", "Images", **request))
    if not images:
        hint = "look for it with `aws ec2 describe-images`, in this region; its owner must share it with you"
        raise CloudError(
            f"there is no source image: {_wanted(request)}", code="InvalidAMIID.NotFound", hint=hint
        )
    if len(images) > 1 and not (found_by and found_by.most_recent):
        listed = ", ".join(f"`{image.get('Name') or image['ImageId']}`" for image in images[:_LISTED])
        more = f" and {len(images) - _LISTED} more" if len(images) > _LISTED else ""
        hint = "narrow `filters` down, or set `most_recent = true`"
        raise CloudError(f"`source_ami_filter` fits {len(images)} images: {listed}{more}", hint=hint)
    return max(images, key=lambda image: str(image.get("CreationDate", "")))


def _wanted(request: Mapping[str, Any]) -> str:
    words = [f"`{id}`" for id in request.get("ImageIds", ())]
    words += [f"{one['Name']} `{','.join(one['Values'])}`" for one in request.get("Filters", ())]
    owners = request.get("Owners", ())
    return ", ".join(words) + (f", of {', '.join(f'`{owner}`' for owner in owners)}" if owners else "")
