"""DigitalOcean as far as builds see it: a server that judges requests by a description cut by hand from the
reference of its API (https://docs.digitalocean.com/reference/api/).

What it has: the endpoints of `_ENDPOINTS`, whose bodies are checked for unknown and missing fields and for
types; pages; droplets that go from `new` to `active` and `off`, and take one order at a time; actions that go
from `in-progress` to `completed` or `errored`; imported images that go from `NEW` to `available`, once what
their URL leads to has been fetched; tags that are made by using them; droplets that can be logged in to over
SSH with the keys that they were given.

What it does not cover: real limits and prices, VPCs, scopes of tokens (but for answers that tests ask for),
what is in an image, IPv6 addresses, and how long DigitalOcean takes. Whether a snapshot gets its droplet's
tags is not documented: here it does not.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests

from tests.fakes.cloud_guests import Guest

TOKEN = "dop_v1_test"
Json = dict[str, Any]


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
        self.body = {"id": code, "message": message}


@dataclass
class Fault:
    """What goes wrong with the next requests of an endpoint: an answer in place of DigitalOcean's, or an
    answer that is lost (`drop`) though the work is done, or an action that fails (`errored`)."""

    endpoint: str
    status: int = 0
    code: str = "the_test"
    message: str = "the test says so"
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    errored: bool = False
    times: int = 1


@dataclass
class Request:
    endpoint: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass(frozen=True)
class _Fields:
    """A body's fields: name and type; those with `?` may be left out."""

    of: Mapping[str, Any]

    def faults(self, body: Any) -> list[str]:
        if not isinstance(body, dict):
            return ["the body is no object"]
        known = {name.removesuffix("?") for name in self.of}
        found = [f"unknown field {name}" for name in body if name not in known]
        found += [f"missing field {name}" for name in self.of if not name.endswith("?") and name not in body]
        for name, kind in self.of.items():
            value = body.get(name.removesuffix("?"))
            if value is not None and not isinstance(value, kind):
                found.append(f"{name} is {value!r}")
        return found


_DROPLET = _Fields(
    {
        "name": str,
        "region": str,
        "size": str,
        "image": (str, int),
        "ssh_keys?": list,
        "user_data?": str,
        "tags?": list,
        "monitoring?": bool,
        "ipv6?": bool,
        "private_networking?": bool,
        "vpc_uuid?": str,
        "with_droplet_agent?": bool,
    }
)
_IMAGE = _Fields(
    {"name": str, "url": str, "region": str, "distribution?": str, "description?": str, "tags?": list}
)

_ENDPOINTS: dict[str, tuple[str, _Fields | None]] = {
    "POST account/keys": ("add_key", _Fields({"name": str, "public_key": str})),
    "GET account/keys": ("list_keys", None),
    "DELETE account/keys/{}": ("delete_key", None),
    "GET regions": ("list_regions", None),
    "GET images": ("list_images", None),
    "POST images": ("import_image", _IMAGE),
    "GET images/{}": ("get_image", None),
    "PUT images/{}": ("update_image", _Fields({"name?": str, "distribution?": str, "description?": str})),
    "DELETE images/{}": ("delete_image", None),
    "POST images/{}/actions": ("order_image", _Fields({"type": str, "region": str})),
    "POST droplets": ("make_droplet", _DROPLET),
    "GET droplets": ("list_droplets", None),
    "GET droplets/{}": ("get_droplet", None),
    "DELETE droplets/{}": ("delete_droplet", None),
    "POST droplets/{}/actions": ("order_droplet", _Fields({"type": str, "name?": str})),
    "GET actions/{}": ("get_action", None),
    "GET tags": ("list_tags", None),
    "POST tags": ("make_tag", _Fields({"name": str})),
    "DELETE tags/{}": ("delete_tag", None),
    "POST tags/{}/resources": ("tag_resources", _Fields({"resources": list})),
}
_PATTERNS = {
    endpoint: re.compile(re.escape(endpoint).replace(r"\{\}", "([^/]+)").replace(r"\ ", " "))
    for endpoint in _ENDPOINTS
}


@dataclass
class FakeDigitalOcean:
    """One account."""

    guest: Guest = field(default_factory=Guest)
    droplets: dict[int, Json] = field(default_factory=dict)
    images: dict[int, Json] = field(default_factory=dict)
    keys: dict[int, Json] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    polls: int = 2  # until an action is done
    hides_new_droplets: int = 0  # for so many questions each
    page_size: int = 200
    ignores_shutdown: bool = False
    on_request: Callable[[Request], None] = lambda request: None
    _actions: dict[int, Json] = field(default_factory=dict)
    _last: int = 1000
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.add_image("debian-12-x64", slug="debian-12-x64", public=True, regions=["nyc3", "ams3"])

    # --- what tests say

    def add_image(self, name: str, **more: Any) -> Json:
        image = {"id": self._next(), "name": name, "slug": None, "public": False, "regions": ["nyc3"]}
        image |= {"status": "available", "created_at": f"2026-01-01T00:00:{len(self.images):02}Z", "tags": []}
        self.images[image["id"]] = image | more  # type: ignore[index]
        return self.images[image["id"]]  # type: ignore[index]

    @property
    def snapshots(self) -> list[Json]:
        return [image for image in self.images.values() if not image["public"]]

    @property
    def left(self) -> list[str]:
        """What there is of builds, apart from finished snapshots and tags of the user's."""
        names = [str(droplet["name"]) for droplet in self.droplets.values()]
        marked = [*(key["name"] for key in self.keys.values()), *(i["name"] for i in self.images.values())]
        return names + [str(name) for name in (*marked, *self.tags) if str(name).startswith("vmforge-")]

    def bodies_of(self, endpoint: str) -> list[Any]:
        return [request.body for request in self.requests if request.endpoint == endpoint]

    def close(self) -> None:
        self.http.server_close()
        self.guest.stop()

    # --- answering

    def answer(self, verb: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        parts = urlsplit(url)
        path = parts.path.removeprefix("/v2/")
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "unauthorized", "Unable to authenticate you")
        found = next(((e, m) for e, p in _PATTERNS.items() if (m := p.fullmatch(f"{verb} {path}"))), None)
        if found is None:
            raise Refusal(404, "not_found", "The resource you were accessing could not be found.")
        endpoint, match = found
        name, fields = _ENDPOINTS[endpoint]
        request = Request(endpoint, path, dict(parse_qsl(parts.query)), json.loads(body) if body else None)
        wrong = fields.faults(request.body) if fields else []
        if wrong:
            raise Refusal(422, "unprocessable_entity", "; ".join(wrong))
        with self._lock:
            self.requests.append(request)
            self.on_request(request)
            return self._act(request, name, [unquote(part) for part in match.groups()])

    def _act(self, request: Request, name: str, names: list[str]) -> tuple[int, Any]:
        fault = next((f for f in self.faults if f.times and f.endpoint == request.endpoint), None)
        if fault is not None:
            fault.times -= 1
            if fault.status:
                raise Refusal(fault.status, fault.code, fault.message, **fault.headers)
        answer: tuple[int, Any] = getattr(self, name)(request, *names)
        if fault is not None and fault.errored:
            self._actions[answer[1]["action"]["id"]]["_errored"] = True
        if fault is not None and fault.drop:
            raise ConnectionAbortedError
        return answer

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _page(self, request: Request, name: str, things: list[Json]) -> tuple[int, Json]:
        size = min(self.page_size, int(request.query.get("per_page", 20)))
        number = int(request.query.get("page", 1))
        page: Json = {name: [_shown(thing) for thing in things[(number - 1) * size : number * size]]}
        page["links"] = {"pages": {"next": "https://x/?page=2"}} if number * size < len(things) else {}
        return 200, page | {"meta": {"total": len(things)}}

    def _known(self, things: Mapping[int, Json], key: str) -> Json:
        if not key.isdecimal() or int(key) not in things:
            raise Refusal(404, "not_found", "The resource you were accessing could not be found.")
        return things[int(key)]

    # --- keys, regions, tags

    def add_key(self, request: Request) -> tuple[int, Json]:
        key = {"id": self._next(), **request.body}
        if any(known["public_key"] == key["public_key"] for known in self.keys.values()):
            raise Refusal(422, "unprocessable_entity", "SSH Key is already in use on your account")
        self.keys[key["id"]] = key
        return 201, {"ssh_key": key}

    def list_keys(self, request: Request) -> tuple[int, Json]:
        return self._page(request, "ssh_keys", list(self.keys.values()))

    def delete_key(self, request: Request, key: str) -> tuple[int, Any]:
        del self.keys[self._known(self.keys, key)["id"]]
        return 204, None

    def list_regions(self, request: Request) -> tuple[int, Json]:
        sizes = ["s-1vcpu-1gb", "s-2vcpu-4gb"]
        regions = [{"slug": slug, "sizes": sizes, "available": True} for slug in ("nyc3", "ams3", "fra1")]
        regions.append({"slug": "nyc2", "sizes": [], "available": False})
        return self._page(request, "regions", regions)

    def list_tags(self, request: Request) -> tuple[int, Json]:
        return self._page(request, "tags", [{"name": name} for name in sorted(self.tags)])

    def make_tag(self, request: Request) -> tuple[int, Json]:
        self.tags.add(request.body["name"])
        return 201, {"tag": {"name": request.body["name"]}}

    def delete_tag(self, request: Request, name: str) -> tuple[int, Any]:
        if name not in self.tags:
            raise Refusal(404, "not_found", "tag not found")
        self.tags.remove(name)
        return 204, None

    def tag_resources(self, request: Request, name: str) -> tuple[int, Any]:
        for resource in request.body["resources"]:
            assert resource["resource_type"] == "image"
            self._known(self.images, resource["resource_id"])["tags"].append(name)
        return 204, None

    # --- images

    def list_images(self, request: Request) -> tuple[int, Json]:
        found = list(self.images.values())
        if request.query.get("private") == "true":
            found = self.snapshots
        elif kind := request.query.get("type"):
            found = [
                image for image in found if image["public"] and image.get("_type", "distribution") == kind
            ]
        return self._page(request, "images", found)

    def get_image(self, request: Request, name: str) -> tuple[int, Json]:
        slugs = [image for image in self.images.values() if image["slug"] == name]
        image = slugs[0] if slugs else self._known(self.images, name)
        if image["status"] == "NEW":
            self._import(image)
        return 200, {"image": _shown(image)}

    def import_image(self, request: Request) -> tuple[int, Json]:
        body = request.body
        image = self.add_image(body["name"], regions=[body["region"]], status="NEW", _url=body["url"])
        image |= {"tags": body.get("tags", []), "_polls": self.polls, "description": body.get("description")}
        image["distribution"] = body.get("distribution")
        return 202, {"image": _shown(image)}

    def _import(self, image: Json) -> None:
        image["_polls"] -= 1
        if image["_polls"] <= 0:
            got = requests.get(image["_url"], timeout=20)
            image |= {"status": "available" if got.ok else "NEW", "_content": got.content}
            if not got.ok:
                image["error_message"] = f"Image could not be fetched: {got.status_code}"

    def update_image(self, request: Request, name: str) -> tuple[int, Json]:
        image = self._known(self.images, name)
        image |= request.body
        return 200, {"image": _shown(image)}

    def delete_image(self, request: Request, name: str) -> tuple[int, Any]:
        del self.images[self._known(self.images, name)["id"]]
        return 204, None

    def order_image(self, request: Request, name: str) -> tuple[int, Json]:
        image = self._known(self.images, name)
        assert request.body["type"] == "transfer"
        return self._begin("transfer", lambda: image["regions"].append(request.body["region"]))

    # --- droplets

    def make_droplet(self, request: Request) -> tuple[int, Json]:
        body = request.body
        droplet = {"id": self._next(), "name": body["name"], "status": "new", "tags": body.get("tags", [])}
        droplet |= {
            "region": {"slug": body["region"]},
            "networks": {"v4": []},
            "_hidden": self.hides_new_droplets,
        }
        self.tags.update(droplet["tags"])  # type: ignore[arg-type]
        droplet["_keys"] = [
            self._known(self.keys, str(key))["public_key"] for key in body.get("ssh_keys", ())
        ]
        droplet["_polls"] = self.polls
        self.droplets[droplet["id"]] = droplet  # type: ignore[index]
        return 202, {"droplet": _shown(droplet)}

    def list_droplets(self, request: Request) -> tuple[int, Json]:
        tag = request.query.get("tag_name")
        found = [droplet for droplet in self.droplets.values() if tag is None or tag in droplet["tags"]]
        return self._page(request, "droplets", found)

    def get_droplet(self, request: Request, name: str) -> tuple[int, Json]:
        droplet = self._known(self.droplets, name)
        if droplet["_hidden"]:
            droplet["_hidden"] -= 1
            raise Refusal(404, "not_found", "not yet")
        droplet["_polls"] -= 1
        if droplet["status"] == "new" and droplet["_polls"] <= 0:
            droplet["status"] = "active"
            kinds = {"public": "127.0.0.1", "private": "127.0.0.1"}
            droplet["networks"]["v4"] = [{"type": kind, "ip_address": ip} for kind, ip in kinds.items()]
            self.guest.start(droplet["_keys"])
        return 200, {"droplet": _shown(droplet)}

    def delete_droplet(self, request: Request, name: str) -> tuple[int, Any]:
        droplet = self._known(self.droplets, name)
        self._require_idle(droplet)
        del self.droplets[droplet["id"]]
        self.guest.stop()
        return 204, None

    def _require_idle(self, droplet: Json) -> None:
        action = self._actions.get(droplet.get("_action", 0))
        if action and action["status"] == "in-progress":
            self._advance(action)
            raise Refusal(422, "unprocessable_entity", "Droplet already has a pending event.")

    def order_droplet(self, request: Request, name: str) -> tuple[int, Json]:
        droplet, kind = self._known(self.droplets, name), request.body["type"]
        self._require_idle(droplet)
        effects: dict[str, Callable[[], object]] = {
            "shutdown": lambda: None if self.ignores_shutdown else self._switch_off(droplet),
            "power_off": lambda: self._switch_off(droplet),
            "snapshot": lambda: self.add_image(request.body["name"], regions=[droplet["region"]["slug"]]),
        }
        answer = self._begin(kind, effects[kind])
        droplet["_action"] = answer[1]["action"]["id"]
        return answer

    def _switch_off(self, droplet: Json) -> None:
        droplet["status"] = "off"
        self.guest.stop()

    # --- actions

    def _begin(self, kind: str, effect: Callable[[], object]) -> tuple[int, Json]:
        action = {"id": self._next(), "type": kind, "status": "in-progress", "_polls": self.polls}
        self._actions[action["id"]] = action | {"_effect": effect}  # type: ignore[index]
        return 201, {"action": _shown(action)}

    def get_action(self, request: Request, name: str) -> tuple[int, Json]:
        action = self._known(self._actions, name)
        self._advance(action)
        return 200, {"action": _shown(action)}

    def _advance(self, action: Json) -> None:
        action["_polls"] -= 1
        if action["status"] == "in-progress" and action["_polls"] <= 0:
            action["status"] = "errored" if action.get("_errored") else "completed"
            if action["status"] == "completed":
                action["_effect"]()


def _shown(thing: Json) -> Json:
    return {key: value for key, value in thing.items() if not key.startswith("_")}


def _handler_of(cloud: FakeDigitalOcean) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers: Mapping[str, str] = {}
            try:
                status, said = cloud.answer(self.command, self.path, body, dict(self.headers))
            except Refusal as refusal:
                status, said, headers = refusal.status, refusal.body, refusal.headers
            except ConnectionAbortedError:
                self.close_connection = True
                return
            sent = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(sent))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *arguments: Any) -> None:
            return

    return Handler
