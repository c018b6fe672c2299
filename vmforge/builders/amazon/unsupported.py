"""The builders `amazon-instance` and `amazon-chroot`: read and checked, so that templates that have them
beside others can be used; they build nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.amazon.options.access import check_access
from vmforge.builders.amazon.options.ami import AmiConfig, check_ami, check_name
from vmforge.builders.amazon.options.blocks import Architecture, KeyValue
from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, BuildContext, Builder, Problem, option

_INSTANCE = "vmforge makes no images that are kept in S3, which only old kinds of machines can start"
_CHROOT = "vmforge makes no images from within an instance of EC2"
_INSTEAD = "use `amazon-ebs`, or `amazon-ebssurrogate` to fill a disk from nothing"


@dataclass(frozen=True, kw_only=True)
class InstanceConfig(AmiConfig):
    """The options of `amazon-instance`."""

    account_id: str = option("", help="The account's number.")
    s3_bucket: str = option("", help="The bucket for the image.")
    x509_cert_path: Path | None = option(None, help="The certificate that signs it.")
    x509_key_path: Path | None = option(None, help="The certificate's key.")
    x509_upload_path: str = option("/tmp", help="Where the certificate goes on the instance.")
    bundle_destination: str = option("/tmp", help="Where the image is put together.")
    bundle_prefix: str = option("image-{{timestamp}}", help="What its files are called.")
    bundle_upload_command: str = option("", help="The command that uploads it.", late=True)
    bundle_vol_command: str = option("", help="The command that puts it together.", late=True)


@dataclass(frozen=True, kw_only=True)
class ChrootConfig(AmiConfig):
    """The options of `amazon-chroot`."""

    chroot_mounts: tuple[tuple[str, ...], ...] = option((), help="What is mounted into the folder.")
    command_wrapper: str = option("{{.Command}}", help="How commands are run.", late=True)
    copy_files: tuple[str, ...] = option((), help="Files that are copied into the folder.")
    device_path: str = option("", help="The device that the volume becomes.")
    nvme_device_path: str = option("", help="The same, where it is another one.")
    from_scratch: bool = option(False, help="Begin with an empty volume.")
    mount_options: tuple[str, ...] = option((), help="Options of `mount`.")
    mount_partition: str = option("1", help="The partition with `/`.")
    mount_path: str = option("", help="The folder.", late=True)
    manual_mount_command: str = option("", help="The command that mounts it.", late=True)
    pre_mount_commands: tuple[str, ...] = option((), help="Commands before it is mounted.", late=True)
    post_mount_commands: tuple[str, ...] = option((), help="Commands after that.", late=True)
    root_device_name: str = option("", help="The image's first disk.")
    root_volume_size: int = option(0, help="Its size in GiB.")
    root_volume_type: str = option("", help="Its kind.")
    root_volume_tags: Mapping[str, str] = option({}, help="Its tags.", late=True)
    root_volume_tag: tuple[KeyValue, ...] = option((), help="The same, one block for each.")
    root_volume_encrypt_boot: bool | None = option(None, help="Whether it is encrypted.")
    root_volume_kms_key_id: str = option("", help="The key to encrypt it with.")
    ami_architecture: Architecture = option(Architecture.X86_64, help="What the image is for.")


class AmazonInstanceBuilder(Builder[InstanceConfig]):
    config_type = InstanceConfig
    builder_id = "mitchellh.amazon.instance"
    summary = "known, and refused: images in S3"

    @classmethod
    def check(cls, config: InstanceConfig) -> Iterable[Problem]:
        yield from check_ami(config)
        yield Problem(_INSTANCE, hint=_INSTEAD, warning=True)

    def build(self, context: BuildContext) -> Artifact | None:
        raise VmforgeError(_INSTANCE, hint=_INSTEAD)


class AmazonChrootBuilder(Builder[ChrootConfig]):
    config_type = ChrootConfig
    builder_id = "mitchellh.amazon.chroot"
    uses_communicator = False
    summary = "known, and refused: images made from within an instance"

    @classmethod
    def check(cls, config: ChrootConfig) -> Iterable[Problem]:
        yield from check_access(config)
        yield from check_name(config.ami_name)
        yield Problem(_CHROOT, hint=_INSTEAD, warning=True)

    def build(self, context: BuildContext) -> Artifact | None:
        raise VmforgeError(_CHROOT, hint=_INSTEAD)
