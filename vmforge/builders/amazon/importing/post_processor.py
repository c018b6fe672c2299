"""The post-processor itself: which way, what is made on it, and what is left of that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.finishing import finish_image, take_mark_off
from vmforge.builders.amazon.images import Images, delete_image, delete_snapshot
from vmforge.builders.amazon.importing.bucket import BucketImport, file_of
from vmforge.builders.amazon.importing.config import ImportConfig, Method, check_import
from vmforge.builders.amazon.importing.ebs_direct import SnapshotWriter
from vmforge.builders.amazon.leftovers import find_leftovers
from vmforge.builders.amazon.options.access import api_of
from vmforge.builders.amazon.options.ami import AmiConfig
from vmforge.builders.amazon.options.blocks import Architecture, BootMode
from vmforge.builders.amazon.registering import wait_for_snapshots
from vmforge.hypervisor import disks
from vmforge.sdk import Appliance, Artifact, BuildContext, FirmwareKind, PostProcessor, Problem, Processed
from vmforge.sdk.appliance import appliance_of
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.cloud import (
    CloudArtifact,
    Leftover,
    Resource,
    RunMark,
    delete_quietly,
    make,
    note_build,
    sweep_after,
    work_aside,
)
from vmforge.sdk.network import RemoteInput

BUILDER_ID = "packer.post-processor.amazon-import"
_ARCHITECTURES = {"x86_64": Architecture.X86_64, "aarch64": Architecture.ARM64, "i686": Architecture.I386}


class AmazonImportPostProcessor(PostProcessor[ImportConfig]):
    config_type = ImportConfig
    summary = "makes an AMI of a local disk image, straight or by way of S3"

    @classmethod
    def check(cls, config: ImportConfig) -> Iterable[Problem]:
        return check_import(config)

    @classmethod
    def remote_inputs(cls, config: ImportConfig) -> Iterable[RemoteInput]:
        yield api_of(config)

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        made = work_aside(context, lambda working: _Import(self.config, working, artifact).run())
        return Processed(made, keep_input=False)

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        account = Account(self.config, context.network, Cancellation())
        try:
            return list(_leftovers(account, self.config))
        finally:
            account.close()


@dataclass
class _Import:
    config: ImportConfig
    context: BuildContext
    artifact: Artifact

    def __post_init__(self) -> None:
        self.account = Account(self.config, self.context.network, self.context.cancellation)
        self.deleting = self.account.insistent()
        self.mark = RunMark.of(self.context)
        self.images = Images(
            _as_ami(self.config), self.account, self.deleting, self.mark, self.config.ami_description
        )

    def run(self) -> Artifact:
        if self.config.way is not Method.EBS_DIRECT:
            file_of(self.artifact, self.config.format)  # before anything is asked
        for account in (self.account, self.deleting):
            self.context.steps.enter("Opening the cloud", closing(account), quiet=True)
        left = partial(_leftovers, self.deleting, self.config)
        note_build(self.context, self.mark, self._place, left)
        sweep_after(self.context, self.mark, left)
        self._make()
        return self._finish()

    @property
    def _place(self) -> str:
        """Builders look for what is left too, but not in a bucket."""
        bucket = self.config.s3_bucket_name
        return f"{self.account.place} and `s3://{bucket}`" if bucket else self.account.place

    def _make(self) -> None:
        if self.config.ami_name:
            self.images.check_name()
        if self.config.way is Method.IMPORT_IMAGE:
            self._import_image()
            return
        appliance = appliance_of(self.artifact, self.context.name)
        if self.config.way is Method.EBS_DIRECT:
            snapshots = [self._enter(self._written(disk)) for disk in appliance.disks]
        else:
            snapshots = [self._by_bucket().import_snapshot(self._enter)]
        request = register_request(self.config, appliance, snapshots)
        self._enter(self.images.first("Registering the image", lambda: self.images.register(request)))

    def _import_image(self) -> None:
        """AWS makes the image, with a name of its own: another name takes a copy."""
        imported = self._by_bucket().import_image(self._enter, product=not self.config.ami_name)
        self.images.original = imported
        if not self.config.ami_name:
            self.images.made[self.account.region] = imported
            return
        for resource in self.images.copies():
            self._enter(resource)

    def _by_bucket(self) -> BucketImport:
        return BucketImport(self.config, self.context, self.account, self.deleting, self.mark, self.artifact)

    def _enter(self, resource: Resource[Any]) -> str:
        return str(make(self.context.steps, resource))

    def _written(self, disk: Path) -> Resource[str]:
        """A snapshot that is written block by block."""
        config, region = self.config, self.account.region
        size = disks.info(disk, self.context.cancellation).virtual_size.bytes
        writer = SnapshotWriter(
            self.account,
            disk,
            self.mark.tags,
            config.ami_description or config.ami_name,
            config.ami_encrypt,
            config.ami_kms_key,
            config.parallel,
        )
        begun: dict[str, Any] = {}

        def start() -> str:
            begun.update(writer.start())
            return str(begun["SnapshotId"])

        def fill(snapshot: str) -> None:
            with self.context.ui.progress(f"Sending {disk.name}", size) as progress:
                writer.on_bytes = progress.advance
                writer.fill(begun)
            sent = writer.sent * int(begun["BlockSize"])
            self.context.ui.message(
                f"`{disk.name}`: {sent / 1024**2:.0f} of {size / 1024**2:.0f} MiB were sent"
            )
            wait_for_snapshots(self.account, config, [snapshot])

        return Resource(
            f"Writing `{disk.name}` into a snapshot",
            "snapshot",
            start,
            partial(delete_snapshot, self.deleting, region),
            ready=fill,
            product=True,
        )

    def _finish(self) -> Artifact:
        made = dict(self.images.made)
        for region, image in made.items():
            finish_image(self.account, self.images.config, region, image, self.config.tags, {})
            take_mark_off(self.account, region, image, self.mark)
        id = ",".join(f"{region}:{image}" for region, image in made.items())
        listed = "\n".join(f"{region}: {image}" for region, image in made.items())

        def delete() -> None:
            for region, image in made.items():
                delete_quietly(partial(delete_image, self.deleting, region, image))

        return CloudArtifact(BUILDER_ID, id, f"AMIs were created:\n{listed}", delete, {"images": made})


def _leftovers(account: Account, config: ImportConfig) -> Iterator[Leftover]:
    yield from find_leftovers(account, ())
    yield from BucketImport.left(account, config)


def register_request(config: ImportConfig, appliance: Appliance, snapshots: Sequence[str]) -> dict[str, Any]:
    """`RegisterImage` for a machine's disks."""
    uefi = appliance.firmware is FirmwareKind.UEFI
    architecture = config.architecture or _ARCHITECTURES.get(appliance.architecture, Architecture.X86_64)
    stem = config.root_device_name.rstrip("0123456789")
    names = [
        config.root_device_name,
        *(f"{stem[:-1]}{chr(ord(stem[-1]) + n)}" for n in range(1, len(snapshots))),
    ]
    stated = {
        "Architecture": architecture.value,
        "BootMode": (config.boot_mode or (BootMode.UEFI if uefi else BootMode.LEGACY_BIOS)).value,
        "EnaSupport": config.ena_support,
        "SriovNetSupport": "simple" if config.sriov_support else "",
        "ImdsSupport": config.imds_support,
        "TpmSupport": config.tpm_support,
        "UefiData": config.uefi_data,
        "VirtualizationType": "hvm",
        "RootDeviceName": config.root_device_name,
        "BlockDeviceMappings": [
            {
                "DeviceName": name,
                "Ebs": {
                    "SnapshotId": snapshot,
                    "VolumeType": config.volume_type,
                    "DeleteOnTermination": True,
                },
            }
            for name, snapshot in zip(names, snapshots, strict=True)
        ],
    }
    if architecture is Architecture.ARM64:
        del stated["BootMode"]  # it has no other than UEFI
    return {key: value for key, value in stated.items() if value != ""}


def _as_ami(config: ImportConfig) -> AmiConfig:
    """The image's options, as the builders have them."""
    return AmiConfig(
        ami_name=config.ami_name,
        ami_users=config.ami_users,
        ami_groups=config.ami_groups,
        ami_org_arns=config.ami_org_arns,
        ami_ou_arns=config.ami_ou_arns,
        # an imported image is copied for its name, and encrypted then
        ami_regions=(),
        encrypt_boot=None,
        aws_polling=config.aws_polling,
        max_retries=config.max_retries,
        region=config.region,
    )
