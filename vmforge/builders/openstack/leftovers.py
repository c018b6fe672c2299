"""What builds have left in a project."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from vmforge.builders.openstack.api import Account, Service
from vmforge.builders.openstack.images import Images, mark_of
from vmforge.builders.openstack.networking import delete_address
from vmforge.builders.openstack.servers import GONE, Servers
from vmforge.sdk.cloud import Leftover, RunMark


def find_leftovers(account: Account, limit: float, *, force: bool = False) -> Iterator[Leftover]:
    """Everything with a mark, in the order in which it can be deleted. What has no metadata carries it in
    its name (key pairs, images of volumes) or its description (floating addresses)."""
    servers, images = Servers(account, limit), Images(account, limit)
    for found in _optional(account, Service.COMPUTE, "servers"):
        mark = RunMark.read(found.get("metadata") or {})
        if mark is not None and found["status"] not in GONE:
            yield Leftover("server", found["id"], mark, partial(servers.delete, found["id"], force=force))
    for found in _optional(account, Service.NETWORK, "floatingips"):
        mark = RunMark.read_name(str(found.get("description") or ""))
        if mark is not None:
            yield Leftover(
                "floating address", found["id"], mark, partial(delete_address, account, found["id"])
            )
    owner = {"owner": account.project} if account.project else {}
    for image in images.list(**owner):
        mark = mark_of(image)
        if mark is not None:
            yield Leftover("image", image["id"], mark, partial(images.delete, image["id"]))
    for found in _optional(account, Service.VOLUMES, "volumes"):
        mark = RunMark.read(found.get("metadata") or {})
        if mark is not None:
            yield Leftover("volume", found["id"], mark, partial(servers.delete_volume, found["id"]))
    for found in _optional(account, Service.COMPUTE, "keypairs"):
        name = str(found["keypair"]["name"])
        mark = RunMark.read_name(name)
        if mark is not None:
            yield Leftover("key pair", name, mark, partial(servers.delete_key, name))


_PATHS: Final = {
    "servers": "/servers/detail",
    "keypairs": "/os-keypairs",
    "volumes": "/volumes/detail",
    "floatingips": "/floatingips",
}


def _optional(account: Account, service: Service, what: str) -> Iterator[dict[str, Any]]:
    """A list of a service that not every cloud has: what is missing holds nothing."""
    if account.has(service):
        yield from account.pages(service, _PATHS[what], what)
