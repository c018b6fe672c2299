"""The builder `amazon-ebssurrogate`: a volume beside the instance's own is filled, and becomes an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vmforge.builders.amazon.ebs import ImageCloud
from vmforge.builders.amazon.options.access import api_of
from vmforge.builders.amazon.options.ami import AmiConfig, check_ami
from vmforge.builders.amazon.options.blocks import Architecture, BlockDevice
from vmforge.builders.amazon.registering import Registration, support_request
from vmforge.builders.amazon.requests import mapping, mappings
from vmforge.sdk import BuildContext, Config, Problem, option
from vmforge.sdk.cloud import Cloud, CloudBuilder, Resource, RunMark
from vmforge.sdk.network import RemoteInput


@dataclass(frozen=True, kw_only=True)
class SurrogateDevice(BlockDevice):
    """`launch_block_device_mappings {}`"""

    omit_from_artifact: bool = option(False, help="Leave it out of the image.")


@dataclass(frozen=True, kw_only=True)
class RootDevice(Config):
    """`ami_root_device {}`: the image's first disk."""

    source_device_name: str = option(help="The device on the instance that it is made of.")
    device_name: str = option("/dev/xvda", help="What it is called in the image.")
    volume_size: int = option(0, help="Its size in GiB.", default_text="that of the volume")
    volume_type: str = option("", help="`gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1` or `standard`.")
    iops: int | None = option(None, help="Operations per second.")
    throughput: int | None = option(None, help="MiB per second (`gp3`).")
    delete_on_termination: bool = option(False, help="Delete it together with its instance.")


@dataclass(frozen=True, kw_only=True)
class SurrogateConfig(AmiConfig):
    """All options of `amazon-ebssurrogate`."""

    launch_block_device_mappings: tuple[SurrogateDevice, ...] = option((), help="The instance's disks.")
    ami_root_device: RootDevice = option(help="The image's first disk.")
    ami_architecture: Architecture = option(Architecture.X86_64, help="What the image is for.")
    use_create_image: bool = option(False, help="Make the image of the instance, which is not supported.")


class SurrogateCloud(ImageCloud):
    """EC2 up to images of the volumes that were filled."""

    builder_id = "mitchellh.amazon.ebssurrogate"

    def __init__(self, config: SurrogateConfig, context: BuildContext, mark: RunMark) -> None:
        super().__init__(config, context, mark)
        self.surrogate = config

    @property
    def kept(self) -> list[SurrogateDevice]:
        return [one for one in self.surrogate.launch_block_device_mappings if not one.omit_from_artifact]

    def original(self) -> Iterator[Resource[Any]]:
        registration = Registration(self.config, self.images, self.source, self.instance)

        def request() -> dict[str, Any]:
            return image_request(self.surrogate, registration.snapshots)

        return registration.resources(request, devices=[device.device_name for device in self.kept])

    def stop(self) -> None:
        super(ImageCloud, self).stop()


def image_request(config: SurrogateConfig, snapshots: dict[str, str]) -> dict[str, Any]:
    """`RegisterImage`; `snapshots` are by the devices on the instance."""
    root = config.ami_root_device
    first = mapping(
        BlockDevice(
            device_name=root.device_name,
            volume_size=root.volume_size,
            volume_type=root.volume_type,
            iops=root.iops,
            throughput=root.throughput,
            delete_on_termination=root.delete_on_termination,
            snapshot_id=snapshots[root.source_device_name],
        )
    )
    others = [
        _of_snapshot(device, snapshots[device.device_name])
        for device in config.launch_block_device_mappings
        if device.device_name in snapshots and device.device_name != root.source_device_name
    ]
    return {
        "Architecture": config.ami_architecture.value,
        "RootDeviceName": root.device_name,
        "BlockDeviceMappings": [first, *others, *mappings(config.ami_block_device_mappings)],
        **support_request(config),
    }


def _of_snapshot(device: BlockDevice, snapshot: str) -> dict[str, Any]:
    """A disk that begins with a snapshot, which is encrypted or not already."""
    stated = mapping(device)
    ebs = {key: value for key, value in stated["Ebs"].items() if key not in ("Encrypted", "KmsKeyId")}
    return {**stated, "Ebs": {**ebs, "SnapshotId": snapshot}}


class AmazonEbsSurrogateBuilder(CloudBuilder[SurrogateConfig]):
    config_type = SurrogateConfig
    builder_id = SurrogateCloud.builder_id
    summary = "fills a volume from an instance in EC2 and makes an AMI of it"

    @classmethod
    def check(cls, config: SurrogateConfig) -> Iterable[Problem]:
        yield from check_ami(config)
        source = config.ami_root_device.source_device_name
        kept = [one.device_name for one in config.launch_block_device_mappings if not one.omit_from_artifact]
        if source not in kept:
            hint = "name one of `launch_block_device_mappings`"
            summary = f"there is no volume `{source}` to make the first disk of"
            yield Problem(summary, "ami_root_device", hint=hint)
        if config.use_create_image:
            hint = "leave it out: the image is registered, with `boot_mode` and so on as they stand here"
            yield Problem("`use_create_image` is not supported", "use_create_image", hint=hint)

    @classmethod
    def remote_inputs(cls, config: SurrogateConfig) -> Iterable[RemoteInput]:
        yield api_of(config)

    def open(self, context: BuildContext, mark: RunMark) -> Cloud:
        return SurrogateCloud(self.config, context, mark)
