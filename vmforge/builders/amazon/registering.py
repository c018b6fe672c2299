"""Images that are registered: of snapshots, with everything said that an instance does not tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.images import Images, delete_snapshot
from vmforge.builders.amazon.options.access import AccessConfig, limit_of
from vmforge.builders.amazon.options.ami import AmiConfig
from vmforge.builders.amazon.requests import mappings
from vmforge.builders.amazon.source import SourceImage
from vmforge.builders.amazon.tagging import specification
from vmforge.sdk import Duration
from vmforge.sdk.cloud import CloudError, Resource, delete_quietly, wait_for

_LIMIT = Duration(4 * 3600)


@dataclass
class Registration:
    """Of the volumes of an instance."""

    config: AmiConfig
    images: Images
    source: SourceImage
    instance: str
    snapshots: dict[str, str] = field(default_factory=dict)  # by the device on the instance

    def resources(
        self, request: Callable[[], dict[str, Any]], *, devices: Sequence[str] = ()
    ) -> Iterator[Resource[Any]]:
        """The snapshots, of all `devices` or of these, and the image."""
        yield Resource(
            "Taking snapshots of the volumes",
            "snapshots",
            lambda: self._take(devices),
            self._delete,
            ready=lambda ids: wait_for_snapshots(self.images.account, self.config, ids),
            product=True,
        )
        yield self.images.first("Registering the image", lambda: self.images.register(request()))

    def of_instance(self) -> dict[str, Any]:
        """An image with the same disks as the instance."""
        listed = [
            {"DeviceName": device, "Ebs": {"SnapshotId": snapshot, "DeleteOnTermination": True}}
            for device, snapshot in self.snapshots.items()
        ]
        return {
            "Architecture": self.source.architecture,
            "RootDeviceName": self.source.root_device,
            "BlockDeviceMappings": [*listed, *mappings(self.config.ami_block_device_mappings)],
            **support_request(self.config),
        }

    def _take(self, devices: Sequence[str]) -> tuple[str, ...]:
        """All at one moment."""
        ec2 = self.images.account.api()
        described = ec2("describe_instances", InstanceIds=[self.instance])["Reservations"][0]["Instances"][0]
        volumes = {
            one["Ebs"]["VolumeId"]: one["DeviceName"]
            for one in described["BlockDeviceMappings"]
            if "Ebs" in one
        }
        wanted = [v for v, device in volumes.items() if not devices or device in devices]
        spared = [v for v in volumes if v not in wanted]
        root = described.get("RootDeviceName")
        specified: dict[str, Any] = {"InstanceId": self.instance}
        specified["ExcludeBootVolume"] = any(volumes[v] == root for v in spared)
        if data := [v for v in spared if volumes[v] != root]:
            specified["ExcludeDataVolumeIds"] = data
        answer = ec2(
            "create_snapshots",
            InstanceSpecification=specified,
            Description=self.config.ami_name,
            TagSpecifications=specification(("snapshot",), self.images.mark.tags),
        )
        for one in answer["Snapshots"]:
            self.snapshots[volumes[one["VolumeId"]]] = str(one["SnapshotId"])
        return tuple(self.snapshots.values())

    def _delete(self, ids: Sequence[str]) -> None:
        for id in ids:
            delete_quietly(partial(delete_snapshot, self.images.deleting, self.images.deleting.region, id))


def support_request(config: AmiConfig) -> dict[str, Any]:
    """What `RegisterImage` is told of the image beside its disks."""
    stated: Mapping[str, Any] = {
        "VirtualizationType": config.ami_virtualization_type.value,
        "EnaSupport": config.ena_support,
        "SriovNetSupport": "simple" if config.sriov_support else None,
        "BootMode": config.boot_mode.value if config.boot_mode else None,
        "TpmSupport": config.tpm_support or None,
        "UefiData": config.uefi_data or None,
        "ImdsSupport": config.imds_support or None,
    }
    return {key: value for key, value in stated.items() if value is not None}


def wait_for_snapshots(account: Account, config: AccessConfig, ids: Sequence[str], region: str = "") -> None:
    """Until snapshots are complete. Raises `CloudError`."""

    def look() -> bool | None:
        try:
            found = account.api("ec2", region)("describe_snapshots", SnapshotIds=list(ids))["Snapshots"]
        except CloudError as error:
            if error.is_absence:
                return None  # not known everywhere yet
            raise
        for one in found:
            if one["State"] == "error":
                text = f"the snapshot `{one['SnapshotId']}` failed"
                raise CloudError(f"{text}: {one['StateMessage']}" if one.get("StateMessage") else text)
        return True if all(one["State"] == "completed" for one in found) else None

    listed = ", ".join(f"`{id}`" for id in ids)
    wait_for(
        look,
        f"the snapshots {listed} to be complete",
        cancellation=account.cancellation,
        limit=limit_of(config, _LIMIT),
        longest_pause=config.aws_polling.delay_seconds or 10.0,
    )
