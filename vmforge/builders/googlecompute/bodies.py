"""What Google is asked to make: the bodies of requests, as functions of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vmforge.builders.googlecompute.config import (
    DiskAttachment,
    EncryptionKey,
    GoogleComputeConfig,
    ImageOptions,
    Maintenance,
)

Body = dict[str, Any]
SCRATCH_TYPE = "local-ssd"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What is known of an instance beside its configuration. `image` is the source image's URL, `address` an
    external address that is reserved; `labels` are those of everything that the build makes."""

    name: str
    image: str
    metadata: Mapping[str, str]
    labels: Mapping[str, str]
    address: str = ""


def instance_body(config: GoogleComputeConfig, launch: Launch) -> Body:
    """The instance to make
    (https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert)."""
    body: Body = {
        "name": launch.name,
        "machineType": f"zones/{config.zone}/machineTypes/{config.machine_type}",
        "labels": {**config.labels, **launch.labels},
        "metadata": metadata_body(launch.metadata),
        "disks": [_boot_disk(config, launch), *_more_disks(config, launch)],
        "networkInterfaces": [_interface(config, launch.address)],
        "scheduling": _scheduling(config),
        "serviceAccounts": _service_accounts(config),
    }
    if config.tags:
        body["tags"] = {"items": list(config.tags)}
    return body | _more_hardware(config)


def metadata_body(items: Mapping[str, str]) -> Body:
    return {"items": [{"key": key, "value": value} for key, value in items.items()]}


def _boot_disk(config: GoogleComputeConfig, launch: Launch) -> Body:
    return {
        "type": "PERSISTENT",
        "mode": "READ_WRITE",
        "boot": True,
        "autoDelete": True,
        "initializeParams": {
            "sourceImage": launch.image,
            "diskName": config.disk_name or launch.name,
            "diskSizeGb": str(config.disk_size),
            "diskType": f"zones/{config.zone}/diskTypes/{config.disk_type}",
            "labels": dict(launch.labels),
        },
        **_encryption("diskEncryptionKey", config.disk_encryption_key),
    }


def _more_disks(config: GoogleComputeConfig, launch: Launch) -> list[Body]:
    return [_more_disk(config, launch, disk, number) for number, disk in enumerate(config.disk_attachment, 1)]


def disk_name(launch_name: str, disk: DiskAttachment, number: int) -> str:
    """The name of the `number`th disk beside the boot disk (from 1)."""
    return disk.disk_name or f"{launch_name[:60].rstrip('-')}-{number}"


def disk_place(config: GoogleComputeConfig, name: str, disk: DiskAttachment) -> str:
    """Where a disk of this name is, below `projects/`: one with replicas is its region's."""
    return f"{config.project_id}/{_scope(config, disk)}/disks/{name}"


def _scope(config: GoogleComputeConfig, disk: DiskAttachment) -> str:
    return f"regions/{config.region_name}" if disk.replica_zones else f"zones/{config.zone}"


def _more_disk(config: GoogleComputeConfig, launch: Launch, disk: DiskAttachment, number: int) -> Body:
    body: Body = {
        "type": "SCRATCH" if disk.is_scratch else "PERSISTENT",
        "mode": disk.attachment_mode,
        "interface": disk.interface_type,
        # one that is to stay is let go of once the build has succeeded
        "autoDelete": not disk.source_volume,
        **({"deviceName": disk.device_name} if disk.device_name else {}),
        **_encryption("diskEncryptionKey", disk.disk_encryption_key),
    }
    if disk.source_volume:
        return body | {"source": disk.source_volume}
    kind = SCRATCH_TYPE if disk.is_scratch else disk.volume_type.replace("_", "-")
    made: Body = {"diskType": f"{_scope(config, disk)}/diskTypes/{kind}"}
    if not disk.is_scratch:
        made["diskName"] = disk_name(launch.name, disk, number)
        made["diskSizeGb"] = str(disk.volume_size)
        made["labels"] = dict(launch.labels)
    if disk.iops:
        made["provisionedIops"] = str(disk.iops)
    if disk.replica_zones:
        zones = dict.fromkeys((config.zone, *disk.replica_zones))
        made["replicaZones"] = [f"projects/{config.project_id}/zones/{zone}" for zone in zones]
    return body | {"initializeParams": made}


def _interface(config: GoogleComputeConfig, address: str) -> Body:
    project = config.network_project_id or config.project_id
    body: Body = {}
    network = config.network or ("" if config.subnetwork else "default")
    if network:
        body["network"] = _whole(network, f"projects/{project}/global/networks")
    if config.subnetwork:
        within = f"projects/{project}/regions/{config.region_name}/subnetworks"
        body["subnetwork"] = _whole(config.subnetwork, within)
    if config.network_ip:
        body["networkIP"] = config.network_ip
    if not config.omit_external_ip:
        outside = {"natIP": address} if address else {}
        body["accessConfigs"] = [{"name": "External NAT", "type": "ONE_TO_ONE_NAT", **outside}]
    return body


def _whole(name: str, within: str) -> str:
    return name if "/" in name else f"{within}/{name}"


def _scheduling(config: GoogleComputeConfig) -> Body:
    usual = Maintenance.TERMINATE if config.preemptible else Maintenance.MIGRATE
    body: Body = {
        "onHostMaintenance": (config.on_host_maintenance or usual).value,
        "automaticRestart": not config.preemptible,
        "preemptible": config.preemptible,
    }
    if config.max_run_duration_in_seconds:
        body["maxRunDuration"] = {"seconds": str(config.max_run_duration_in_seconds)}
    if config.instance_termination_action:
        body["instanceTerminationAction"] = config.instance_termination_action.value
        body["automaticRestart"] = False
    if config.node_affinity:
        body["nodeAffinities"] = [
            {"key": node.key, "operator": node.operator, "values": list(node.values)}
            for node in config.node_affinity
        ]
    return body


def _service_accounts(config: GoogleComputeConfig) -> list[Body]:
    email = config.service_account_email or ("" if config.disable_default_service_account else "default")
    return [{"email": email, "scopes": list(config.scopes)}] if email else []


def _more_hardware(config: GoogleComputeConfig) -> Body:
    body: Body = {}
    if config.min_cpu_platform:
        body["minCpuPlatform"] = config.min_cpu_platform
    if config.accelerator_count:
        kind = _whole(config.accelerator_type, f"zones/{config.zone}/acceleratorTypes")
        body["guestAccelerators"] = [{"acceleratorType": kind, "acceleratorCount": config.accelerator_count}]
    if config.enable_nested_virtualization:
        body["advancedMachineFeatures"] = {"enableNestedVirtualization": True}
    if config.enable_secure_boot or config.enable_vtpm or config.enable_integrity_monitoring:
        body["shieldedInstanceConfig"] = {
            "enableSecureBoot": config.enable_secure_boot,
            "enableVtpm": config.enable_vtpm,
            "enableIntegrityMonitoring": config.enable_integrity_monitoring,
        }
    if reservation := config.reservation_affinity:
        body["reservationAffinity"] = {"consumeReservationType": reservation.consume_reservation_type}
        if reservation.key:
            body["reservationAffinity"] |= {"key": reservation.key, "values": list(reservation.values)}
    return body


def image_body(options: ImageOptions, name: str, labels: Mapping[str, str]) -> Body:
    """The image to make, without what it is made of
    (https://cloud.google.com/compute/docs/reference/rest/v1/images/insert)."""
    body: Body = {"name": name, "labels": {**options.image_labels, **labels}}
    texts = {"description": options.image_description, "family": options.image_family}
    body |= {key: text for key, text in texts.items() if text}
    if options.image_licenses:
        body["licenses"] = list(options.image_licenses)
    if options.image_storage_locations:
        body["storageLocations"] = list(options.image_storage_locations)
    if options.image_architecture:
        body["architecture"] = options.image_architecture.value.upper()
    if options.image_guest_os_features:
        body["guestOsFeatures"] = features(options.image_guest_os_features)
    return body | _encryption("imageEncryptionKey", options.image_encryption_key)


def features(names: Sequence[str]) -> list[Body]:
    return [{"type": name} for name in names]


def encryption(key: EncryptionKey) -> Body:
    """A key of the customer's."""
    return {"kmsKeyName": key.kmsKeyName} if key.kmsKeyName else {"rawKey": key.rawKey.value}


def _encryption(name: str, key: EncryptionKey | None) -> Body:
    return {name: encryption(key)} if key is not None else {}
