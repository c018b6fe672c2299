"""Images that builds and imports have not finished: the build's mark is their name until they are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from vmforge.builders.digitalocean.account import Api
from vmforge.sdk.cloud import Leftover, RunMark, delete_quietly


def unfinished_images(api: Api) -> Iterator[Leftover]:
    """Those of anyone's builds and imports."""
    for image in api.list("images", "images", private="true"):
        if mark := RunMark.read_name(image["name"]):
            number = int(image["id"])
            yield Leftover("snapshot", str(number), mark, partial(delete_image, api, number))


def delete_image(api: Api, image: int) -> None:
    """Delete an image, if it is there."""
    delete_quietly(lambda: api.delete(f"images/{image}"))
