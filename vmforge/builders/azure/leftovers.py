"""What builds have left in a subscription of Azure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from vmforge.builders.azure.arm import Manager
from vmforge.sdk.cloud import Leftover, RunMark
from vmforge.sdk.mark import RUN

# In the order in which they can be deleted: what others hang on comes last.
_KINDS: Final = {
    "microsoft.compute/galleries/images/versions": "gallery's image",
    "microsoft.compute/images": "managed image",
    "microsoft.compute/snapshots": "snapshot",
    "microsoft.compute/virtualmachines": "virtual machine",
    "microsoft.network/networkinterfaces": "network interface",
    "microsoft.network/publicipaddresses": "public address",
    "microsoft.network/virtualnetworks": "network",
    "microsoft.network/networksecuritygroups": "firewall",
    "microsoft.compute/disks": "disk",
    "microsoft.keyvault/vaults": "key vault",
}


def find_leftovers(manager: Manager) -> Iterator[Leftover]:
    """Everything with a mark; a marked resource group stands for all that is in it."""
    subscription = f"/subscriptions/{manager.subscription}"
    chosen = {"$filter": f"tagName eq '{RUN}'"}
    groups = list(manager.list(f"{subscription}/resourcegroups", **chosen))
    within = tuple(f"{group['id'].lower()}/" for group in groups)
    listed = list(manager.list(f"{subscription}/resources", **chosen))
    single = [found for found in listed if not found["id"].lower().startswith(within)]
    single.sort(key=lambda found: [*_KINDS, found["type"].lower()].index(found["type"].lower()))
    for found, kind in (
        *((found, _KINDS.get(found["type"].lower(), found["type"])) for found in single),
        *((group, "resource group") for group in groups),
    ):
        mark = RunMark.read(found.get("tags") or {})
        if mark is not None:
            yield Leftover(
                kind, found["name"], mark, partial(manager.delete, found["id"]), found.get("location", "")
            )
