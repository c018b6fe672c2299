"""Finds the image that a build starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vmforge.builders.googlecompute.compute import Compute
from vmforge.builders.googlecompute.config import GoogleComputeConfig
from vmforge.sdk.cloud import CloudError

# The projects of the images that Google offers (`gcloud compute images list`).
_PUBLIC: Final = (
    "almalinux-cloud",
    "centos-cloud",
    "cos-cloud",
    "debian-cloud",
    "fedora-cloud",
    "fedora-coreos-cloud",
    "freebsd-org-cloud-dev",
    "opensuse-cloud",
    "oracle-linux-cloud",
    "rhel-cloud",
    "rhel-sap-cloud",
    "rocky-linux-cloud",
    "suse-cloud",
    "suse-sap-cloud",
    "ubuntu-os-cloud",
    "ubuntu-os-pro-cloud",
    "windows-cloud",
    "windows-sql-cloud",
)


def find_source(compute: Compute, config: GoogleComputeConfig) -> Mapping[str, Any]:
    """The source image, or the latest of its family. Raises `CloudError` when there is none."""
    wanted = config.source_image or config.source_image_family
    if path := _path_in(wanted):
        places = [path]
    else:
        below = "global/images" if config.source_image else "global/images/family"
        projects = config.source_image_project_id or (config.project_id, *_PUBLIC)
        places = [f"{project}/{below}/{wanted}" for project in projects]
    refused: CloudError | None = None
    for place in places:
        try:
            found = compute.find(place)
        except CloudError as error:
            if error.status != 403:
                raise
            refused, found = error, None  # a project that one may not look into is passed over
        if found is not None:
            assert isinstance(found, Mapping)
            return found
    if refused is not None and len(places) == 1:
        raise refused
    kind = "image" if config.source_image else "family of images"
    where = ", ".join(f"`{place.partition('/')[0]}`" for place in places)
    hint = "`gcloud compute images list` shows those that there are; name their project in "
    raise CloudError(
        f"there is no {kind} `{wanted}` in {where}", status=404, hint=f"{hint}`source_image_project_id`"
    )


def _path_in(text: str) -> str:
    """The path below `projects/` in a URL, or in a part of one; empty for a mere name."""
    _, found, path = text.partition("projects/")
    return path if found else ""
