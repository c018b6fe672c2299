"""The `digitalocean-import` post-processor: a disk of this machine becomes an image in DigitalOcean."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from vmforge.builders.digitalocean.account import Api, DigitalOceanAccount, check_account
from vmforge.builders.digitalocean.config import check_tags
from vmforge.builders.digitalocean.leftovers import delete_image, unfinished_images
from vmforge.errors import VmforgeError
from vmforge.sdk import (
    Artifact,
    BuildContext,
    Duration,
    PostProcessor,
    Problem,
    Processed,
    Secret,
    appliance_of,
    option,
)
from vmforge.sdk.cloud import (
    CloudArtifact,
    CloudError,
    Leftover,
    Resource,
    RunMark,
    make,
    note_build,
    sweep_after,
    work_aside,
)
from vmforge.sdk.extras import missing_library
from vmforge.sdk.late import check_late
from vmforge.sdk.network import RemoteInput, RemoteKind

BUILDER_ID: Final = "packer.post-processor.digitalocean-import"
_FIELDS = ("BuildName", "BuilderType")
_BEGINNING = "packer-import-"
_KEY_VARIABLE, _SECRET_VARIABLE = "DIGITALOCEAN_SPACES_ACCESS_KEY", "DIGITALOCEAN_SPACES_SECRET_KEY"
# https://docs.digitalocean.com/products/custom-images/details/features/
_FORMATS = (".raw", ".img", ".qcow2", ".vhdx", ".vdi", ".vmdk")
_COMPRESSED = (".gz", ".bz2")


@dataclass(frozen=True, kw_only=True)
class ImportConfig(DigitalOceanAccount):
    """The options of `digitalocean-import`."""

    spaces_key: Secret = option(
        Secret(""), help=f"The key of Spaces; else `{_KEY_VARIABLE}` of the environment.", affects_image=False
    )
    spaces_secret: Secret = option(
        Secret(""), help=f"Its secret; else `{_SECRET_VARIABLE}`.", affects_image=False
    )
    spaces_region: str = option(help="The region of the Space, as in `nyc3`.")
    spaces_url: str = option(
        "", help="Another server that speaks S3.", default_text="that of `spaces_region`"
    )
    space_name: str = option(help="The Space that the disk is put into while it is imported.")
    space_object_name: str = option(
        "",
        help="The disk's name there; knows `{{ .BuildName }}` and `{{ .BuilderType }}`.",
        default_text="`packer-import-` and the run's id",
        late=True,
    )
    image_name: str = option(help="The image's name.")
    image_regions: tuple[str, ...] = option(help="The regions to have it in; the first one imports it.")
    image_description: str = option("", help="What it is, in words.")
    image_distribution: str = option("", help="The name of its distribution.", default_text="`Unknown`")
    image_tags: tuple[str, ...] = option((), help="Its tags.")
    skip_clean: bool = option(False, help="Leave the disk in the Space.")
    timeout: int | Duration = option(
        20, help="How long importing may take, and each transfer: minutes, or a time such as `1h`."
    )

    @property
    def login(self) -> tuple[str, str]:
        """The key of Spaces and its secret."""
        found = (self.spaces_key.value, _KEY_VARIABLE), (self.spaces_secret.value, _SECRET_VARIABLE)
        key, secret = (value or os.environ.get(name, "") for value, name in found)
        return key, secret

    @property
    def limit(self) -> float:
        return self.timeout.seconds if isinstance(self.timeout, Duration) else self.timeout * 60.0

    @property
    def spaces(self) -> str:
        return self.spaces_url or f"https://{self.spaces_region}.digitaloceanspaces.com"


class DigitalOceanImportPostProcessor(PostProcessor[ImportConfig]):
    """Imports a disk."""

    config_type = ImportConfig
    summary = "makes an image in DigitalOcean of a disk that was built here"

    @classmethod
    def check(cls, config: ImportConfig) -> Iterable[Problem]:
        from vmforge.builders.digitalocean.spaces import EXTRA, LIBRARY

        yield from check_account(config)
        for name, value in zip(("spaces_key", "spaces_secret"), config.login, strict=True):
            if not value:
                yield Problem(f"there is no `{name}`", option=name, hint="set it, or its variable")
        for name in ("spaces_region", "space_name", "image_name", "image_regions"):
            if not getattr(config, name):
                yield Problem(f"`{name}` is empty", option=name)
        yield from check_tags("image_tags", config.image_tags)
        yield from check_late(config.space_object_name, _FIELDS, "space_object_name")
        if config.limit <= 0:
            yield Problem("`timeout` must be more than 0", option="timeout")
        yield from missing_library(EXTRA, LIBRARY)

    @classmethod
    def remote_inputs(cls, config: ImportConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.UPLOAD, "the import into DigitalOcean", (config.spaces, config.url))

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        return work_aside(context, lambda working: _Import(self.config, working).run(artifact))

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        return work_aside(context, lambda working: list(_Import(self.config, working).leftovers()))


@dataclass
class _Import:
    config: ImportConfig
    context: BuildContext
    _image: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        from vmforge.builders.digitalocean.spaces import Spaces

        config = self.config
        self.context.network.locate(config.spaces)
        self.context.redact([secret for secret in (config.token, *config.login) if secret])
        self._api = Api(config, self.context.network, self.context.cancellation)
        self._mark = RunMark.of(self.context)
        self._spaces = Spaces(config.spaces, config.spaces_region, config.space_name, *config.login)

    def run(self, artifact: Artifact) -> Processed:
        """The import. The object in the Space goes; the image goes too unless all went well."""
        from vmforge.builders.digitalocean.transfers import Transfers

        config, steps = self.config, self.context.steps
        place = f"DigitalOcean and its Space {config.space_name}"
        note_build(self.context, self._mark, place, self.leftovers)
        sweep_after(self.context, self._mark, self.leftovers)
        disk, name = _disk_of(artifact, self.context.name), self._object_name()
        uploaded = Resource(
            f"Uploading {disk.name} to the Space {config.space_name}",
            "object",
            partial(self._upload, disk, name),
            self._spaces.delete,
            product=config.skip_clean,
        )
        make(steps, uploaded)
        image = Resource(
            f"Importing the image {config.image_name}",
            "image",
            partial(self._begin, name),
            partial(delete_image, self._api),
            ready=lambda image: self._await(),
            product=True,
        )
        make(steps, image)
        transfers = Transfers(self._api, lambda: self._image, config.image_regions[1:], config.limit)
        if transfers.regions:
            make(steps, transfers.resource())
        self._api.put(f"images/{self._image}", {"name": config.image_name})
        return Processed(self._artifact(), keep_input=False)

    def leftovers(self) -> Iterator[Leftover]:
        """Unfinished images, and objects whose names are not the user's."""
        yield from unfinished_images(self._api)
        for name in self._spaces.names(_BEGINNING, self.context.cancellation):
            if mark := RunMark.read_name(name):
                where = f"s3://{self.config.space_name}/{name}"
                yield Leftover("object", where, mark, partial(self._spaces.delete, name))

    def _object_name(self) -> str:
        fields = {"BuildName": self.context.name, "BuilderType": self.context.builder_type}
        named = self.context.render(self.config.space_object_name, {**self.context.data, **fields})
        # its name tells whose it is; one that stays is nobody's to delete
        own = self._mark.product_name if self.config.skip_clean else self._mark.name
        return named or f"{_BEGINNING}{own}"

    def _upload(self, disk: Path, name: str) -> str:
        with self.context.ui.progress("Uploading", disk.stat().st_size) as progress:
            self._spaces.upload(disk, name, progress.advance, self.context.cancellation)
        return name

    def _begin(self, name: str) -> int:
        config = self.config
        # until it is finished, its name is what a killed run's is known by
        body: dict[str, Any] = {
            "name": self._mark.name,
            "url": self._spaces.address(name),
            "region": config.image_regions[0],
            "distribution": config.image_distribution or "Unknown",
            "description": config.image_description,
            "tags": list(config.image_tags),
        }
        self._image = int(self._api.post("images", body)["image"]["id"])
        return self._image

    def _await(self) -> None:
        def look() -> str | None:
            found = (self._api.find(f"images/{self._image}") or {"image": {}})["image"]
            if error := found.get("error_message"):
                raise CloudError(f"DigitalOcean could not import the image: {error}")
            status = str(found.get("status", "")).lower()
            return status if status in ("available", "deleted", "retired") else None

        status = self._api.wait(look, "the image to be imported", self.config.limit, "raise `timeout`")
        if status != "available":
            raise CloudError(f"DigitalOcean could not import the image: it is `{status}`")

    def _artifact(self) -> CloudArtifact:
        regions = ",".join(self.config.image_regions)
        image, api = self._image, Api(self.config, self.context.network, self.context.cancellation)
        return CloudArtifact(
            BUILDER_ID,
            f"{regions}:{image}",
            f"the disk was imported: '{self.config.image_name}' (ID: {image}) in regions '{regions}'",
            delete=partial(delete_image, api, image),
        )


def _disk_of(artifact: Artifact, name: str) -> Path:
    """The disk to import: a file in one of DigitalOcean's formats, else the machine's disk."""
    for path in artifact.files:
        bare = path.stem if path.suffix.lower() in _COMPRESSED else path.name
        if bare.lower().endswith(_FORMATS):
            return path
    disks = appliance_of(artifact, name).disks
    if len(disks) != 1:
        raise VmforgeError(f"an image is made of one disk, and the machine has {len(disks)}")
    return disks[0]
