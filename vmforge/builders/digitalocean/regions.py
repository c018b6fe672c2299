"""What can be found out about a build's region, size and image before anything is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

from vmforge.builders.digitalocean.account import Api
from vmforge.builders.digitalocean.config import DigitalOceanConfig
from vmforge.sdk.cloud import CloudError


def examine_places(api: Api, config: DigitalOceanConfig) -> None:
    """Raise `CloudError` for a region, a size or an image that does not exist, or not there. What the token
    may not look at is passed over."""
    regions = _all_regions(api)
    if regions is not None:
        for name in (config.region, *config.snapshot_regions):
            require_region(regions, name)
        if config.size not in regions[config.region]["sizes"]:
            hint = _near(config.size, regions[config.region]["sizes"])
            raise CloudError(
                f"there is no size `{config.size}` in {config.region}",
                hint=hint or "`doctl compute size list` shows those that there are",
            )
    image = _image(api, config.image)
    if image is not None and config.region not in image["regions"]:
        where = ", ".join(image["regions"])
        raise CloudError(f"the image `{config.image}` is not in {config.region}", hint=f"it is in {where}")


def _all_regions(api: Api) -> Mapping[str, Any] | None:
    try:
        return {region["slug"]: region for region in api.list("regions", "regions")}
    except CloudError as error:
        if error.status != 403:
            raise
        return None


def require_region(regions: Mapping[str, Any], name: str) -> None:
    """Raise `CloudError` unless there is such a region and it takes droplets."""
    if name not in regions:
        hint = _near(name, regions) or "`doctl compute region list` shows those that there are"
        raise CloudError(f"there is no region `{name}`", hint=hint)
    if not regions[name]["available"]:
        raise CloudError(f"the region `{name}` takes no new droplets now", hint="choose another region")


def _image(api: Api, name: str) -> Any:
    try:
        answer = api.find(f"images/{quote(name, safe='')}")
    except CloudError as error:
        if error.status != 403:
            raise
        return None
    if answer is None:
        hint = "`doctl compute image list --public` shows those that there are"
        raise CloudError(f"there is no image `{name}`", status=404, hint=hint)
    return answer["image"]


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean `{near[0]}`?" if near else ""
