"""A counterpart for the OpenStack builder: Keystone, Nova, Neutron, Cinder, Glance, as far as it asks.

Paths, versions, states, status codes and the shapes of errors follow https://docs.openstack.org/api-ref/
(identity v3, compute 2.1 to 2.90, network v2.0, block storage v3, image v2). The login, the catalog and the
discovery of versions are spoken with openstacksdk itself. What it does not cover: roles and policies, quotas
(faults stand for them), schedulers, several regions, networks that carry anything, disks that hold anything.
Servers are OpenSSH's, whose authorized keys come from Nova's key pair.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.openssh import OpenSsh

USER, PASSWORD, PROJECT = "builder", "the-user's-own-password", "a" * 32
APPLICATION = ("app-1", "the-application's-own-secret")
Answer = tuple[int, Any, dict[str, str]]


class Refused(Exception):
    """An answer that is an error; status 0 drops the connection."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        self.status, self.body, self.headers = status, body, headers


@dataclass
class Fault:
    """How the next `times` requests that match are answered; status 0 drops the connection. `after` does the
    work all the same. `then` is called with each."""

    method: str
    path: str
    status: int = 500
    message: str = "something went wrong"
    times: int = 1
    after: bool = False
    then: Callable[[], None] = lambda: None


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else None

    def asked(self, name: str) -> str:
        return self.query.get(name, [""])[0]


@dataclass
class FakeOpenStack:
    """A project. `polls` is how many looks at a thing its change takes, `lag` how many looks at a new one
    find nothing yet."""

    folder: Path
    port: int = 0
    polls: int = 1
    lag: int = 0
    things: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, list[Any]] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    bodies: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    guests: dict[str, OpenSsh] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    logins: int = 0
    may_publish: bool = True
    fault_of_servers: str = ""
    password_of_windows: str = ""
    has_volumes: bool = True
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        from tests.vmforge.builders.openstack import fake_compute, fake_network, fake_storage

        self.routes = [*fake_compute.ROUTES, *fake_network.ROUTES, *fake_storage.ROUTES]

    # -- things -------------------------------------------------------------------------------

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return self.things.setdefault(kind, {})

    def add(self, kind: str, thing: dict[str, Any]) -> dict[str, Any]:
        """Something of a kind; it gets an id if it has none."""
        thing.setdefault("id", str(uuid.uuid4()))
        self.of(kind)[thing["id"]] = thing
        return thing

    def born(self, kind: str, thing: dict[str, Any]) -> dict[str, Any]:
        """Something that a build makes, which is not known everywhere at once."""
        made = self.add(kind, thing)
        self.hidden[made["id"]] = self.lag
        return made

    def later(self, thing: dict[str, Any], then: Callable[[], None]) -> None:
        """Change something after a few looks at it."""
        self.pending[thing["id"]] = [self.polls, then]

    def look(self, kind: str, identity: str, error: Any) -> dict[str, Any]:
        """Something by its id, a step further in what happens to it."""
        if identity in self.pending:
            self.pending[identity][0] -= 1
            if self.pending[identity][0] < 0:
                self.pending.pop(identity)[1]()
        found = self.of(kind).get(identity)
        if found is not None and self.hidden.get(identity, 0) > 0:
            self.hidden[identity] -= 1
            found = None
        if found is None:
            raise Refused(404, error)
        return found

    def left(self) -> list[str]:
        """All that a build can make, by kind and name."""
        kinds = ("servers", "keypairs", "volumes", "floatingips", "images", "ports")
        named = [
            f"{kind}/{one.get('name') or identity}"
            for kind in kinds
            for identity, one in self.of(kind).items()
        ]
        return sorted(name for name in named if name not in self.before)

    before: tuple[str, ...] = ()

    def settle(self) -> None:
        """What is there now was there before."""
        self.before = ()
        self.before = tuple(self.left())

    # -- answering ----------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        with self.lock:
            self.calls.append(f"{request.method} {request.path}")
            fault = self._fault(request)
            if fault is not None and not fault.after:
                raise Refused(fault.status, error(request.path, fault.status, fault.message))
            told = self._answer(request)
            if fault is not None:
                raise Refused(fault.status, error(request.path, fault.status, fault.message))
            return told

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == request.method and re.search(fault.path, request.path):
                fault.times -= 1
                fault.then()
                return fault
        return None

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith("/identity"):
            return self._identity(request)
        versions = self._versions(request.path.rstrip("/"))
        if versions is not None:
            return 200, versions, {}
        if request.headers.get("x-auth-token") not in self.tokens:
            raise Refused(
                401, {"error": {"code": 401, "message": "The request you have made requires authentication."}}
            )
        if request.content and request.headers.get("content-type", "").startswith("application/json"):
            self.bodies[f"{request.method} {request.path}"] = request.body
        for method, pattern, work in self.routes:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                told: Answer = work(self, request, *match.groups())
                return told
        raise Refused(404, error(request.path, 404, f"no route {request.method} {request.path}"))

    def _versions(self, path: str) -> Any:
        """https://docs.openstack.org/keystoneauth/latest/ reads these documents."""
        if path == "/compute/v2.1":
            return {"version": self._version("v2.1", "/compute/v2.1/", version="2.90", min_version="2.1")}
        if path == "/image":
            return {"versions": [self._version("v2.9", "/image/v2/")]}
        if path in ("/volume/v3", f"/volume/v3/{PROJECT}"):
            return {"versions": [self._version("v3.0", "/volume/v3/", version="3.70", min_version="3.0")]}
        return None

    def _version(self, name: str, place: str, **more: str) -> Any:
        links = [{"rel": "self", "href": f"{self.url}{place}"}]
        return {"id": name, "status": "CURRENT", "links": links, **more}

    # -- the login ----------------------------------------------------------------------------

    def _identity(self, request: Request) -> Answer:
        if request.method == "GET":
            return 200, {"version": self._version("v3.14", "/identity/v3/", status="stable")}, {}
        assert request.path == "/identity/v3/auth/tokens", request.path
        self._check_login(request.body["auth"]["identity"])
        self.logins += 1
        token = uuid.uuid4().hex
        self.tokens.add(token)
        ends = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + 3600))
        told = {
            "methods": ["password"],
            "expires_at": ends,
            "issued_at": ends,
            "user": {"id": "u1", "name": USER, "domain": {"id": "default", "name": "Default"}},
            "project": {"id": PROJECT, "name": "images", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "r", "name": "member"}],
            "catalog": self._catalog(),
        }
        return 201, {"token": told}, {"X-Subject-Token": token}

    def _check_login(self, identity: Any) -> None:
        method = identity["methods"][0]
        given = identity[method]
        if method == "password":
            user = given["user"]
            good = user.get("name", user.get("id")) in (USER, "u1") and user["password"] == PASSWORD
        elif method == "application_credential":
            good = (given.get("id"), given["secret"]) == APPLICATION
        else:
            good = given["id"] in self.tokens
        if not good:
            message = "The request you have made requires authentication."
            raise Refused(401, {"error": {"code": 401, "message": message, "title": "Unauthorized"}})

    def _catalog(self) -> list[Any]:
        places = {
            "compute": "/compute/v2.1",
            "image": "/image",
            "network": "/network",
            "identity": "/identity/v3",
        }
        if self.has_volumes:
            places["block-storage"] = f"/volume/v3/{PROJECT}"

        def endpoints(place: str) -> list[Any]:
            return [
                {
                    "id": "e",
                    "interface": name,
                    "region": "one",
                    "region_id": "one",
                    "url": f"{self.url}{place}",
                }
                for name in ("public", "internal")
            ]

        return [
            {"id": kind, "type": kind, "name": kind, "endpoints": endpoints(place)}
            for kind, place in places.items()
        ]

    def close(self) -> None:
        for guest in self.guests.values():
            guest.stop()


def error(path: str, status: int, message: str) -> Any:
    """An error as the service at that path words it."""
    if path.startswith("/network"):
        return {"NeutronError": {"type": "Fault", "message": message, "detail": ""}}
    if path.startswith("/image"):
        title = f"{status} Error"
        body = f"<h1>{title}</h1>\n  {message}<br /><br />\n"
        return f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  {body} </body>\n</html>"
    if path.startswith("/identity"):
        return {"error": {"code": status, "message": message, "title": "Error"}}
    return {"computeFault": {"code": status, "message": message}}


def page(found: list[Any], key: str, request: Request, size: int = 2) -> Any:
    """A page of a list, with a link to the next one."""
    marker = request.asked("marker")
    start = next((at + 1 for at, one in enumerate(found) if one["id"] == marker), 0)
    chosen = found[start : start + size]
    told: dict[str, Any] = {key: chosen}
    if len(found) > start + size:
        # what a service behind a proxy believes to be its address
        told[f"{key}_links"] = [
            {"rel": "next", "href": f"http://inside.example{request.path}?marker={chosen[-1]['id']}"}
        ]
    return told


def _handler(cloud: FakeOpenStack) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, parts.path, parse_qs(parts.query), headers, content)
            try:
                self._say(*cloud.answer(request))
            except Refused as refused:
                if refused.status == 0:
                    self.close_connection = True
                    return
                more = {"Retry-After": "0"} if refused.status in (429, 503) else {}
                self._say(refused.status, refused.body, more | refused.headers)

        def _say(self, status: int, body: Any, headers: dict[str, str]) -> None:
            kind = "text/html; charset=UTF-8" if isinstance(body, str) else "application/json"
            content = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
            if isinstance(body, bytes):
                content, kind = body, "application/octet-stream"
            self.send_response(status)
            sent = {"Content-Type": kind, "Content-Length": str(len(content)), **headers}
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            return None

    return Handler


@contextlib.contextmanager
def serve(cloud: FakeOpenStack) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(cloud))
    server.daemon_threads = True
    cloud.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        cloud.close()


def wait_for_call(cloud: FakeOpenStack, pattern: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not any(re.search(pattern, call) for call in list(cloud.calls)):
        assert time.monotonic() < end, f"nobody asked for {pattern}"
        time.sleep(0.01)
