"""Networks and floating addresses in Neutron (https://docs.openstack.org/api-ref/network/v2/)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vmforge.builders.openstack.api import Account, Service
from vmforge.builders.openstack.config import IpVersion, NetworkConfig
from vmforge.sdk.cloud import CloudError, Resource, RunMark, wait_for

_PORT_SECONDS = 120.0


@dataclass
class Networking:
    """The network's side of one build; `deleting` is the login for cleaning up. Raises `CloudError`."""

    config: NetworkConfig
    account: Account
    deleting: Account
    mark: RunMark
    networks: tuple[str, ...] = ()
    external: str = ""
    existing: str = ""
    address: str = ""

    def examine(self) -> None:
        """Find the networks and the floating address that the options mean."""
        config = self.config
        self.networks = config.networks
        if config.network_discovery_cidrs and not config.networks and not config.ports:
            self.networks = (self._discover(),)
        if config.floating_ip:
            self.existing = self._find_address(config.floating_ip)
        elif config.floating_ip_network:
            self.external = self._find_external(config.floating_ip_network)
            if config.reuse_ips:
                self.existing = self._find_unused()

    def _list(self, what: str, **query: Any) -> list[Mapping[str, Any]]:
        return list(self.account.pages(Service.NETWORK, f"/{what}", what, **query))

    def _discover(self) -> str:
        wanted = [ipaddress.ip_network(text, strict=False) for text in self.config.network_discovery_cidrs]
        for subnet in self._list("subnets"):
            if _is_within(subnet["cidr"], wanted):
                return str(subnet["network_id"])
        named = ", ".join(f"`{text}`" for text in self.config.network_discovery_cidrs)
        hint = "`openstack subnet list` shows those that there are"
        raise CloudError(f"no network has a subnet within {named}", status=404, hint=hint)

    def _find_external(self, wanted: str) -> str:
        listed = self._list("networks", **{"router:external": "true"})
        found = [one for one in listed if one["id"] == wanted]
        found = found or [one for one in listed if one["name"] == wanted]
        if len(found) != 1:
            names = ", ".join(f"`{one['name']}` ({one['id']})" for one in listed) or "none"
            count = f"are {len(found)} external networks" if found else "is no external network"
            raise CloudError(f"there {count} `{wanted}`", hint=f"there are {names}")
        return str(found[0]["id"])

    def _find_address(self, wanted: str) -> str:
        """A floating address of the project's, which must be free."""
        key = "floating_ip_address" if _is_address(wanted) else "id"
        found = self._list("floatingips", **{key: wanted})
        if not found:
            hint = "`openstack floating ip list` shows those that there are"
            raise CloudError(f"there is no floating address `{wanted}`", status=404, hint=hint)
        if found[0].get("port_id"):
            raise CloudError(f"the floating address `{wanted}` is in use", hint="name another, or free it")
        return str(found[0]["id"])

    def _find_unused(self) -> str:
        """A floating address that is nobody's; `""` for none. Another build's is left to it."""
        listed = self._list("floatingips", floating_network_id=self.external)
        free = [one for one in listed if not one.get("port_id")]
        free = [one for one in free if RunMark.read_name(str(one.get("description") or "")) is None]
        return str(free[0]["id"]) if free else ""

    # -- the server's address -----------------------------------------------------------------

    def floating(self, server: str) -> Resource[str] | None:
        """The floating address that leads to a server; None where none is wanted."""
        if self.existing:
            return Resource(
                "Attaching the floating address",
                "floating address",
                lambda: self._attach(server),
                self._detach,
            )
        if self.external:
            return Resource(
                "Allocating a floating address",
                "floating address",
                lambda: self._allocate(server),
                lambda made: delete_address(self.deleting, made),
            )
        return None

    def _allocate(self, server: str) -> str:
        body = {
            "floating_network_id": self.external,
            "port_id": self._port_of(server),
            "description": self.mark.name,
        }
        answer = self.account.post(Service.NETWORK, "/floatingips", {"floatingip": body})
        return self._taken(answer.body["floatingip"])

    def _attach(self, server: str) -> str:
        body = {"floatingip": {"port_id": self._port_of(server)}}
        answer = self.account.put(Service.NETWORK, f"/floatingips/{self.existing}", body)
        return self._taken(answer["floatingip"])

    def _taken(self, floating: Mapping[str, Any]) -> str:
        self.address = str(floating["floating_ip_address"])
        return str(floating["id"])

    def _detach(self, floating: str) -> None:
        self.deleting.put(Service.NETWORK, f"/floatingips/{floating}", {"floatingip": {"port_id": None}})

    def _port_of(self, server: str) -> str:
        """The server's port that floating addresses lead to; it may be a moment late."""
        chosen = self.config.instance_floating_ip_net
        query = {"device_id": server} | ({"network_id": chosen} if chosen else {})

        def look() -> str | None:
            found = self._list("ports", **query)
            return str(found[0]["id"]) if found else None

        hint = "check `instance_floating_ip_net`" if chosen else "is the server attached to a network?"
        return wait_for(
            look,
            "the server's port",
            cancellation=self.account.cancellation,
            limit=_PORT_SECONDS,
            hint=hint,
        )

    def address_of(self, server: Mapping[str, Any]) -> str:
        """Where a server is reached; `""` while that is not known."""
        listed, chosen = server.get("addresses") or {}, self.config.ssh_interface
        if chosen:
            return best_address(listed.get(chosen) or (), self.config.ssh_ip_version)
        if self.address:
            return self.address
        if self.config.ssh_ip_version is not IpVersion.SIX and server.get("accessIPv4"):
            return str(server["accessIPv4"])
        every = [address for addresses in listed.values() for address in addresses]
        return best_address(every, self.config.ssh_ip_version)


def best_address(addresses: Any, version: IpVersion | None) -> str:
    """The floating one among a server's addresses, else the first of the wanted version."""
    fitting = [one for one in addresses if version is None or str(one.get("version", 4)) == version]
    floating = [one for one in fitting if one.get("OS-EXT-IPS:type") == "floating"]
    # without a choice, what every guest listens on
    fourth = [one for one in fitting if str(one.get("version", 4)) == IpVersion.FOUR]
    best = (*floating, *fourth, *fitting)
    return str(best[0]["addr"]) if best else ""


def delete_address(account: Account, floating: str) -> None:
    """Give a floating address back."""
    account.delete(Service.NETWORK, f"/floatingips/{floating}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_within(cidr: str, wanted: list[Any]) -> bool:
    subnet = ipaddress.ip_network(cidr, strict=False)
    return any(subnet.version == one.version and subnet.subnet_of(one) for one in wanted)
