"""The options of the builder `openstack`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.builders.openstack.access import AccessConfig
from vmforge.sdk import Config, option


class Visibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"
    SHARED = "shared"
    COMMUNITY = "community"


class IpVersion(StrEnum):
    FOUR = "4"
    SIX = "6"


@dataclass(frozen=True, kw_only=True)
class ImageConfig(Config):
    """What the image in Glance is to be."""

    image_name: str = option("", help="The image's name. Several images may have the same.")
    metadata: Mapping[str, str] = option({}, help="The image's properties.")
    image_visibility: Visibility | None = option(
        None, help="Who sees the image.", default_text="the cloud's; `shared` with `image_members`"
    )
    image_members: tuple[str, ...] = option((), help="The ids of projects to share the image with.")
    image_auto_accept_members: bool = option(
        False, help="Also accept the image in their name, which takes the right to do so."
    )
    image_disk_format: str = option(
        "", help="The format of the image's disk: `qcow2`, `raw`, `vmdk`, `vhd`, `vdi`, ..."
    )
    image_tags: tuple[str, ...] = option((), help="The image's tags.")
    image_min_disk: int = option(0, help="The smallest disk that the image fits on, in GB.")

    @property
    def visibility(self) -> str:
        """What Glance is told; `""` for its own default."""
        if self.image_visibility is None:
            return Visibility.SHARED.value if self.image_members else ""
        return self.image_visibility.value


@dataclass(frozen=True, kw_only=True)
class ImageFilters(Config):
    """What an image must be; everything that is set must fit."""

    name: str = option("", help="Its name.")
    owner: str = option("", help="The id of the project that it belongs to.")
    tags: tuple[str, ...] = option((), help="Tags that it has.")
    visibility: str = option("", help="Who sees it: `public`, `private`, `shared`, `community`, `all`.")
    properties: Mapping[str, str] = option({}, help="Properties that it has.")

    @property
    def is_set(self) -> bool:
        return bool(self.name or self.owner or self.tags or self.visibility or self.properties)


@dataclass(frozen=True, kw_only=True)
class SourceImageFilter(Config):
    """Finds the source image by what it is."""

    filters: ImageFilters = option(ImageFilters(), help="What it must be.")
    most_recent: bool = option(False, help="Take the youngest of several.")


@dataclass(frozen=True, kw_only=True)
class SourceConfig(Config):
    """What the server starts from: one of these."""

    source_image: str = option("", help="The id of an image.")
    source_image_name: str = option("", help="The name of an image; no other may have it.")
    external_source_image_url: str = option(
        "", help="The URL of an image that the cloud fetches for this build."
    )
    external_source_image_format: str = option("qcow2", help="Its format.")
    external_source_image_properties: Mapping[str, str] = option({}, help="Properties to give it.")
    source_image_filter: SourceImageFilter = option(SourceImageFilter(), help="Find an image by these.")


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Config):
    """The server's networks, and how to reach it."""

    networks: tuple[str, ...] = option((), help="The ids of networks to attach the server to.")
    ports: tuple[str, ...] = option((), help="The ids of ports to attach it to.")
    network_discovery_cidrs: tuple[str, ...] = option(
        (), help="Without `networks` and `ports`: take the first network with a subnet within one of these."
    )
    security_groups: tuple[str, ...] = option((), help="The names of security groups.")
    floating_ip_network: str = option(
        "",
        help="The id or name of an external network to get a floating address from.",
        aliases=("floating_ip_pool",),
    )
    floating_ip: str = option("", help="A floating address to use: its id, or itself.")
    reuse_ips: bool = option(
        False,
        help="Take a floating address that the project has and does not use; builds side by side may take "
        "the same.",
    )
    instance_floating_ip_net: str = option(
        "", help="The id of the server's network that the floating address leads to."
    )
    use_floating_ip: bool = option(
        False, help="Accepted for older templates; set `floating_ip_network` or `floating_ip`."
    )
    ssh_interface: str = option(
        "", help="The network whose address to connect to, by its name.", affects_image=False
    )
    ssh_ip_version: IpVersion | None = option(
        None, help="The kind of address to connect to.", affects_image=False
    )
    rackconnect_wait: bool = option(False, help="Wait until Rackspace's RackConnect has set up the server.")


@dataclass(frozen=True, kw_only=True)
class VolumeConfig(Config):
    """The volume that the server runs from, where it is not the flavor's own disk."""

    use_blockstorage_volume: bool = option(False, help="Run from a volume, and make the image of it.")
    volume_name: str = option("", help="The volume's name.", default_text="one of the build's own")
    volume_type: str = option("", help="The volume's type.", default_text="the cloud's")
    volume_size: int = option(0, help="Its size in GB.", default_text="what the source image needs")
    volume_availability_zone: str = option("", help="Its availability zone.", default_text="the cloud's")


@dataclass(frozen=True, kw_only=True)
class OpenStackConfig(AccessConfig, ImageConfig, SourceConfig, NetworkConfig, VolumeConfig):
    """All options of the builder."""

    flavor: str = option(help="The id or name of the server's flavor.")
    availability_zone: str = option("", help="The server's availability zone.", default_text="the cloud's")
    instance_name: str = option("", help="The server's name.", default_text="`image_name`")
    instance_metadata: Mapping[str, str] = option({}, help="The server's metadata.")
    user_data: str = option("", help="User data for cloud-init.")
    user_data_file: Path | None = option(None, help="A file with user data.")
    config_drive: bool = option(False, help="Give the server its metadata on a drive, too.")
    force_delete: bool = option(
        False, help="Delete the server at once, also where the cloud would keep it for a while."
    )
    skip_create_image: bool = option(False, help="Make no image: only try the build.")
    openstack_provider: str = option("", help="Accepted for older templates, without effect.")
