"""Nova, of the fake (https://docs.openstack.org/api-ref/compute/)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from tests.fakes.openssh import OpenSsh
from tests.vmforge.builders.openstack.fake_cloud import Answer, FakeOpenStack, Refused, Request, page

FIXED = "192.0.2.10"


def _absent(what: str) -> Any:
    return {"itemNotFound": {"code": 404, "message": f"{what} could not be found."}}


def _bad(message: str) -> Refused:
    return Refused(400, {"badRequest": {"code": 400, "message": message}})


def _conflict(message: str) -> Refused:
    return Refused(409, {"conflictingRequest": {"code": 409, "message": message}})


def flavor(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    return 200, {"flavor": cloud.look("flavors", identity, _absent(f"Flavor {identity}"))}, {}


def flavors(cloud: FakeOpenStack, request: Request) -> Answer:
    return 200, page(list(cloud.of("flavors").values()), "flavors", request), {}


def keypairs(cloud: FakeOpenStack, request: Request) -> Answer:
    return 200, {"keypairs": [{"keypair": one} for one in cloud.of("keypairs").values()]}, {}


def import_keypair(cloud: FakeOpenStack, request: Request) -> Answer:
    wanted = request.body["keypair"]
    if any(one["name"] == wanted["name"] for one in cloud.of("keypairs").values()):
        raise _conflict(f"Key pair '{wanted['name']}' already exists.")
    cloud.add("keypairs", {"id": wanted["name"], **wanted})
    return 200, {"keypair": wanted}, {}


def delete_keypair(cloud: FakeOpenStack, request: Request, name: str) -> Answer:
    if cloud.of("keypairs").pop(name, None) is None:
        raise Refused(404, _absent(f"Keypair {name}"))
    return 202, None, {}


def create(cloud: FakeOpenStack, request: Request) -> Answer:
    wanted = request.body["server"]
    _check(cloud, wanted)
    server = cloud.born("servers", {**wanted, "status": "BUILD", "OS-EXT-STS:task_state": "spawning"})
    server["addresses"], server["accessIPv4"] = {}, ""
    for disk in wanted.get("block_device_mapping_v2", ()):
        cloud.of("volumes")[disk["uuid"]]["status"] = "in-use"

    def run() -> None:
        if cloud.fault_of_servers:
            fault = {"code": 500, "message": cloud.fault_of_servers}
            server.update({"status": "ERROR", "OS-EXT-STS:task_state": None, "fault": fault})
            return
        server.update({"status": "ACTIVE", "OS-EXT-STS:task_state": None})
        _attach(cloud, server)
        _start(cloud, server)

    cloud.later(server, run)
    return 202, {"server": {"id": server["id"], "adminPass": "unused"}}, {}


def _check(cloud: FakeOpenStack, wanted: Any) -> None:
    """What Nova refuses, of what a builder could get wrong."""
    if wanted["flavorRef"] not in cloud.of("flavors"):
        raise _bad("Flavor could not be found.")
    disks = wanted.get("block_device_mapping_v2") or ()
    if bool(disks) == bool(wanted["imageRef"]):
        raise _bad("Either an image or a bootable volume must be given.")
    if wanted["imageRef"] and cloud.of("images").get(wanted["imageRef"], {}).get("status") != "active":
        raise _bad("Image could not be found.")
    for disk in disks:
        if cloud.of("volumes").get(disk["uuid"], {}).get("status") != "available":
            raise _bad("Block Device Mapping is Invalid: failed to get volume.")
    if wanted.get("key_name") and wanted["key_name"] not in cloud.of("keypairs"):
        raise _bad("Invalid key_name provided.")
    if any(len(str(value)) > 255 for value in wanted.get("metadata", {}).values()):
        raise _bad("Invalid input for field/attribute metadata.")
    for group in wanted.get("security_groups", ()):
        if group["name"] not in ("default", "web"):
            raise _bad(f"Security group {group['name']} not found.")
    if len(wanted.get("networks", cloud.of("networks"))) > 1 and "networks" not in wanted:
        raise _conflict("Multiple possible networks found, use a Network ID to be more specific.")


def _attach(cloud: FakeOpenStack, server: dict[str, Any]) -> None:
    inner = [one for one in cloud.of("networks").values() if not one["router:external"]]
    for wanted in server.get("networks") or [{"uuid": inner[0]["id"]}]:
        if "port" in wanted:
            port = cloud.of("ports")[wanted["port"]]
        else:
            port = cloud.add("ports", {"network_id": wanted["uuid"], "owned": True})
        port["device_id"] = server["id"]
        network = cloud.of("networks")[port["network_id"]]
        fixed = {"addr": network["address"], "version": 4, "OS-EXT-IPS:type": "fixed"}
        sixth = {"addr": "2001:db8::1", "version": 6, "OS-EXT-IPS:type": "fixed"}
        server["addresses"][network["name"]] = [sixth, fixed]


def _start(cloud: FakeOpenStack, server: dict[str, Any]) -> None:
    """The server runs: sshd, which lets in the key pair's owner."""
    public = cloud.of("keypairs").get(server.get("key_name", ""), {}).get("public_key", "")
    guest = OpenSsh(cloud.folder / server["id"], cloud.port, ("Subsystem sftp internal-sftp",))
    guest.prepare()
    guest.authorized_keys.write_text(f"{public}\n")
    guest.start()
    cloud.guests[server["id"]] = guest


def show(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    return 200, {"server": cloud.look("servers", identity, _absent(f"Instance {identity}"))}, {}


def listing(cloud: FakeOpenStack, request: Request) -> Answer:
    return 200, page(list(cloud.of("servers").values()), "servers", request), {}


def delete(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    server = cloud.of("servers").get(identity)
    if server is None:
        raise Refused(404, _absent(f"Instance {identity}"))
    server["OS-EXT-STS:task_state"] = "deleting"
    cloud.hidden.pop(identity, None)
    cloud.later(server, lambda: _gone(cloud, identity))
    return 204, None, {}


def _gone(cloud: FakeOpenStack, identity: str) -> None:
    server = cloud.of("servers").pop(identity)
    if identity in cloud.guests:
        cloud.guests.pop(identity).stop()
    for port in [one for one in cloud.of("ports").values() if one.get("device_id") == identity]:
        if port.get("owned"):
            del cloud.of("ports")[port["id"]]
        port["device_id"] = ""
        for floating in cloud.of("floatingips").values():
            if floating["port_id"] == port["id"] and port.get("owned"):
                floating["port_id"] = None
    for disk in server.get("block_device_mapping_v2", ()):
        cloud.of("volumes")[disk["uuid"]]["status"] = "available"


def action(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    server = cloud.of("servers").get(identity)
    if server is None:
        raise Refused(404, _absent(f"Instance {identity}"))
    ((name, argument),) = request.body.items()
    return _ACTIONS[name](cloud, request, server, argument)


def _stop(cloud: FakeOpenStack, request: Request, server: dict[str, Any], argument: Any) -> Answer:
    if server["status"] != "ACTIVE":
        raise _conflict(f"Cannot 'stop' instance {server['id']} while it is in vm_state stopped")
    server["OS-EXT-STS:task_state"] = "powering-off"
    cloud.guests[server["id"]].stop()
    cloud.later(server, lambda: server.update({"status": "SHUTOFF", "OS-EXT-STS:task_state": None}))
    return 202, None, {}


def _create_image(cloud: FakeOpenStack, request: Request, server: dict[str, Any], argument: Any) -> Answer:
    if server["OS-EXT-STS:task_state"]:
        raise _conflict(f"Cannot 'createImage' instance {server['id']} while it is in task_state")
    image = cloud.born(
        "images",
        {
            "name": argument["name"],
            "status": "queued",
            "visibility": "private",
            "owner": "a" * 32,
            "tags": [],
            "min_disk": 0,
            "protected": False,
            "base_image_ref": server["imageRef"],
            **argument["metadata"],
        },
    )
    cloud.later(image, lambda: image.update({"status": "active"}))
    asked = request.headers.get("x-openstack-nova-api-version", "2.1")
    if int(asked.partition(".")[2]) >= 45:
        return 202, {"image_id": image["id"]}, {}
    return 202, None, {"Location": f"{cloud.url}/image/images/{image['id']}"}


def _console(cloud: FakeOpenStack, request: Request, server: dict[str, Any], argument: Any) -> Answer:
    return 200, {"output": "cloud-init is sad\nno network\n"}, {}


def _force(cloud: FakeOpenStack, request: Request, server: dict[str, Any], argument: Any) -> Answer:
    delete(cloud, request, server["id"])
    return 202, None, {}


_ACTIONS: dict[str, Callable[[FakeOpenStack, Request, dict[str, Any], Any], Answer]] = {
    "os-stop": _stop,
    "createImage": _create_image,
    "os-getConsoleOutput": _console,
    "forceDelete": _force,
}


def password(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    """Windows posts it, encrypted with the key pair, at its second look."""
    server = cloud.of("servers")[identity]
    server["looks"] = server.get("looks", 0) + 1
    if server["looks"] < 2 or not cloud.password_of_windows:
        return 200, {"password": ""}, {}
    public = load_ssh_public_key(cloud.of("keypairs")[server["key_name"]]["public_key"].encode())
    assert isinstance(public, rsa.RSAPublicKey)
    encrypted = public.encrypt(cloud.password_of_windows.encode(), padding.PKCS1v15())
    return 200, {"password": base64.b64encode(encrypted).decode()}, {}


_BASE = "/compute/v2.1"
ROUTES = [
    ("GET", f"{_BASE}/flavors/detail", flavors),
    ("GET", f"{_BASE}/flavors/([^/]+)", flavor),
    ("GET", f"{_BASE}/os-keypairs", keypairs),
    ("POST", f"{_BASE}/os-keypairs", import_keypair),
    ("DELETE", f"{_BASE}/os-keypairs/([^/]+)", delete_keypair),
    ("POST", f"{_BASE}/servers", create),
    ("GET", f"{_BASE}/servers/detail", listing),
    ("GET", f"{_BASE}/servers/([^/]+)", show),
    ("DELETE", f"{_BASE}/servers/([^/]+)", delete),
    ("POST", f"{_BASE}/servers/([^/]+)/action", action),
    ("GET", f"{_BASE}/servers/([^/]+)/os-server-password", password),
]
