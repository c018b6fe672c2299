"""Google Cloud as far as builds see it: a server that judges requests by Google's own description of its API.

What it has: every method of compute.v1 is known, and its parameters and body are checked (unknown fields,
types, choices, patterns); operations go from PENDING over RUNNING to DONE; a `requestId` makes a repeated
request one; labels and metadata have fingerprints; lists have pages; instances can be logged in to over SSH
with the keys of their metadata, run their startup script, and give out Windows passwords; OS Login; tokens of
service accounts and of impersonation.

What it does not cover: whether machine types, disk types and networks exist and go together, quotas, IAM
(whoever has a token may do everything), required fields (the description does not name them), what is in a
disk or an image, other zones than one, and how long Google takes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.fakes.cloud_guests import Guest
from tests.fakes.google_discovery import api

PROJECT, ZONE, TOKEN = "acme", "europe-west1-b", "ya29.test-token"
EMAIL = "builder@acme.iam.gserviceaccount.com"
PASSWORD = "Pass&w0rd!"
_HOST = "https://www.googleapis.com/compute/v1"

Json = dict[str, Any]

# What instances that export find in their system: objects are files below `$BUCKETS`.
_PROGRAMS = {
    "blockdev": '#!/bin/sh\nstat -c %s "$2"\n',
    "gcloud": """#!/bin/sh
[ "$1 $2" = "storage cp" ] || exit 64
[ ! -e "$BUCKETS/forbidden" ] || { echo "403 forbidden" >&2; exit 1; }
mkdir -p "$BUCKETS/$(dirname "${4#gs://}")"
if [ "$3" = - ]; then cat; else cat "$BUCKETS/${3#gs://}"; fi > "$BUCKETS/${4#gs://}"
""",
}


class Refusal(Exception):
    """An answer that is an error, as Google words one."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        errors = [{"reason": reason, "domain": "global", "message": message}]
        self.body = {"error": {"code": status, "message": message, "errors": errors}}


@dataclass
class Fault:
    """What goes wrong with the next requests of a method: an answer in place of Google's, an answer that is
    lost (`drop`) though the work is done, or an operation that fails (`operation` is its error's code)."""

    method: str
    status: int = 0
    reason: str = ""
    operation: str = ""
    drop: bool = False
    times: int = 1
    body: object = None


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FakeGoogle:
    """One project's cloud. `things` is what exists, by its path."""

    guest: Guest = field(default_factory=Guest)
    things: dict[str, Json] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    console: str = "booting\n"
    hides_new_things: int = 0  # for so many questions each
    page_size: int = 100
    polls: int = 2  # until an operation is done
    slow: dict[str, int] = field(default_factory=dict)  # the same for some methods
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    keys: dict[str, Json] = field(default_factory=dict)
    revoked: bool = False
    on_request: Callable[[Request], None] = lambda request: None
    _operations: dict[str, Json] = field(default_factory=dict)
    _hidden: dict[str, int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vmforge-google-"))
        (self.folder / "bin").mkdir()
        for name, text in _PROGRAMS.items():
            (self.folder / "bin" / name).write_text(text)
            (self.folder / "bin" / name).chmod(0o755)
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.things[f"projects/{PROJECT}/zones/{ZONE}"] = {"name": ZONE}
        self.add_image("debian-cloud", "debian-12-v1", family="debian-12")

    # --- what tests say

    def add_image(self, project: str, name: str, **more: Any) -> Json:
        path = f"projects/{project}/global/images/{name}"
        image = {"name": name, "status": "READY", "diskSizeGb": "10", "licenses": [], **more}
        self.things[path] = self._linked(path, image)
        return self.things[path]

    def of_kind(self, kind: str) -> list[Json]:
        """What of a kind there is, apart from what others offer."""
        return [
            thing
            for path, thing in self.things.items()
            if path.split("/")[-2] == kind and not path.startswith("projects/debian-cloud")
        ]

    @property
    def left(self) -> list[str]:
        """What there is that costs money, apart from finished images."""
        rest = [str(thing["name"]) for kind in ("instances", "disks") for thing in self.of_kind(kind)]
        images = [str(i["name"]) for i in self.of_kind("images") if "vmforge-run" in i.get("labels", {})]
        return rest + images + list(self.keys)

    def bodies_of(self, method: str) -> list[Any]:
        return [request.body for request in self.requests if request.method == method]

    def close(self) -> None:
        self.http.server_close()
        self.guest.stop()
        shutil.rmtree(self.folder)

    # --- answering

    def answer(self, verb: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        parts = urlsplit(url)
        query, path = dict(parse_qsl(parts.query)), unquote(parts.path)
        if path == "/token":
            if self.revoked:
                return 400, {"error": "invalid_grant", "error_description": "Account has been deleted."}
            return 200, self._give_token()
        if ":generateAccessToken" in path:
            self.tokens.add("impersonated")
            return 200, {"accessToken": "impersonated", "expireTime": "2099-01-01T00:00:00Z"}
        if path == "/oauth2/v3/tokeninfo":
            return 200, {"email": EMAIL}
        if headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise Refusal(401, "authError", "Invalid Credentials")
        name, within = ("oslogin.v1", "/") if path.startswith("/v1/") else ("compute.v1", "/compute/v1/")
        found = api(name).find(verb, path.removeprefix(within))
        if found is None:
            return 404, "<html>Not Found</html>"
        method, names = found
        sent = json.loads(body) if body else None
        wrong = api(name).faults(method, query, sent)
        if wrong:
            raise Refusal(400, "invalid", "; ".join(wrong))
        request = Request(method.id, path.removeprefix(within), query, sent, headers)
        with self._lock:
            self.requests.append(request)
            self.on_request(request)
            return 200, self._act(request, names)

    def _act(self, request: Request, names: dict[str, str]) -> Any:
        fault = next((f for f in self.faults if f.times and f.method == request.method), None)
        if fault is not None:
            fault.times -= 1
            if fault.status:
                raise Refusal(fault.status, fault.reason, f"{fault.reason} says the test")
        act = _ACTIONS.get(request.method)
        if act is None:
            raise Refusal(501, "notImplemented", f"the fake has no {request.method}")
        known = self._operations.get(request.query.get("requestId", ""))
        made = known or act(self, request, names)
        if fault is not None and fault.operation:
            made["_error"] = fault.operation
        if fault is not None and fault.drop:
            raise ConnectionAbortedError
        return {key: value for key, value in made.items() if not key.startswith("_")}

    def _give_token(self) -> Json:
        token = f"ya29.token-{len(self.tokens)}"
        self.tokens.add(token)
        return {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}

    # --- reading

    def get(self, request: Request, names: dict[str, str]) -> Json:
        if self._hidden.get(request.path, 0):
            self._hidden[request.path] -= 1
            raise self._absence(request.path)
        return self._known(request.path)

    def _known(self, path: str) -> Json:
        if path not in self.things:
            raise self._absence(path)
        return self.things[path]

    def _absence(self, path: str) -> Refusal:
        return Refusal(404, "notFound", f"The resource '{path}' was not found")

    def list(self, request: Request, names: dict[str, str]) -> Json:
        wanted = request.query.get("filter", "")
        key = re.fullmatch(r"labels\.([\w-]+):\*", wanted)
        assert key or not wanted, f"the fake does not know the filter {wanted}"
        found = [
            thing
            for path, thing in self.things.items()
            if path.rpartition("/")[0] == request.path and (not key or key[1] in thing.get("labels", {}))
        ]
        start = int(request.query.get("pageToken", 0))
        page: Json = {"items": found[start : start + self.page_size]}
        if start + self.page_size < len(found):
            page["nextPageToken"] = str(start + self.page_size)
        return page

    def get_from_family(self, request: Request, names: dict[str, str]) -> Json:
        project, family = names["project"], names["family"]
        found = [
            image
            for path, image in self.things.items()
            if path.startswith(f"projects/{project}/global/images/") and image.get("family") == family
        ]
        if not found:
            raise self._absence(request.path)
        return found[-1]

    def serial_port(self, request: Request, names: dict[str, str]) -> Json:
        instance = self._known(request.path.removesuffix("/serialPort"))
        serial: Json = instance["_serial"]
        text = str(serial.get(request.query.get("port", "1"), ""))
        return {"contents": text, "start": "0", "next": str(len(text))}

    def operation(self, request: Request, names: dict[str, str]) -> Json:
        found = self._known(request.path)
        found["_polls"] -= 1
        if found["_polls"] > 0:
            found["status"] = "RUNNING"
        elif found["status"] != "DONE":
            found["status"] = "DONE"
            if code := found.get("_error"):
                error = {"code": code, "message": f"{code} says the test"}
                found["error"], found["httpErrorStatusCode"] = {"errors": [error]}, 503
                found["_undo"]()
            else:
                found["_effect"]()
        return found

    # --- changing

    def _begin(
        self,
        request: Request,
        kind: str,
        target: str,
        effect: Callable[[], object],
        undo: Callable[[], object] = lambda: None,
    ) -> Json:
        scope = re.match(r"(projects/[^/]+/(?:zones/[^/]+|regions/[^/]+|global))", request.path)
        assert scope
        path = f"{scope[1]}/operations/operation-{len(self.requests)}"
        operation: Json = {
            "name": path.rpartition("/")[2],
            "operationType": kind,
            "status": "PENDING",
            "targetLink": f"{_HOST}/{target}",
            "selfLink": f"{_HOST}/{path}",
            "_polls": self.slow.get(request.method, self.polls),
            "_effect": effect,
            "_undo": undo,
        }
        for scope_kind in ("zone", "region"):
            if f"/{scope_kind}s/" in path:
                operation[scope_kind] = f"{_HOST}/{scope[1]}"
        self.things[path] = operation
        if asked := request.query.get("requestId"):
            self._operations[asked] = operation
        return operation

    def _linked(self, path: str, thing: Json) -> Json:
        labels = json.dumps(thing.get("labels", {}), sort_keys=True)
        thing["labelFingerprint"] = _digest(labels)
        thing["selfLink"] = f"{_HOST}/{path}"
        return thing

    def _insert(self, request: Request, thing: Json, effect: Callable[[], object]) -> Json:
        path = f"{request.path}/{thing['name']}"
        if path in self.things:
            raise Refusal(409, "alreadyExists", f"The resource '{path}' already exists")
        self.things[path] = self._linked(path, thing)
        self._hidden[path] = self.hides_new_things
        return self._begin(request, "insert", path, effect, lambda: self._remove(path))

    def insert_instance(self, request: Request, names: dict[str, str]) -> Json:
        instance = json.loads(json.dumps(request.body)) | {"status": "PROVISIONING"}
        name, within = instance["name"], request.path.removesuffix("/instances")
        for number, disk in enumerate(instance["disks"]):
            self._attach(disk, f"persistent-disk-{number}", within)
        for interface in instance["networkInterfaces"]:
            interface["networkIP"] = interface.get("networkIP", "127.0.0.1")
            for access in interface.get("accessConfigs", ()):
                access["natIP"] = access.get("natIP", "127.0.0.1")
        instance["_serial"] = {"1": self.console}
        _print_metadata(instance)
        return self._insert(request, instance, lambda: self._boot(f"{within}/instances/{name}"))

    def _attach(self, disk: Json, device: str, within: str) -> None:
        disk["deviceName"] = disk.get("deviceName", device)
        made = disk.pop("initializeParams", None)
        if made is None or disk["type"] == "SCRATCH":
            return
        if image := made.get("sourceImage"):
            self._image_at(image)
        if "replicaZones" in made:
            within = re.sub(r"zones/(.+)-[a-z]$", r"regions/\1", within)
            assert made["diskType"].startswith(within.partition("/regions/")[1][1:])
        path = f"{within}/disks/{made['diskName']}"
        size = made.get("diskSizeGb", "10")
        made = {"name": made["diskName"], "sizeGb": size, "labels": made.get("labels", {})}
        self.things[path] = self._linked(path, made)
        disk["source"] = f"{_HOST}/{path}"

    def _image_at(self, url: str) -> Json:
        path = url[url.index("projects/") :]
        if "/family/" not in path:
            return self._known(path)
        names = {"project": path.split("/")[1], "family": path.split("/")[-1]}
        return self.get_from_family(Request("", path, {}, None), names)

    def _boot(self, path: str) -> None:
        instance = self.things[path]
        instance["status"] = "RUNNING"
        items = _items(instance)
        self.guest.start(_ssh_keys(items) or [str(entry["key"]) for entry in self.keys.values()])
        if script := items.get("startup-script"):
            lines = self._run_script(script)
            instance["_serial"]["1"] += "\n".join([*(f"startup-script: {line}" for line in lines), ""])

    def _run_script(self, script: str) -> list[str]:
        """What a startup script prints. This machine's own serial port, disks and programs are not the
        guest's."""
        encoded = re.search(r"<<'END'\n(.+)\nEND\n", script, re.DOTALL)
        if encoded:
            inner = base64.b64decode(encoded[1]).replace(b"/dev/disk/by-id/", f"{self.folder}/".encode())
            script = script.replace(encoded[1], base64.encodebytes(inner).decode().rstrip())
        script = script.replace("/dev/ttyS0", "/dev/null")
        environment = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "BUCKETS": str(self.folder)}
        ran = subprocess.run(
            ["sh"], check=False, input=script, capture_output=True, text=True, env=environment
        )
        return (ran.stdout + ran.stderr).splitlines()

    def set_metadata(self, request: Request, names: dict[str, str]) -> Json:
        path = request.path.removesuffix("/setMetadata")
        instance = self._known(path)
        if request.body["fingerprint"] != instance["metadata"]["fingerprint"]:
            raise Refusal(412, "conditionNotMet", "Supplied fingerprint does not match")

        def effect() -> None:
            instance["metadata"] = {"items": request.body["items"]}
            _print_metadata(instance)
            items = _items(instance)
            self.guest.let_in(_ssh_keys(items))
            if asked := items.get("windows-keys"):
                instance["_serial"]["4"] = "not json\n" + _windows_password(json.loads(asked))

        return self._begin(request, "setMetadata", path, effect)

    def set_labels(self, request: Request, names: dict[str, str]) -> Json:
        path = request.path.removesuffix("/setLabels")
        thing = self._known(path)
        if request.body["labelFingerprint"] != thing["labelFingerprint"]:
            raise Refusal(
                412, "conditionNotMet", "Labels fingerprint either invalid or resource labels changed"
            )
        thing["labels"] = request.body["labels"]
        self._linked(path, thing)
        return self._begin(request, "setLabels", path, lambda: None)

    def stop_instance(self, request: Request, names: dict[str, str]) -> Json:
        path = request.path.removesuffix("/stop")
        instance = self._known(path)
        instance["status"] = "STOPPING"

        def effect() -> None:
            self.guest.stop()
            instance["status"] = "TERMINATED"

        return self._begin(request, "stop", path, effect)

    def set_auto_delete(self, request: Request, names: dict[str, str]) -> Json:
        path = request.path.removesuffix("/setDiskAutoDelete")
        for disk in self._known(path)["disks"]:
            if disk["deviceName"] == request.query["deviceName"]:
                disk["autoDelete"] = request.query["autoDelete"] == "true"
        return self._begin(request, "setDiskAutoDelete", path, lambda: None)

    def insert_image(self, request: Request, names: dict[str, str]) -> Json:
        image = json.loads(json.dumps(request.body)) | {"status": "PENDING", "diskSizeGb": "10"}
        if source := image.get("sourceDisk"):
            image["diskSizeGb"] = self._known(source)["sizeGb"]
        return self._insert(request, image, lambda: image.update(status="READY"))

    def delete(self, request: Request, names: dict[str, str]) -> Json:
        self._known(request.path)
        return self._begin(request, "delete", request.path, lambda: self._remove(request.path))

    def _remove(self, path: str) -> None:
        thing = self.things.pop(path, {})
        if "/instances/" in path:
            self.guest.stop()
            for disk in thing["disks"]:
                if disk["autoDelete"] and "source" in disk:
                    self.things.pop(disk["source"].partition("/compute/v1/")[2], None)

    # --- OS Login

    def import_key(self, request: Request, names: dict[str, str]) -> Json:
        self.keys[_digest(request.body["key"])] = dict(request.body)
        return {"loginProfile": self.profile(request, names)}

    def profile(self, request: Request, names: dict[str, str]) -> Json:
        accounts = [{"username": "other"}, {"username": "root", "primary": True}]
        return {"name": EMAIL, "posixAccounts": accounts, "sshPublicKeys": self.keys}

    def delete_key(self, request: Request, names: dict[str, str]) -> Json:
        if self.keys.pop(request.path.rpartition("/")[2], None) is None:
            raise self._absence(request.path)
        return {}


_ACTIONS: dict[str, Callable[[FakeGoogle, Request, dict[str, str]], Json]] = {
    "compute.zones.get": FakeGoogle.get,
    "compute.addresses.get": FakeGoogle.get,
    "compute.disks.delete": FakeGoogle.delete,
    "compute.disks.get": FakeGoogle.get,
    "compute.disks.list": FakeGoogle.list,
    "compute.disks.setLabels": FakeGoogle.set_labels,
    "compute.globalOperations.get": FakeGoogle.operation,
    "compute.images.delete": FakeGoogle.delete,
    "compute.images.get": FakeGoogle.get,
    "compute.images.getFromFamily": FakeGoogle.get_from_family,
    "compute.images.insert": FakeGoogle.insert_image,
    "compute.images.list": FakeGoogle.list,
    "compute.images.setLabels": FakeGoogle.set_labels,
    "compute.instances.delete": FakeGoogle.delete,
    "compute.instances.get": FakeGoogle.get,
    "compute.instances.getSerialPortOutput": FakeGoogle.serial_port,
    "compute.instances.insert": FakeGoogle.insert_instance,
    "compute.instances.list": FakeGoogle.list,
    "compute.instances.setDiskAutoDelete": FakeGoogle.set_auto_delete,
    "compute.instances.setMetadata": FakeGoogle.set_metadata,
    "compute.instances.stop": FakeGoogle.stop_instance,
    "compute.regionDisks.delete": FakeGoogle.delete,
    "compute.regionDisks.get": FakeGoogle.get,
    "compute.regionDisks.list": FakeGoogle.list,
    "compute.regionDisks.setLabels": FakeGoogle.set_labels,
    "compute.regionOperations.get": FakeGoogle.operation,
    "compute.zoneOperations.get": FakeGoogle.operation,
    "oslogin.users.getLoginProfile": FakeGoogle.profile,
    "oslogin.users.importSshPublicKey": FakeGoogle.import_key,
    "oslogin.users.sshPublicKeys.delete": FakeGoogle.delete_key,
}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _items(instance: Json) -> dict[str, str]:
    return {item["key"]: item["value"] for item in instance["metadata"].get("items", ())}


def _print_metadata(instance: Json) -> None:
    instance["metadata"]["fingerprint"] = _digest(json.dumps(instance["metadata"]))


def _ssh_keys(items: dict[str, str]) -> list[str]:
    return [line.partition(":")[2] for line in items.get("ssh-keys", "").splitlines()]


def _windows_password(asked: Json) -> str:
    """What Google's guest agent writes."""
    numbers = [int.from_bytes(base64.b64decode(asked[name])) for name in ("exponent", "modulus")]
    key = rsa.RSAPublicNumbers(*numbers).public_key()
    how = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    encrypted = base64.b64encode(key.encrypt(PASSWORD.encode(), how)).decode()
    return json.dumps({**asked, "encryptedPassword": encrypted, "passwordFound": True}) + "\n"


def _handler_of(google: FakeGoogle) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                status, said = google.answer(self.command, self.path, body, dict(self.headers))
            except Refusal as refusal:
                status, said = refusal.status, refusal.body
            except ConnectionAbortedError:
                self.close_connection = True
                return
            sent = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, format: str, *arguments: Any) -> None:
            return

    return Handler
