"""What EC2 is asked for, as functions of values: disks, instances, fleets."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vmforge.builders.amazon.options.blocks import BlockDevice
from vmforge.builders.amazon.options.run import RunConfig
from vmforge.builders.amazon.places import Place
from vmforge.builders.amazon.tagging import specification

# As Windows' EC2Config names the host's disks.
_EPHEMERAL: Final = tuple(f"xvdc{chr(letter)}" for letter in range(ord("a"), ord("z") + 1))


@dataclass(frozen=True)
class Launch:
    """What was found out, and made, for an instance. Tags are rendered, and have the build's mark."""

    image: str
    key_name: str = ""
    groups: tuple[str, ...] = ()
    profile: str = ""
    user_data: bytes = b""
    tags: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[BlockDevice, ...] = ()
    volume_tags: Mapping[str, str] = field(default_factory=dict)
    spot_tags: Mapping[str, str] = field(default_factory=dict)
    fleet_tags: Mapping[str, str] = field(default_factory=dict)


def mapping(device: BlockDevice) -> dict[str, Any]:
    """A member of `BlockDeviceMappings`."""
    if device.no_device:
        return {"DeviceName": device.device_name, "NoDevice": ""}
    if device.virtual_name.startswith("ephemeral"):
        return {"DeviceName": device.device_name, "VirtualName": device.virtual_name}
    ebs: dict[str, Any] = {
        "VolumeSize": device.volume_size or None,
        "VolumeType": device.volume_type or None,
        "Iops": device.iops or None,
        "Throughput": device.throughput or None,
        "Encrypted": True if device.kms_key_id else device.encrypted,
        "KmsKeyId": device.kms_key_id or None,
        "SnapshotId": device.snapshot_id or None,
    }
    stated = {key: value for key, value in ebs.items() if value is not None}
    return {
        "DeviceName": device.device_name,
        "Ebs": {"DeleteOnTermination": device.delete_on_termination, **stated},
    }


def mappings(devices: Sequence[BlockDevice], *, no_ephemeral: bool = False) -> list[dict[str, Any]]:
    hidden = _EPHEMERAL if no_ephemeral else ()
    return [*map(mapping, devices), *({"DeviceName": name, "NoDevice": ""} for name in hidden)]


def instance_request(config: RunConfig, launch: Launch, kind: str, place: Place) -> dict[str, Any]:
    """`RunInstances` for one instance of a kind at a place; lacks only the token."""
    request = _machine(config, launch, place)
    request |= {"InstanceType": kind, "MinCount": 1, "MaxCount": 1}
    if launch.user_data:
        request["UserData"] = launch.user_data  # botocore encodes it
    tags = specification(("instance", "network-interface"), launch.tags)
    tags += specification(("volume",), launch.volume_tags)
    if config.is_spot:
        request["InstanceMarketOptions"] = _market(config)
        tags += specification(("spot-instances-request",), launch.spot_tags)
    return request | {"TagSpecifications": tags}


def template_request(config: RunConfig, launch: Launch, place: Place) -> dict[str, Any]:
    """`LaunchTemplateData` for a fleet."""
    data = _machine(config, launch, Place(zone="" if place.subnet else place.zone))
    if launch.user_data:
        data["UserData"] = base64.b64encode(launch.user_data).decode()
    data["TagSpecifications"] = [
        *specification(("instance", "network-interface"), launch.tags),
        *specification(("volume",), launch.volume_tags),
        *specification(("spot-instances-request",), launch.spot_tags),
    ]
    return data


def fleet_request(
    config: RunConfig, launch: Launch, template: str, kinds: Sequence[str], places: Sequence[Place]
) -> dict[str, Any]:
    """`CreateFleet` for one spot instance of any of these kinds at any of these places, at once or not."""
    overrides = [
        {"InstanceType": kind, **({"SubnetId": place.subnet} if place.subnet else {})}
        | ({"MaxPrice": config.spot_price} if _has_price(config) else {})
        for kind in kinds
        for place in places
    ]
    strategy = config.spot_allocation_strategy
    return {
        "Type": "instant",
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "$Latest"},
                "Overrides": overrides,
            }
        ],
        "SpotOptions": {"SingleInstanceType": True, **({"AllocationStrategy": strategy} if strategy else {})},
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": 1,
            "SpotTargetCapacity": 1,
            "DefaultTargetCapacityType": "spot",
        },
        "TagSpecifications": specification(("fleet",), launch.fleet_tags),
    }


def _machine(config: RunConfig, launch: Launch, place: Place) -> dict[str, Any]:
    """What instances and launch templates have in common."""
    request: dict[str, Any] = {
        "ImageId": launch.image,
        "EbsOptimized": config.ebs_optimized,
        "InstanceInitiatedShutdownBehavior": None if config.is_spot else config.shutdown_behavior.value,
        "BlockDeviceMappings": mappings(launch.devices, no_ephemeral=config.no_ephemeral),
        "KeyName": launch.key_name,
        "IamInstanceProfile": {"Name": launch.profile} if launch.profile else None,
        "EnclaveOptions": {"Enabled": True} if config.enable_nitro_enclave else None,
        "CreditSpecification": {"CpuCredits": "unlimited"} if config.enable_unlimited_credits else None,
        "MetadataOptions": _metadata(config),
        "Placement": _placement(config, place),
        "CapacityReservationSpecification": _reservation(config),
        "LicenseSpecifications": [
            {"LicenseConfigurationArn": one.license_configuration_request.license_configuration_arn}
            for one in config.license_specifications
        ],
        **_interfaces(config, launch, place),
    }
    return {key: value for key, value in request.items() if value}


def _interfaces(config: RunConfig, launch: Launch, place: Place) -> dict[str, Any]:
    if config.associate_public_ip_address is None:
        return {"SubnetId": place.subnet, "SecurityGroupIds": list(launch.groups)}
    interface: dict[str, Any] = {
        "DeviceIndex": 0,
        "AssociatePublicIpAddress": config.associate_public_ip_address,
        "DeleteOnTermination": True,
        "Groups": list(launch.groups),
    }
    return {"NetworkInterfaces": [interface | ({"SubnetId": place.subnet} if place.subnet else {})]}


def _metadata(config: RunConfig) -> dict[str, Any]:
    options = config.metadata_options
    stated = {
        "HttpEndpoint": options.http_endpoint,
        "HttpTokens": options.http_tokens,
        "HttpPutResponseHopLimit": options.http_put_response_hop_limit,
        "InstanceMetadataTags": options.instance_metadata_tags,
    }
    return {key: value for key, value in stated.items() if value}


def _placement(config: RunConfig, place: Place) -> dict[str, Any]:
    stated = {
        # a subnet is in a zone
        "AvailabilityZone": "" if place.subnet else place.zone,
        "Tenancy": config.placement.tenancy or config.tenancy,
        "HostResourceGroupArn": config.placement.host_resource_group_arn,
        "HostId": config.placement.host_id,
    }
    return {key: value for key, value in stated.items() if value}


def _reservation(config: RunConfig) -> dict[str, Any]:
    target = {
        "CapacityReservationId": config.capacity_reservation_id,
        "CapacityReservationResourceGroupArn": config.capacity_reservation_group_arn,
    }
    target = {key: value for key, value in target.items() if value}
    if target:
        return {"CapacityReservationTarget": target}
    preference = config.capacity_reservation_preference
    return {"CapacityReservationPreference": preference} if preference else {}


def _market(config: RunConfig) -> dict[str, Any]:
    options: dict[str, Any] = {"SpotInstanceType": "one-time"}
    if _has_price(config):
        options["MaxPrice"] = config.spot_price
    if config.block_duration_minutes:
        options["BlockDurationMinutes"] = config.block_duration_minutes
    return {"MarketType": "spot", "SpotOptions": options}


def _has_price(config: RunConfig) -> bool:
    return config.spot_price not in ("", "0", "auto")
