"""The builder `amazon-ebs`: an instance is provisioned, stopped, and becomes an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vmforge.builders.amazon.cloud import AmazonCloud
from vmforge.builders.amazon.finishing import finish_image, take_mark_off
from vmforge.builders.amazon.images import Images, delete_image, step
from vmforge.builders.amazon.options.access import api_of
from vmforge.builders.amazon.options.ami import AmiConfig, check_ami
from vmforge.builders.amazon.options.blocks import together
from vmforge.builders.amazon.registering import Registration
from vmforge.sdk import Artifact, BuildContext, Problem
from vmforge.sdk.cloud import Cloud, CloudArtifact, CloudBuilder, Resource, RunMark
from vmforge.sdk.network import RemoteInput


@dataclass(frozen=True, kw_only=True)
class EbsConfig(AmiConfig):
    """All options of `amazon-ebs`."""


class ImageCloud(AmazonCloud[AmiConfig]):
    """EC2 up to the finished images."""

    builder_id = "mitchellh.amazonebs"

    @cached_property
    def images(self) -> Images:
        description = self.context.render(self.config.ami_description, self.source.fields)
        return Images(self.config, self.account, self.deleting, self.mark, description)

    @property
    def regions(self) -> tuple[str, ...]:
        return self.config.regions

    def examine(self) -> None:
        super().examine()
        self.images.check_name()

    def stop(self) -> None:
        super().stop()
        if not self.config.is_spot:
            ena, sriov = self.config.ena_support, self.config.sriov_support
            self.instances.enable_networking(self.instance, ena=ena, sriov=sriov)

    def capture(self) -> Iterator[Resource[Any]]:
        if self.config.skip_create_ami or self.context.throwaway:
            return
        if self.config.force_deregister:
            yield step("Deregistering images of that name", self.images.deregister_old)
        yield from self.original()
        yield from self.images.copies()

    def original(self) -> Iterable[Resource[Any]]:
        """The image in the build's own region, and what it takes."""
        if not self.config.is_registered:
            return [self.images.first("Creating the image", lambda: self.images.create(self.instance))]
        registration = Registration(self.config, self.images, self.source, self.instance)
        return registration.resources(registration.of_instance)

    def finish(self) -> Artifact | None:
        if not self.images.made:
            return None
        tags = self.rendered(self.config.image_tags)
        snapshot_tags = self.rendered(together(self.config.snapshot_tags, self.config.snapshot_tag))
        made = dict(sorted(self.images.made.items()))
        for region, image in made.items():
            finish_image(self.account, self.config, region, image, tags, snapshot_tags)
        for region, image in made.items():
            take_mark_off(self.account, region, image, self.mark)
        return image_artifact(self, self.builder_id, made)


def image_artifact(cloud: AmazonCloud[Any], builder_id: str, made: Mapping[str, str]) -> CloudArtifact:
    """Images, as manifests and users know them: `eu-west-1:ami-1,us-east-1:ami-2`."""
    id = ",".join(f"{region}:{image}" for region, image in made.items())
    listed = "\n".join(f"{region}: {image}" for region, image in made.items())

    def delete() -> None:
        for region, image in made.items():
            delete_image(cloud.deleting, region, image)

    state = {"images": dict(made), "source_ami": cloud.source.id}
    return CloudArtifact(builder_id, id, f"AMIs were created:\n{listed}", delete, state)


class AmazonEbsBuilder(CloudBuilder[EbsConfig]):
    config_type = EbsConfig
    builder_id = "mitchellh.amazonebs"
    summary = "provisions an instance in EC2 and makes an AMI of it"

    @classmethod
    def check(cls, config: EbsConfig) -> Iterable[Problem]:
        return check_ami(config)

    @classmethod
    def remote_inputs(cls, config: EbsConfig) -> Iterable[RemoteInput]:
        yield api_of(config)

    def open(self, context: BuildContext, mark: RunMark) -> Cloud:
        return ImageCloud(self.config, context, mark)
