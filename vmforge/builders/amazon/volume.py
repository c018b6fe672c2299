"""The builder `amazon-ebsvolume`: volumes are filled from an instance, and stay when that is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vmforge.builders.amazon.cloud import AmazonCloud
from vmforge.builders.amazon.images import delete_snapshot
from vmforge.builders.amazon.instances import delete_volume
from vmforge.builders.amazon.options.access import api_of
from vmforge.builders.amazon.options.blocks import BlockDevice, KeyValue, given, together
from vmforge.builders.amazon.options.run import SOURCE_FIELDS, RunConfig, check_devices, check_run
from vmforge.builders.amazon.registering import wait_for_snapshots
from vmforge.builders.amazon.tagging import as_api, specification
from vmforge.sdk import Artifact, BuildContext, Problem, option
from vmforge.sdk.cloud import Cloud, CloudArtifact, CloudBuilder, Resource, RunMark, delete_quietly
from vmforge.sdk.late import check_late
from vmforge.sdk.network import RemoteInput


@dataclass(frozen=True, kw_only=True)
class KeptVolume(BlockDevice):
    """`ebs_volumes {}`"""

    tags: Mapping[str, str] = option({}, help="The volume's tags.", late=True)
    tag: tuple[KeyValue, ...] = option((), help="The same, one block for each.")
    snapshot_volume: bool = option(False, help="Take a snapshot of it.")
    snapshot_tags: Mapping[str, str] = option({}, help="The snapshot's tags.", late=True)
    snapshot_tag: tuple[KeyValue, ...] = option((), help="The same, one block for each.")
    snapshot_users: tuple[str, ...] = option((), help="The accounts that may make volumes of the snapshot.")
    snapshot_groups: tuple[str, ...] = option((), help="`all` lets everybody make volumes of it.")
    snapshot_description: str = option("", help="What is said of the snapshot.")


@dataclass(frozen=True, kw_only=True)
class VolumeConfig(RunConfig):
    """All options of `amazon-ebsvolume`."""

    ebs_volumes: tuple[KeptVolume, ...] = option((), help="The volumes.")
    ena_support: bool | None = option(None, help="Let the instance use ENA's network cards.")
    sriov_support: bool = option(False, help="Let the instance use Intel's network cards (`ixgbevf`).")


class VolumeCloud(AmazonCloud[VolumeConfig]):
    """EC2 up to the filled volumes."""

    def __init__(self, config: VolumeConfig, context: BuildContext, mark: RunMark) -> None:
        super().__init__(config, context, mark)
        self._snapshots: dict[str, str] = {}

    @property
    def devices(self) -> tuple[BlockDevice, ...]:
        return (*self.config.launch_block_device_mappings, *self.config.ebs_volumes)

    def capture(self) -> Iterator[Resource[Any]]:
        volumes = self._volumes()
        for kept in self.config.ebs_volumes:
            if kept.snapshot_volume and not self.context.throwaway:
                yield Resource(
                    f"Taking a snapshot of `{kept.device_name}`",
                    "snapshot",
                    partial(self._take, kept, volumes[kept.device_name]),
                    partial(delete_snapshot, self.deleting, self.account.region),
                    ready=lambda id: wait_for_snapshots(self.account, self.config, [id]),
                    product=True,
                )

    def _volumes(self) -> dict[str, str]:
        """The instance's volumes by their devices."""
        found = self.instances.describe(self.instance) or {}
        return {
            one["DeviceName"]: str(one["Ebs"]["VolumeId"]) for one in found.get("BlockDeviceMappings") or ()
        }

    def _take(self, kept: KeptVolume, volume: str) -> str:
        answer = self.account.api()(
            "create_snapshot",
            VolumeId=volume,
            Description=kept.snapshot_description,
            TagSpecifications=specification(("snapshot",), self.mark.tags),
        )
        self._snapshots[kept.device_name] = str(answer["SnapshotId"])
        return self._snapshots[kept.device_name]

    def finish(self) -> Artifact | None:
        if self.context.throwaway:
            return None
        ec2, volumes = self.account.api(), self._volumes()
        made = []
        for kept in self.config.ebs_volumes:
            volume = volumes[kept.device_name]
            if tags := self.rendered(together(kept.tags, kept.tag)):
                ec2("create_tags", Resources=[volume], Tags=as_api(tags))
            if snapshot := self._snapshots.get(kept.device_name):
                self._finish_snapshot(kept, snapshot)
                made.append(snapshot)
            made.append(volume)
        if made:
            ec2("delete_tags", Resources=made, Tags=as_api(self.mark.tags))
        return self._artifact([volumes[kept.device_name] for kept in self.config.ebs_volumes])

    def _finish_snapshot(self, kept: KeptVolume, snapshot: str) -> None:
        ec2 = self.account.api()
        if tags := self.rendered(together(kept.snapshot_tags, kept.snapshot_tag)):
            ec2("create_tags", Resources=[snapshot], Tags=as_api(tags))
        users = [{"UserId": user} for user in given(kept.snapshot_users)]
        users += [{"Group": group} for group in given(kept.snapshot_groups)]
        if users:
            ec2("modify_snapshot_attribute", SnapshotId=snapshot, CreateVolumePermission={"Add": users})

    def _artifact(self, volumes: list[str]) -> CloudArtifact:
        region, snapshots = self.account.region, list(self._snapshots.values())
        id = ",".join([f"{region}:{one}" for one in (*volumes, *snapshots)])
        listed = "\n".join(f"{region}: {one}" for one in (*volumes, *snapshots))

        def delete() -> None:
            for volume in volumes:
                delete_quietly(partial(delete_volume, self.deleting, volume))
            for snapshot in snapshots:
                delete_quietly(partial(delete_snapshot, self.deleting, region, snapshot))

        state = {"volumes": volumes, "snapshots": snapshots}
        return CloudArtifact(
            AmazonEbsVolumeBuilder.builder_id, id, f"EBS volumes were created:\n{listed}", delete, state
        )


class AmazonEbsVolumeBuilder(CloudBuilder[VolumeConfig]):
    config_type = VolumeConfig
    builder_id = "mitchellh.amazon.ebsvolume"
    summary = "fills volumes from an instance in EC2 and keeps them"

    @classmethod
    def check(cls, config: VolumeConfig) -> Iterable[Problem]:
        yield from check_run(config)
        yield from check_devices(config.ebs_volumes, "ebs_volumes")
        for kept in config.ebs_volumes:
            texts = {**together(kept.tags, kept.tag), **together(kept.snapshot_tags, kept.snapshot_tag)}
            for text in texts.values():
                yield from check_late(text, SOURCE_FIELDS, "ebs_volumes")
            if kept.delete_on_termination and not kept.snapshot_volume:
                hint = "leave `delete_on_termination` out"
                yield Problem(f"`{kept.device_name}` would not stay", "ebs_volumes", hint=hint)

    @classmethod
    def remote_inputs(cls, config: VolumeConfig) -> Iterable[RemoteInput]:
        yield api_of(config)

    def open(self, context: BuildContext, mark: RunMark) -> Cloud:
        return VolumeCloud(self.config, context, mark)
