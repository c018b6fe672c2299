"""A counterpart for the Azure builder: a server that speaks as much of Azure as it uses, and sshd as machine.

Paths, versions, operations that go on after the answer, states and errors follow
https://learn.microsoft.com/rest/api/compute/ and its neighbours. The login is Microsoft's own library against
an OpenID provider of the fake's. What it does not cover: it runs no machine and copies no disk, believes
every property of a resource that it does not look at, knows no rights, and one region does everything.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import ssl
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import trustme

from tests.fakes.openssh import SSHD, OpenSsh

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
TENANT = "22222222-2222-4222-8222-222222222222"
CLIENT = "33333333-3333-4333-8333-333333333333"
SECRET = "the-application's-own-password"
ROOT = f"/subscriptions/{SUBSCRIPTION}"

_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
_PROVIDER = re.compile(r"/providers/([^/]+)/(.+)$", re.IGNORECASE)


Told = tuple[int, Any, dict[str, str]]  # status, body, headers


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


@dataclass
class Fault:
    """How the next `times` requests that match are answered; status 0 drops the connection. `after` does the
    work all the same, `running` lets the operation fail that the request begins."""

    method: str
    path: str
    status: int = 500
    code: str = "InternalServerError"
    message: str = "something went wrong"
    times: int = 1
    after: bool = False
    running: bool = False


@dataclass
class Operation:
    polls: int
    error: tuple[str, str] | None = None


@dataclass
class FakeAzure:
    """A subscription. `polls` is for how many looks at it an operation goes on."""

    folder: Path
    polls: int = 1
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    bodies: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    guests: dict[str, OpenSsh] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    vault: dict[str, str] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)
    url: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, path: str, **properties: Any) -> None:
        """Something that was there before."""
        self._store(f"{ROOT}{path}", {"location": "westeurope", "properties": properties})
        self.before = set(self.resources)

    # -- answering ----------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Told:
        with self._lock:
            self.calls.append(f"{method} {path}")
            self.bodies[f"{method} {path}"] = body
            fault = self._fault(method, path)
            if fault is not None and not fault.after and not fault.running:
                raise Refused(fault.status, fault.code, fault.message)
            told = self._answer(method, path, query, body)
            if fault is not None and fault.running:
                operation = self.operations[told[2]["Azure-AsyncOperation"].rpartition("/")[2]]
                operation.error = (fault.code, fault.message)
                self._drop(path.lower())
            if fault is not None and fault.after:
                raise Refused(fault.status, fault.code, fault.message)
            return told

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None

    def _answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Told:
        if path.startswith("/metadata/endpoints"):
            return 200, self._metadata(), {}
        if path.startswith("/operations/"):
            return self._operation(path.rpartition("/")[2])
        if path.startswith("/secrets/"):
            name = path.rpartition("/")[2]
            if name not in self.vault:
                raise Refused(404, "SecretNotFound", f"no secret `{name}`")
            return 200, {"value": self.vault[name], "id": f"https://main.vault.example{path}/1"}, {}
        if path.startswith("/console/"):
            return 200, "Cloud-init is sad\nno network\n", {}
        if not _VERSION.fullmatch(query.get("api-version", "")):
            raise Refused(400, "MissingApiVersionParameter", "The api-version query parameter is required")
        return self._resource(method, path, query, body)

    def _metadata(self) -> Any:
        return [
            {
                "name": "Public",
                "authentication": {"loginEndpoint": f"{self.url}/", "audiences": [self.url]},
                "resourceManager": f"{self.url}/",
                "suffixes": {"keyVaultDns": "vault.example"},
            }
        ]

    def _operation(self, name: str) -> Told:
        operation = self.operations[name]
        operation.polls -= 1
        if operation.polls >= 0:
            return 200, {"status": "InProgress"}, {}
        if operation.error is not None:
            code, message = operation.error
            return 200, {"status": "Failed", "error": {"code": code, "message": message}}, {}
        return 200, {"status": "Succeeded"}, {}

    def _begin(self) -> dict[str, str]:
        name = f"op{len(self.operations)}"
        self.operations[name] = Operation(self.polls)
        return {"Azure-AsyncOperation": f"{self.url}/operations/{name}"}

    def _resource(self, method: str, path: str, query: dict[str, str], body: Any) -> Told:
        key = path.lower()
        if method == "GET" and query.get("$filter"):
            tag = query["$filter"].split("'")[1]
            return 200, {"value": self._tagged(key, tag)}, {}
        if method == "GET" and key.endswith("/virtualnetworks"):
            listed = [one for name, one in self.resources.items() if "/virtualnetworks/" in name]
            return 200, {"value": listed}, {}
        if method == "PUT":
            self._check(key, body)
            created = key not in self.resources
            self._store(path, body)
            self._effects(key, body)
            group = "/providers/" not in key
            return (201 if created else 200), self.resources[key], {} if group else self._begin()
        if method == "POST":
            return self._act(path)
        if key not in self.resources:
            raise Refused(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
        if method == "DELETE":
            self._check_free(key)
            self._drop(key)
            return 202, None, self._begin()
        if method == "PATCH":
            self.resources[key] |= body
        return 200, self.resources[key], {}

    def _store(self, path: str, body: dict[str, Any]) -> None:
        provider = _PROVIDER.search(path)
        kind = "Microsoft.Resources/resourceGroups"
        if provider:
            kind = f"{provider[1]}/" + "/".join(provider[2].split("/")[::2])
        name = path.rpartition("/")[2]
        properties = {**body.get("properties", {}), "provisioningState": "Succeeded"}
        self.resources[path.lower()] = {
            **body,
            "id": path,
            "name": name,
            "type": kind,
            "properties": properties,
        }

    def _tagged(self, key: str, tag: str) -> list[dict[str, Any]]:
        groups = key.endswith("/resourcegroups")
        return [
            one
            for name, one in self.resources.items()
            if tag in (one.get("tags") or {}) and ("/providers/" not in name) == groups
        ]

    def _check(self, key: str, body: Any) -> None:
        """What Azure refuses, of what a builder could get wrong."""
        if "location" not in body and "/secrets/" not in key:
            raise Refused(400, "LocationRequired", "The location property is required.")
        group = key.partition("/providers/")[0]
        if "/providers/" in key and group not in self.resources:
            name = group.rpartition("/")[2]
            raise Refused(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
        for wanted in re.findall(r'"id": "(/subscriptions/[^"]+)"', json.dumps(body)):
            parent = wanted.lower().partition("/subnets/")[0]
            if parent not in self.resources:
                raise Refused(404, "NotFound", f"Resource {wanted} not found.")
        machine = body.get("properties", {}).get("sourceVirtualMachine", {}).get("id", "").lower()
        if machine and not self.resources[machine]["properties"].get("generalized"):
            raise Refused(409, "OperationNotAllowed", "The source VM has to be generalized.")

    def _check_free(self, key: str) -> None:
        if "/networkinterfaces/" in key:
            name = self.resources[key]["id"]
            for path, one in self.resources.items():
                if "/virtualmachines/" in path and name in json.dumps(one):
                    raise Refused(400, "NicInUse", f"{name} is used by {path}")

    def _effects(self, key: str, body: Any) -> None:
        if key.rpartition("/")[0].endswith("/virtualmachines"):
            self._start(key, body)
        if "/vaults/" in key and "/secrets/" in key:
            secret = body["properties"]["value"]
            self.secrets[key] = secret
            place = f"https://vault.example/secrets/{key.rpartition('/')[2]}/1"
            self.resources[key]["properties"] = {"secretUriWithVersion": place}

    def _start(self, key: str, body: Any) -> None:
        """The machine runs: sshd, which lets in whom the machine's body names."""
        properties = body["properties"]
        system = properties["osProfile"]
        disk = properties["storageProfile"]["osDisk"]
        if "managedDisk" in disk:
            place = f"{key.partition('/virtualmachines/')[0]}/disks/{disk['name']}"
            self._store(place, {"location": body["location"], "tags": body.get("tags", {})})
            disk["managedDisk"]["id"] = place
        self.resources[key]["properties"]["instanceView"] = {"hyperVGeneration": "V2"}
        interface = properties["networkProfile"]["networkInterfaces"][0]["id"].lower()
        settings = self.resources[interface]["properties"]["ipConfigurations"][0]["properties"]
        settings["privateIPAddress"] = "127.0.0.1"
        if "publicIPAddress" in settings:
            self.resources[settings["publicIPAddress"]["id"].lower()]["properties"]["ipAddress"] = "127.0.0.1"
        keys = system.get("linuxConfiguration", {}).get("ssh", {}).get("publicKeys", [])
        if not keys:
            return
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        guest = OpenSsh(folder, self.port, ("Subsystem sftp internal-sftp",))
        guest.prepare()
        guest.authorized_keys.write_text("".join(f"{one['keyData']}\n" for one in keys))
        guest.start()
        self.guests[key] = guest

    port = 0

    def _act(self, path: str) -> Told:
        machine, _, action = path.lower().rpartition("/")
        if action == "purge":
            return 202, None, {}
        if machine not in self.resources:
            raise Refused(404, "ResourceNotFound", f"The Resource '{machine}' was not found.")
        inner = self.resources[machine]["properties"]
        if action == "retrievebootdiagnosticsdata":
            return 200, {"serialConsoleLogBlobUri": f"{self.url}/console/1"}, {}
        if action == "deallocate":
            if machine in self.guests:
                self.guests[machine].stop()
            inner["stopped"] = True
            return 202, None, self._begin()
        if not inner.get("stopped"):
            raise Refused(409, "OperationNotAllowed", "The VM is running.")
        if action == "generalize":
            inner["generalized"] = True
            return 200, None, {}
        assert action == "capture", action
        image = {"uri": "https://images.blob.core.windows.net/system/web-os.vhd"}
        captured = {"properties": {"storageProfile": {"osDisk": {"image": image}}}}
        return 200, {"resources": [captured]}, {}

    def _drop(self, key: str) -> None:
        """A resource and what is in it; a machine's disk and interface go with it."""
        gone = [name for name in self.resources if name == key or name.startswith(f"{key}/")]
        for name in gone:
            one = self.resources.pop(name, None)
            if one is None:  # it went with another
                continue
            if name in self.guests:
                self.guests.pop(name).stop()
            inner = one["properties"]
            disk = inner.get("storageProfile", {}).get("osDisk", {}) if "/virtualmachines/" in name else {}
            if disk.get("deleteOption") == "Delete":
                self.resources.pop(disk["managedDisk"]["id"].lower(), None)
            for nic in inner.get("networkProfile", {}).get("networkInterfaces", ()):
                if nic["properties"].get("deleteOption") == "Delete":
                    self._drop_interface(nic["id"].lower())

    def _drop_interface(self, key: str) -> None:
        interface = self.resources.pop(key, None)
        if interface is None:
            return
        address = interface["properties"]["ipConfigurations"][0]["properties"].get("publicIPAddress")
        if address and address["properties"].get("deleteOption") == "Delete":
            self.resources.pop(address["id"].lower(), None)

    # -- the login ----------------------------------------------------------------------------

    def openid(self) -> Any:
        place = f"{self.url}/{TENANT}"
        return {
            "issuer": f"{place}/v2.0",
            "authorization_endpoint": f"{place}/oauth2/v2.0/authorize",
            "token_endpoint": f"{place}/oauth2/v2.0/token",
        }

    def token(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        secret, client = form.get("client_secret", [""])[0], form.get("client_id", [""])[0]
        assertion = form.get("client_assertion", [""])[0]
        if client != CLIENT or (secret != SECRET and not assertion):
            text = "AADSTS7000215: Invalid client secret provided."
            return 401, {"error": "invalid_client", "error_description": text}
        claims = base64.urlsafe_b64encode(json.dumps({"oid": "the-object", "tid": TENANT}).encode()).decode()
        return 200, {
            "access_token": f"e30.{claims.rstrip('=')}.sig",
            "token_type": "Bearer",
            "expires_in": 3600,
        }

    def close(self) -> None:
        for guest in self.guests.values():
            guest.stop()


def _handler(azure: FakeAzure) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            if parts.path.endswith("/.well-known/openid-configuration"):
                self._say(200, azure.openid(), {})
            elif parts.path.endswith("/oauth2/v2.0/token"):
                self._say(*azure.token(parse_qs(content.decode())), {})
            else:
                self._manage(parts.path, dict(parse_qsl(parts.query)), content)

        def _manage(self, path: str, query: dict[str, str], content: bytes) -> None:
            try:
                if path.startswith("/subscriptions") and not self.headers.get("Authorization", "").startswith(
                    "Bearer e30."
                ):
                    raise Refused(401, "AuthenticationFailed", "Authentication failed.")
                body = json.loads(content) if content else None
                self._say(*azure.answer(self.command, path, query, body))
            except Exception as error:  # the fake's own faults must not look like a server that hangs
                refused = error if isinstance(error, Refused) else Refused(400, "Fake", repr(error))
                if refused.status == 0:
                    self.close_connection = True
                    return
                error = {"error": {"code": refused.code, "message": refused.message}}
                self._say(refused.status, error, {"Retry-After": "0"} if refused.status == 429 else {})

        def _say(self, status: int, body: Any, headers: dict[str, str]) -> None:
            content = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            return None

    return Handler


@contextlib.contextmanager
def serve(azure: FakeAzure, authority: trustme.CA) -> Iterator[None]:
    """Over TLS, as the login library demands."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(azure))
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    azure.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        azure.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def azure(tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    """An account with a group for images, a gallery with a definition, and a network."""
    if SSHD is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    fake = FakeAzure(tmp_path / "guests")
    fake.folder.mkdir()
    fake.add("/resourceGroups/images")
    gallery = "/resourceGroups/images/providers/Microsoft.Compute/galleries/main"
    fake.add(gallery)
    fake.add(f"{gallery}/images/web")
    with serve(fake, authority):
        yield fake
