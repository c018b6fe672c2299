"""What Nova and Cinder are sent: pure functions of the options.

https://docs.openstack.org/api-ref/compute/#create-server and
https://docs.openstack.org/api-ref/block-storage/v3/#create-a-volume, in their first versions, which every
cloud has.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vmforge.builders.openstack.config import OpenStackConfig

Body = dict[str, Any]
_GB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What of a server is not in the options. `volume` is what it runs from, where that is not `image`."""

    name: str
    flavor: str
    image: str
    volume: str = ""
    networks: tuple[str, ...] = ()
    key_name: str = ""
    user_data: bytes = b""
    marks: Mapping[str, str]


def server(config: OpenStackConfig, launch: Launch) -> Body:
    """The server."""
    inner: Body = {
        "name": launch.name,
        "flavorRef": launch.flavor,
        "imageRef": "" if launch.volume else launch.image,
        "metadata": {**config.instance_metadata, **launch.marks},
    }
    if launch.volume:
        inner["block_device_mapping_v2"] = [_disk(launch.volume)]
    if interfaces := _interfaces(config, launch):
        inner["networks"] = interfaces
    if config.security_groups:
        inner["security_groups"] = [{"name": name} for name in config.security_groups]
    if config.availability_zone:
        inner["availability_zone"] = config.availability_zone
    if launch.key_name:
        inner["key_name"] = launch.key_name
    if launch.user_data:
        inner["user_data"] = base64.b64encode(launch.user_data).decode("ascii")
    if config.config_drive:
        inner["config_drive"] = True
    return {"server": inner}


def _interfaces(config: OpenStackConfig, launch: Launch) -> list[Body]:
    return [{"uuid": network} for network in launch.networks] + [{"port": port} for port in config.ports]


def _disk(volume: str) -> Body:
    return {
        "boot_index": 0,
        "source_type": "volume",
        "destination_type": "volume",
        "uuid": volume,
        # the image is made of it once the server is gone
        "delete_on_termination": False,
    }


def volume(config: OpenStackConfig, name: str, image: Mapping[str, Any], marks: Mapping[str, str]) -> Body:
    """The volume to run from: a copy of the source image, as Glance tells of it."""
    inner: Body = {
        "name": name,
        "size": config.volume_size or size_for(image),
        "imageRef": image["id"],
        "metadata": dict(marks),
    }
    if config.volume_type:
        inner["volume_type"] = config.volume_type
    if config.volume_availability_zone:
        inner["availability_zone"] = config.volume_availability_zone
    return {"volume": inner}


def size_for(image: Mapping[str, Any]) -> int:
    """How many GB an image needs: what it says, or what its disk has, or at least its file."""
    known = max(int(image.get("virtual_size") or 0), int(image.get("size") or 0))
    return int(image.get("min_disk") or 0) or max(1, -(-known // _GB))


def image_of_server(config: OpenStackConfig, marks: Mapping[str, str]) -> Body:
    """The argument of Nova's action `createImage`."""
    return {"name": config.image_name, "metadata": {**config.metadata, **marks}}


def image_of_volume(config: OpenStackConfig, name: str) -> Body:
    """Cinder's action that makes an image of a volume."""
    inner: Body = {"image_name": name, "container_format": "bare", "force": False}
    if config.image_disk_format:
        inner["disk_format"] = config.image_disk_format
    return {"os-volume_upload_image": inner}
