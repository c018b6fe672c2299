"""The post-processor `openstack-import`: a disk that was built elsewhere becomes an image in Glance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from vmforge.builders.openstack.access import AccessConfig, check_access, remote_input
from vmforge.builders.openstack.api import Account
from vmforge.builders.openstack.checks import check_image
from vmforge.builders.openstack.config import ImageConfig
from vmforge.builders.openstack.disk_formats import FORMATS, detect_format
from vmforge.builders.openstack.images import Images
from vmforge.builders.openstack.leftovers import find_leftovers
from vmforge.errors import HostError, VmforgeError
from vmforge.sdk import (
    Artifact,
    BuildContext,
    Cancellation,
    PostProcessor,
    Problem,
    Processed,
    appliance_of,
    option,
)
from vmforge.sdk.cloud import CloudArtifact, CloudError, Leftover, Resource, RunMark
from vmforge.sdk.cloud.recipe import delete_what_dead_builds_left
from vmforge.sdk.cloud.records import Record
from vmforge.sdk.local_files import Advance, opened, shown, size_left
from vmforge.sdk.network import RemoteInput
from vmforge.sdk.values import format_bytes

BUILDER_ID = "vmforge.post-processor.openstack-import"
_TRIES, _PAUSE = 3, 1.0
_BLOCK = 1024 * 1024
# What Glance sums an image with, unless its operator chose another.
_ALGORITHM = "sha512"


@dataclass(frozen=True, kw_only=True)
class OpenStackImportConfig(AccessConfig, ImageConfig):
    """Which image to make, and how to log in."""

    image_container_format: str = option("bare", help="What the disk comes in, in Glance's words.")
    image_min_ram: int = option(0, help="The least memory that the image runs with, in MB.")
    image_protected: bool = option(False, help="Keep the image from being deleted.")


class OpenStackImportPostProcessor(PostProcessor[OpenStackImportConfig]):
    """Uploads an artifact's disk."""

    config_type = OpenStackImportConfig
    summary = "uploads a disk to an OpenStack cloud as an image"

    @classmethod
    def check(cls, config: OpenStackImportConfig) -> Iterable[Problem]:
        yield from check_access(config)
        yield from check_image(config)
        if not config.image_name:
            yield Problem("`image_name` is not set", "image_name", hint="name the image that is to be made")
        if config.image_disk_format and config.image_disk_format not in FORMATS:
            known = ", ".join(f"`{name}`" for name in FORMATS)
            summary = f"Glance knows no disk format `{config.image_disk_format}`"
            yield Problem(summary, "image_disk_format", hint=f"it knows {known}")
        if config.image_min_ram < 0:
            yield Problem("`image_min_ram` is negative", "image_min_ram")

    @classmethod
    def remote_inputs(cls, config: OpenStackImportConfig) -> Iterable[RemoteInput]:
        yield remote_input(config)

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        disk = _disk_of(artifact, context.name)
        kind = self.config.image_disk_format or detect_format(disk)
        image = _Import(self.config, context, disk, kind).run()
        text = f"An image was created: {image}"
        state = {"ImageName": self.config.image_name, "DiskFormat": kind}
        account = Account(self.config, context.network, Cancellation())
        delete = partial(Images(account, self.config.state_timeout.seconds).delete, image)
        return Processed(CloudArtifact(BUILDER_ID, image, text, delete, state))

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        """What builds and imports have left; see `Builder.leftovers`."""
        account = Account(self.config, context.network, Cancellation())
        try:
            return list(find_leftovers(account, self.config.state_timeout.seconds))
        finally:
            account.close()


def _disk_of(artifact: Artifact, name: str) -> Path:
    disks = appliance_of(artifact, name).disks
    if len(disks) > 1:
        named = ", ".join(f"`{disk}`" for disk in disks)
        hint = "choose one with the post-processor `artifice`"
        raise HostError(f"an image has one disk, and the artifact has {len(disks)}: {named}", hint=hint)
    return disks[0]


@dataclass
class _Import:
    """One upload. The record in Glance carries the build's mark until all is done."""

    config: OpenStackImportConfig
    context: BuildContext
    disk: Path
    kind: str

    def __post_init__(self) -> None:
        limit = self.config.state_timeout.seconds
        self.account = Account(self.config, self.context.network, self.context.cancellation)
        self.deleting = self.account.insistent()
        self.images, self.unwanted = Images(self.account, limit), Images(self.deleting, limit)
        self.mark = RunMark.of(self.context)

    def run(self) -> str:
        """The image's id."""
        place = self.config.place
        try:
            with Record(self.context, self.mark, place):
                delete_what_dead_builds_left(self.context, place, self._leftovers)
                try:
                    return self._make()
                except BaseException:
                    self._sweep()
                    raise
        finally:
            self.account.close()

    def _make(self) -> str:
        for left in reversed(range(_TRIES)):
            try:
                with self._record() as image:
                    self._send(image)
                    self.images.complete(image, self.config, protected=self.config.image_protected)
                    return image
            except CloudError as error:
                # data is read once, so another try is another record
                if not error.transient or not left:
                    raise
                self.context.ui.message(f"{error.message}: trying again")
            self.context.cancellation.wait(_PAUSE)
        raise AssertionError  # the last try returns or raises

    def _record(self) -> Resource[str]:
        config = self.config
        body: dict[str, Any] = {
            **config.metadata,
            **self.mark.tags,
            "name": config.image_name,
            "disk_format": self.kind,
            "container_format": config.image_container_format,
            "tags": list(config.image_tags),
            "min_disk": config.image_min_disk,
            "min_ram": config.image_min_ram,
        }
        return Resource(
            "Creating the image",
            "image",
            lambda: self.images.create(body),
            self.unwanted.delete,
            product=True,
        )

    def _send(self, image: str) -> None:
        """Upload the disk, and see that what came is what was sent."""
        with opened(self.disk) as file:
            size = size_left(file) or 0
            with shown(self.context.ui, f"Uploading {self.disk.name} ({self.kind})", size) as advance:
                sent = _Measured(file, size, advance, self.context.cancellation)
                self.images.upload(image, sent)
        found = self.images.await_active(image)
        algorithm, told = str(found.get("os_hash_algo") or ""), str(found.get("os_hash_value") or "")
        if not told:  # Glance before its version 2.7
            algorithm, told = "md5", str(found.get("checksum") or "")
        own = sent.digest() if algorithm == _ALGORITHM else _digest_of(self.disk, algorithm)
        if told != own:
            hint = "was the file changed meanwhile? build again"
            raise CloudError(
                f"Glance has another {algorithm} of `{self.disk.name}` than this machine", hint=hint
            )
        self.context.ui.message(f"{format_bytes(size)} are in Glance, with the same {algorithm}")

    def _leftovers(self) -> Iterable[Leftover]:
        return find_leftovers(self.deleting, self.config.state_timeout.seconds)

    def _sweep(self) -> None:
        """Look for a record whose making was never answered."""
        try:
            for leftover in self._leftovers():
                if leftover.mark.is_same(self.mark) and leftover.kind == "image":
                    leftover.delete()
        except VmforgeError as error:
            self.context.ui.warn(f"something may be left in the cloud: {error.message}")


class _Measured:
    """A file's blocks, summed while they are sent; ends when the build is told to stop. With a length of its
    own it is not sent in chunks."""

    def __init__(self, file: BinaryIO, size: int, advance: Advance, cancellation: Cancellation) -> None:
        self._file, self._size, self._advance, self._cancellation = file, size, advance, cancellation
        self._hasher = hashlib.new(_ALGORITHM, usedforsecurity=False)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while block := self._file.read(_BLOCK):
            self._cancellation.check()
            self._hasher.update(block)
            yield block
            self._advance(len(block))

    def digest(self) -> str:
        return self._hasher.hexdigest()


def _digest_of(path: Path, algorithm: str) -> str:
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    with opened(path) as file:
        while block := file.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()
