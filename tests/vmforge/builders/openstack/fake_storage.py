"""Glance and Cinder, of the fake (https://docs.openstack.org/api-ref/image/v2/, .../block-storage/v3/)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tests.vmforge.builders.openstack.fake_cloud import (
    PROJECT,
    Answer,
    FakeOpenStack,
    Refused,
    Request,
    error,
)

_PAGE = 2
_PATCH = "application/openstack-images-v2.1-json-patch"


def _image(cloud: FakeOpenStack, request: Request, identity: str) -> dict[str, Any]:
    return cloud.look("images", identity, error(request.path, 404, f"No image found with ID {identity}"))


def images(cloud: FakeOpenStack, request: Request) -> Answer:
    query = {name: values for name, values in request.query.items() if name not in ("marker", "sort")}
    tags = query.pop("tag", [])
    if query.get("visibility") == ["all"]:
        del query["visibility"]
    found = [
        one
        for one in cloud.of("images").values()
        if set(tags) <= set(one.get("tags", ()))
        and all(str(one.get(name)) == values[0] for name, values in query.items())
    ]
    found.sort(key=lambda one: str(one.get("created_at", "")), reverse=True)
    marker = request.asked("marker")
    start = next((at + 1 for at, one in enumerate(found) if one["id"] == marker), 0)
    chosen = found[start : start + _PAGE]
    more = {"next": f"/v2/images?marker={chosen[-1]['id']}"} if len(found) > start + _PAGE else {}
    return 200, {"images": chosen, **more}, {}


def create_image(cloud: FakeOpenStack, request: Request) -> Answer:
    for name, value in request.body.items():
        if name not in ("tags", "min_disk", "min_ram", "protected") and not isinstance(value, str):
            raise Refused(400, error(request.path, 400, f"Provided object does not match schema: {name}"))
    made: dict[str, Any] = {"status": "queued", "visibility": "shared", "owner": PROJECT, "tags": []}
    made |= {"min_disk": 0, "protected": False}
    return 201, cloud.born("images", {**made, **request.body}), {}


def show_image(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    return 200, _image(cloud, request, identity), {}


def patch_image(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    if request.headers.get("content-type") != _PATCH:
        raise Refused(415, error(request.path, 415, "The content type is not supported."))
    image = _image(cloud, request, identity)
    for change in json.loads(request.content):
        name = change["path"][1:].replace("~1", "/").replace("~0", "~")
        if change["op"] == "replace" and name not in image:
            raise Refused(409, error(request.path, 409, f"Property {name} does not exist."))
        if change["op"] == "remove":
            if name not in image:
                raise Refused(409, error(request.path, 409, f"Property {name} does not exist."))
            del image[name]
            continue
        if (name, change["value"]) == ("visibility", "public") and not cloud.may_publish:
            raise Refused(
                403, error(request.path, 403, "You are not authorized to complete publicize_image action.")
            )
        image[name] = change["value"]
    return 200, image, {}


def delete_image(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    if cloud.of("images").pop(identity, None) is None:
        raise Refused(404, error(request.path, 404, "No image found"))
    if identity in cloud.pending:  # what copies into it gives up
        cloud.pending.pop(identity)[1]()
    cloud.data.pop(identity, None)
    return 204, None, {}


def upload(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    image = cloud.of("images")[identity]
    if image["disk_format"] == "qcow2" and not request.content.startswith(b"QFI\xfb"):
        raise Refused(415, error(request.path, 415, "Image content does not match disk_format"))
    cloud.data[identity] = request.content
    digest = hashlib.sha512(request.content).hexdigest()
    image |= {"size": len(request.content), "os_hash_algo": "sha512", "os_hash_value": digest}
    image["status"] = "saving"
    cloud.later(image, lambda: image.update({"status": "active"}))
    return 204, None, {}


def download(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    return 200, cloud.data[identity], {}


def fetch(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    image = cloud.of("images")[identity]
    assert request.body["method"]["name"] == "web-download"
    image["status"] = "importing"
    works = "broken" not in request.body["method"]["uri"]
    after = {"status": "active"} if works else {"status": "queued", "os_glance_failed_import": "file"}
    cloud.later(image, lambda: image.update(after))
    return 202, None, {}


def add_member(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    image, member = cloud.of("images")[identity], request.body["member"]
    if image["visibility"] != "shared":
        raise Refused(403, error(request.path, 403, "Only shared images have members."))
    members = cloud.of("members").setdefault(identity, {})
    if member in members:
        raise Refused(409, error(request.path, 409, "duplicate member"))
    members[member] = "pending"
    return 200, {"member_id": member, "status": "pending"}, {}


def update_member(cloud: FakeOpenStack, request: Request, identity: str, member: str) -> Answer:
    cloud.of("members")[identity][member] = request.body["status"]
    return 200, {"member_id": member, "status": request.body["status"]}, {}


# -- Cinder -----------------------------------------------------------------------------------


def create_volume(cloud: FakeOpenStack, request: Request) -> Answer:
    volume = cloud.born("volumes", {**request.body["volume"], "status": "creating"})
    fits = int(volume["size"]) >= int(cloud.of("images")[volume["imageRef"]].get("min_disk", 0))
    cloud.later(volume, lambda: volume.update({"status": "available" if fits else "error"}))
    return 202, {"volume": volume}, {}


def volumes(cloud: FakeOpenStack, request: Request) -> Answer:
    return 200, {"volumes": list(cloud.of("volumes").values())}, {}


def show_volume(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    absent = {"itemNotFound": {"code": 404, "message": f"Volume {identity} could not be found."}}
    return 200, {"volume": cloud.look("volumes", identity, absent)}, {}


def delete_volume(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    volume = cloud.of("volumes")[identity]
    if volume["status"] not in ("available", "error"):
        message = "Invalid volume: Volume status must be available or error"
        raise Refused(400, {"badRequest": {"code": 400, "message": message}})
    volume["status"] = "deleting"
    cloud.later(volume, lambda: cloud.of("volumes").pop(identity, {}).clear())
    return 202, None, {}


def act_on_volume(cloud: FakeOpenStack, request: Request, identity: str) -> Answer:
    volume, wanted = cloud.of("volumes")[identity], request.body["os-volume_upload_image"]
    if volume["status"] != "available":
        message = "Invalid volume: Volume status must be available/in-use"
        raise Refused(400, {"badRequest": {"code": 400, "message": message}})
    made = {
        "name": wanted["image_name"],
        "disk_format": wanted.get("disk_format", "raw"),
        "status": "queued",
        "visibility": "shared",
        "owner": PROJECT,
        "tags": [],
        "min_disk": volume["size"],
        "protected": False,
    }
    image = cloud.born("images", made)
    volume["status"] = "uploading"

    def copied() -> None:
        image["status"] = "active"
        volume["status"] = "available"

    cloud.later(image, copied)
    return 202, {"os-volume_upload_image": {"image_id": image["id"], "status": "uploading"}}, {}


_GLANCE, _CINDER = "/image/v2/images", f"/volume/v3/{PROJECT}/volumes"
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", _GLANCE, images),
    ("POST", _GLANCE, create_image),
    ("GET", f"{_GLANCE}/([^/]+)", show_image),
    ("PATCH", f"{_GLANCE}/([^/]+)", patch_image),
    ("DELETE", f"{_GLANCE}/([^/]+)", delete_image),
    ("PUT", f"{_GLANCE}/([^/]+)/file", upload),
    ("GET", f"{_GLANCE}/([^/]+)/file", download),
    ("POST", f"{_GLANCE}/([^/]+)/import", fetch),
    ("POST", f"{_GLANCE}/([^/]+)/members", add_member),
    ("PUT", f"{_GLANCE}/([^/]+)/members/([^/]+)", update_member),
    ("GET", f"{_CINDER}/detail", volumes),
    ("POST", _CINDER, create_volume),
    ("GET", f"{_CINDER}/([^/]+)", show_volume),
    ("DELETE", f"{_CINDER}/([^/]+)", delete_volume),
    ("POST", f"{_CINDER}/([^/]+)/action", act_on_volume),
]
