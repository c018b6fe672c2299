"""What can be said about a source `openstack` without asking the cloud."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from vmforge.builders.openstack.access import check_access
from vmforge.builders.openstack.config import ImageConfig, OpenStackConfig, Visibility
from vmforge.sdk import Problem

_LONGEST_NAME = 255


def problems(config: OpenStackConfig) -> Iterator[Problem]:
    """Everything that is wrong with a configuration."""
    yield from check_access(config)
    if not config.flavor:
        hint = "`openstack flavor list` shows those that there are"
        yield Problem("`flavor` is empty", "flavor", hint=hint)
    if not config.image_name and not config.skip_create_image:
        yield Problem("`image_name` is not set", "image_name", hint="name the image that is to be made")
    yield from check_image(config)
    yield from _check_source(config)
    yield from _check_network(config)
    yield from _check_server(config)


def check_image(config: ImageConfig) -> Iterator[Problem]:
    """What is wrong with the image that is to be made."""
    if len(config.image_name) > _LONGEST_NAME:
        yield Problem("the image's name has more than 255 characters", "image_name")
    if config.image_members and config.visibility != Visibility.SHARED:
        hint = 'set `image_visibility = "shared"`, or leave it out'
        summary = f"a {config.visibility} image has no members"
        yield Problem(summary, "image_members", hint=hint)
    if config.image_auto_accept_members and not config.image_members:
        summary = "there is nobody to accept the image"
        yield Problem(summary, "image_auto_accept_members", hint="set `image_members`", warning=True)
    if config.image_min_disk < 0:
        yield Problem("`image_min_disk` is negative", "image_min_disk")
    for tag in config.image_tags:
        if len(tag) > _LONGEST_NAME:
            yield Problem("a tag has more than 255 characters", "image_tags")


def _check_source(config: OpenStackConfig) -> Iterator[Problem]:
    given = [name for name in _SOURCES if getattr(config, name)]
    chosen = config.source_image_filter.filters
    if not given and not chosen.is_set:
        hint = "set `source_image`, `source_image_name`, `external_source_image_url` or `source_image_filter`"
        yield Problem("there is no image to start from", hint=hint)
    if len(given) > 1:
        summary = f"`{given[0]}` and `{given[1]}` both name an image to start from"
        yield Problem(summary, given[1], hint="keep one of them")
    elif given and chosen.is_set:
        summary = f"`{given[0]}` is set, so `source_image_filter` has no effect"
        yield Problem(summary, "source_image_filter", warning=True)


_SOURCES = ("source_image", "source_image_name", "external_source_image_url")


def _check_network(config: OpenStackConfig) -> Iterator[Problem]:
    for cidr in config.network_discovery_cidrs:
        try:
            ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            hint = "write an address and a length, as in `10.0.0.0/8`"
            yield Problem(f"`{cidr}` is no network", "network_discovery_cidrs", hint=hint)
    if config.floating_ip and config.floating_ip_network:
        summary = "`floating_ip` is set, so `floating_ip_network` has no effect"
        yield Problem(summary, "floating_ip_network", warning=True)
    takes_one = config.floating_ip or config.floating_ip_network
    for name in ("reuse_ips", "use_floating_ip", "instance_floating_ip_net"):
        if getattr(config, name) and not takes_one:
            hint = "set `floating_ip_network` or `floating_ip`"
            yield Problem(f"`{name}` alone gets no floating address", name, hint=hint, warning=True)


def _check_server(config: OpenStackConfig) -> Iterator[Problem]:
    if config.user_data and config.user_data_file is not None:
        yield Problem("`user_data` and `user_data_file` are both set", "user_data_file")
    if config.user_data_file is not None and not config.user_data_file.is_file():
        yield Problem(f"there is no file `{config.user_data_file}`", "user_data_file")
    for key, value in config.instance_metadata.items():
        if len(key) > _LONGEST_NAME or len(value) > _LONGEST_NAME:
            summary = "metadata of a server has at most 255 characters"
            yield Problem(summary, "instance_metadata", part=key)
    if config.volume_size < 0:
        yield Problem("`volume_size` is negative", "volume_size")
    if not config.use_blockstorage_volume:
        for name in ("volume_name", "volume_type", "volume_size", "volume_availability_zone"):
            if getattr(config, name):
                hint = "set `use_blockstorage_volume = true`"
                yield Problem(f"`{name}` has no effect", name, hint=hint, warning=True)
        if config.image_disk_format:
            summary = "the cloud decides the format of a server's image"
            hint = "`use_blockstorage_volume = true` lets you choose"
            yield Problem(summary, "image_disk_format", hint=hint, warning=True)
    if config.openstack_provider:
        yield Problem("`openstack_provider` has no effect", "openstack_provider", warning=True)
