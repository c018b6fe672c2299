"""Neutron, of the fake (https://docs.openstack.org/api-ref/network/v2/)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.vmforge.builders.openstack.fake_cloud import Answer, FakeOpenStack, Refused, Request, error, page

# where the guests really are
FLOATING = "127.0.0.1"


def _listing(kind: str) -> Callable[[FakeOpenStack, Request], Answer]:
    def answer(cloud: FakeOpenStack, request: Request) -> Answer:
        wanted = {name: values for name, values in request.query.items() if name != "marker"}
        found = [
            one
            for one in cloud.of(kind).values()
            if all(
                str(one.get(name)).lower() in [value.lower() for value in values]
                for name, values in wanted.items()
            )
        ]
        return 200, page(found, kind, request), {}

    return answer


def _allocate(cloud: FakeOpenStack, request: Request) -> Answer:
    wanted = request.body["floatingip"]
    network = cloud.of("networks").get(wanted["floating_network_id"])
    if network is None or not network["router:external"]:
        raise Refused(404, error(request.path, 404, "ExternalNetwork could not be found"))
    if wanted["port_id"] not in cloud.of("ports"):
        raise Refused(404, error(request.path, 404, f"Port {wanted['port_id']} could not be found."))
    made = cloud.add("floatingips", {**wanted, "floating_ip_address": FLOATING})
    return 201, {"floatingip": made}, {}


def _update(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    found = cloud.look("floatingips", identity, error(request.path, 404, "Floating IP could not be found"))
    found |= request.body["floatingip"]
    return 200, {"floatingip": found}, {}


def _delete(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    if cloud.of("floatingips").pop(identity, None) is None:
        raise Refused(404, error(request.path, 404, "Floating IP could not be found"))
    return 204, None, {}


_BASE = "/network/v2.0"
ROUTES: list[tuple[str, str, Any]] = [
    *(("GET", f"{_BASE}/{kind}", _listing(kind)) for kind in ("networks", "subnets", "ports", "floatingips")),
    ("POST", f"{_BASE}/floatingips", _allocate),
    ("PUT", f"{_BASE}/floatingips/([^/]+)", _update),
    ("DELETE", f"{_BASE}/floatingips/([^/]+)", _delete),
]
