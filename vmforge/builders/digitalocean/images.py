"""The `digitalocean-image` data source: an image of DigitalOcean by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vmforge.builders.digitalocean.account import Api, DigitalOceanAccount, check_account
from vmforge.errors import VmforgeError
from vmforge.sdk import Cancellation, DataSource, Problem, Value, option
from vmforge.sdk.network import RemoteInput, RemoteKind


class ImageType(StrEnum):
    APPLICATION = "application"
    DISTRIBUTION = "distribution"
    USER = "user"


@dataclass(frozen=True, kw_only=True)
class ImageQuery(DigitalOceanAccount):
    """The options of `digitalocean-image`."""

    name: str = option("", help="The image's name.")
    name_regex: str = option("", help="What the image's name matches, somewhere in it.")
    type: ImageType | None = option(None, help="`application`, `distribution` or `user`.")
    region: str = option("", help="A region that it must be in.")
    latest: bool = option(False, help="Of several images, take the newest; else that is an error.")


class ImageDataSource(DataSource[ImageQuery]):
    """Finds an image."""

    config_type = ImageQuery
    summary = "finds an image of DigitalOcean: `image_id`, `image_regions`"

    @classmethod
    def check(cls, config: ImageQuery) -> Iterable[Problem]:
        yield from check_account(config)
        if bool(config.name) == bool(config.name_regex):
            yield Problem("set either `name` or `name_regex`", option="name")
        try:
            re.compile(config.name_regex)
        except re.error as error:
            yield Problem(f"`name_regex` is no regular expression: {error}", option="name_regex")

    @classmethod
    def remote_inputs(cls, config: ImageQuery) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.DATA, "its answer", (config.url,))

    def read(self) -> dict[str, Value]:
        found = list(self._matching())
        wanted = self.config.name or self.config.name_regex
        if not found:
            hint = "`doctl compute image list --public` shows those that there are"
            raise VmforgeError(f"no image of DigitalOcean matches `{wanted}`", hint=hint)
        if len(found) > 1 and not self.config.latest:
            names = ", ".join(sorted(f"`{image['name']}`" for image in found)[:5])
            hint = "set `latest = true`, or say more of the name"
            raise VmforgeError(f"{len(found)} images of DigitalOcean match `{wanted}`: {names}", hint=hint)
        image = max(found, key=lambda image: str(image["created_at"]))
        return {"image_id": int(image["id"]), "image_regions": list(image["regions"])}

    def _matching(self) -> Iterator[Any]:
        config = self.config
        params = {"private": "true"} if config.type is ImageType.USER else {}
        if config.type and not params:
            params = {"type": config.type.value}
        api = Api(config, self.network, Cancellation())
        try:
            for image in api.list("images", "images", **params):
                named = (
                    image["name"] == config.name
                    if config.name
                    else re.search(config.name_regex, image["name"])
                )
                if named and (not config.region or config.region in image["regions"]):
                    yield image
        finally:
            api.close()
