"""A counterpart for the Proxmox builders: a server that speaks as much of the API as they use, and sshd.

Paths, parameters, the shapes of answers, tickets and CSRF tokens, API tokens, tasks and their ids, and errors
as reasons in the status line are those of https://pve.proxmox.com/pve-docs/api-viewer/. What it does not
cover: it runs no machine, believes every parameter whose name it knows, has no privileges, and one node only.
"""

from __future__ import annotations

import email.parser
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import trustme

from tests.fakes.hypervisor_builds import running_guest
from tests.fakes.openssh import OpenSsh

NODE = "pve"

# What the call that makes a machine takes; the API refuses others ("property is not defined in schema").
_KNOWN = re.compile(
    r"(vmid|name|description|memory|balloon|cores|sockets|cpu|numa|ostype|bios|machine|scsihw|onboot|kvm|boot|tags"
    r"|args|agent|pool|efidisk0|tpmstate0|rng0|vga|delete|nameserver|searchdomain|sshkeys|ciuser"
    r"|(net|serial|hostpci|ipconfig|ide|sata|scsi|virtio)\d+)"
)


class Refused(Exception):
    def __init__(self, status: int, reason: str, errors: dict[str, str] | None = None) -> None:
        self.status, self.reason, self.errors = status, reason, errors


@dataclass
class Vm:
    config: dict[str, str]
    status: str = "stopped"
    template: bool = False


@dataclass
class Fault:
    """How the next `times` requests that match are answered. `after` does the work all the same."""

    method: str
    path: re.Pattern[str]
    status: int
    reason: str
    times: int = 1
    after: bool = False


@dataclass
class FakeProxmox:
    """The state of a cluster of one node. `task_polls` is for how many looks at it a task runs on."""

    address: str = "127.0.0.1"
    vms: dict[int, Vm] = field(default_factory=dict)
    isos: dict[str, bytes] = field(default_factory=dict)
    tasks: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    logins: int = 0
    tickets: set[str] = field(default_factory=set)
    failing_tasks: dict[str, str] = field(default_factory=dict)
    task_polls: int = 0
    agent_polls: int = 0
    stuck_guest: bool = False
    on_call: Callable[[str, str], None] = lambda method, path: None
    url: str = ""
    ca: Path = Path()

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self._count = 0

    def fail(
        self, method: str, path: str, status: int, reason: str, times: int = 1, *, after: bool = False
    ) -> None:
        self.faults.append(Fault(method, re.compile(path), status, reason, times, after))

    def put(self, number: int, config: dict[str, str], *, template: bool = True) -> Vm:
        """A machine that is there already."""
        self.vms[number] = Vm(config, template=template)
        return self.vms[number]

    def writes(self) -> str:
        """What was changed, as text: a call in a line."""
        shown = [
            f"{method} {path}" + "".join(f"\n    {name} = {value}" for name, value in sorted(sent.items()))
            for method, path, sent in self.calls
            if method != "GET" and "ticket" not in path and "sendkey" not in path
        ]
        return re.sub("AAAAC3[^ \n]+", "KEY", "\n".join(shown)) + "\n"

    # -- answering

    def answer(self, method: str, path: str, sent: dict[str, str], login: str) -> Any:
        fault = self._fault(method, path)
        if fault is not None and not fault.after:
            raise Refused(fault.status, fault.reason)
        self._check_login(method, path, login)
        for known, pattern, handle in self._routes():
            if known == method and (found := re.fullmatch(pattern, path)):
                answered = handle(sent, *found.groups())
                if fault is not None:
                    raise Refused(fault.status, fault.reason)
                return answered
        raise Refused(501, f"Method '{method} /{path}' not implemented")

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    def _check_login(self, method: str, path: str, login: str) -> None:
        if path == "access/ticket":
            return
        kind, _, secret = login.partition(" ")
        if kind == "token" and secret != "root@pam!packer=right":
            raise Refused(401, "invalid token value!")
        if kind == "none" or (kind == "ticket" and secret not in self.tickets):
            raise Refused(401, "permission denied - invalid PVE ticket")
        if kind == "uncsrf" and method != "GET":
            raise Refused(401, "Permission denied - invalid csrf token")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        vm = rf"nodes/{NODE}/qemu/(\d+)"
        storage = rf"nodes/{NODE}/storage/(\w+)"
        return [
            ("POST", "access/ticket", self._log_in),
            ("GET", "version", lambda sent: {"version": "8.2.4"}),
            ("GET", "nodes", lambda sent: [{"node": NODE, "status": "online"}]),
            (
                "GET",
                "cluster/nextid",
                lambda sent: str(next(n for n in range(100, 999) if n not in self.vms)),
            ),
            ("GET", "cluster/resources", self._resources),
            ("GET", f"nodes/{NODE}/qemu", lambda sent: [{"vmid": n} for n in self.vms]),
            ("POST", f"nodes/{NODE}/qemu", self._create),
            ("GET", f"{vm}/config", lambda sent, n: {**self._vm(n).config}),
            ("POST", f"{vm}/config", self._change),
            ("GET", f"{vm}/status/current", lambda sent, n: {"status": self._vm(n).status}),
            ("POST", f"{vm}/status/(start|shutdown|stop)", self._power),
            ("POST", f"{vm}/clone", self._clone),
            ("POST", f"{vm}/template", self._template),
            ("PUT", f"{vm}/sendkey", lambda sent, n: self.typed.append(sent["key"])),
            ("GET", f"{vm}/agent/network-get-interfaces", self._interfaces),
            ("DELETE", vm, self._delete),
            ("GET", f"nodes/{NODE}/storage", lambda sent: [{"storage": "local", "active": 1}]),
            ("GET", f"{storage}/content", lambda sent, s: self._content(s)),
            ("POST", f"{storage}/upload", self._upload),
            ("POST", f"{storage}/download-url", self._download),
            ("DELETE", f"{storage}/content/(.+)", self._delete_iso),
            ("GET", rf"nodes/{NODE}/tasks/([^/]+)/status", self._task_status),
            ("GET", rf"nodes/{NODE}/tasks/([^/]+)/log", lambda sent, upid: [{"n": 1, "t": "the task's log"}]),
            ("DELETE", rf"nodes/{NODE}/tasks/([^/]+)", self._stop_task),
        ]

    def _log_in(self, sent: dict[str, str]) -> Any:
        if sent.get("password") not in ("right", *self.tickets):
            raise Refused(401, "authentication failure")
        self.logins += 1
        ticket = f"PVE:{sent['username']}:{self.logins:08X}::signature"
        self.tickets.add(ticket)
        return {"ticket": ticket, "CSRFPreventionToken": "csrf", "username": sent["username"]}

    def _resources(self, sent: dict[str, str]) -> Any:
        return [
            {
                "vmid": n,
                "name": vm.config.get("name"),
                "node": NODE,
                "template": int(vm.template),
                "type": "qemu",
            }
            for n, vm in self.vms.items()
        ]

    def _vm(self, number: str) -> Vm:
        if int(number) not in self.vms:
            raise Refused(500, f"Configuration file 'nodes/{NODE}/qemu-server/{number}.conf' does not exist")
        return self.vms[int(number)]

    def _check(self, sent: dict[str, str]) -> None:
        strange = {name: "property is not defined in schema" for name in sent if not _KNOWN.fullmatch(name)}
        if strange:
            raise Refused(400, "Parameter verification failed.", strange)

    def _create(self, sent: dict[str, str]) -> str:
        self._check(sent)
        number = int(sent["vmid"])
        if number in self.vms:
            raise Refused(500, f"unable to create VM {number}: config file already exists")
        self.vms[number] = Vm({name: value for name, value in sent.items() if name not in ("vmid", "pool")})
        return self._task("qmcreate")

    def _change(self, sent: dict[str, str], number: str) -> str:
        self._check(sent)
        config = self._vm(number).config
        for name in filter(None, sent.pop("delete", "").split(",")):
            config.pop(name, None)
        config.update(sent)
        return self._task("qmconfig")

    def _power(self, sent: dict[str, str], number: str, what: str) -> str:
        vm = self._vm(number)
        if what == "shutdown" and self.stuck_guest:
            return self._task("qmshutdown")
        vm.status = "running" if what == "start" else "stopped"
        return self._task(f"qm{what}")

    def _clone(self, sent: dict[str, str], number: str) -> str:
        origin, new = self._vm(number), int(sent["newid"])
        if new in self.vms:
            raise Refused(500, f"unable to create VM {new}: config file already exists")
        self.vms[new] = Vm(
            {**origin.config, "name": sent["name"], "description": sent.get("description", "")}
        )
        return self._task("qmclone")

    def _template(self, sent: dict[str, str], number: str) -> str:
        self._vm(number).template = True
        return self._task("qmtemplate")

    def _interfaces(self, sent: dict[str, str], number: str) -> Any:
        if self._vm(number).status != "running":
            raise Refused(500, f"VM {number} is not running")
        if self.agent_polls:
            self.agent_polls -= 1
            raise Refused(500, "QEMU guest agent is not running")
        loopback = {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1", "ip-address-type": "ipv4"}]}
        card = {
            "name": "eth0",
            "ip-addresses": [{"ip-address": "fe80::1%eth0"}, {"ip-address": self.address}],
        }
        return {"result": [loopback, card]}

    def _delete(self, sent: dict[str, str], number: str) -> str:
        if self._vm(number).status == "running":
            raise Refused(500, f"VM {number} is running - destroy failed")
        del self.vms[int(number)]
        return self._task("qmdestroy")

    def _content(self, storage: str) -> Any:
        return [
            {"volid": name, "size": len(content), "content": "iso"}
            for name, content in self.isos.items()
            if name.startswith(f"{storage}:")
        ]

    def _upload(self, sent: dict[str, str], storage: str) -> str:
        self.isos[f"{storage}:iso/{sent['filename']}"] = sent["content-of-file"].encode("latin-1")
        return self._task("imgcopy")

    def _download(self, sent: dict[str, str], storage: str) -> str:
        self.isos[f"{storage}:iso/{sent['filename']}"] = b"downloaded"
        return self._task("download")

    def _delete_iso(self, sent: dict[str, str], storage: str, volume: str) -> str:
        if unquote(volume) not in self.isos:
            raise Refused(500, f"unable to delete '{volume}': does not exist")
        del self.isos[unquote(volume)]
        return self._task("imgdel")

    def _task(self, kind: str) -> str:
        self._count += 1
        upid = f"UPID:{NODE}:{self._count:08X}:00001000:67000000:{kind}:100:root@pam:"
        self.tasks[upid] = [self.task_polls, self.failing_tasks.get(kind, "OK")]
        return upid

    def _task_status(self, sent: dict[str, str], upid: str) -> Any:
        task = self.tasks[unquote(upid)]
        if task[0]:
            task[0] -= 1
            return {"status": "running"}
        return {"status": "stopped", "exitstatus": task[1]}

    def _stop_task(self, sent: dict[str, str], upid: str) -> None:
        self.tasks[unquote(upid)] = [0, "interrupted by signal"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeProxmox

    def _serve(self) -> None:
        url = urlsplit(self.path)
        path = url.path.removeprefix("/api2/json/")
        sent = dict(parse_qsl(url.query)) | self._body()
        shown = {name: value for name, value in sent.items() if name != "content-of-file"}
        self.fake.on_call(self.command, path)
        with self.fake.lock:
            self.fake.calls.append((self.command, unquote(path), shown))
            try:
                status, reason, answer = (
                    200,
                    "OK",
                    {"data": self.fake.answer(self.command, unquote(path), sent, self._login())},
                )
            except Refused as refused:
                status, reason, answer = refused.status, refused.reason, {"data": None}
                if refused.errors:
                    answer["errors"] = refused.errors
        content = json.dumps(answer).encode()
        self.send_response(status, reason)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def _login(self) -> str:
        authorization = self.headers.get("Authorization", "")
        if authorization.startswith("PVEAPIToken="):
            return f"token {authorization.removeprefix('PVEAPIToken=')}"
        cookie = unquote(self.headers.get("Cookie", "")).strip('"')
        if not cookie.startswith("PVEAuthCookie="):
            return "none"
        if self.command != "GET" and self.headers.get("CSRFPreventionToken") != "csrf":
            return "uncsrf"
        return f"ticket {cookie.removeprefix('PVEAuthCookie=').strip(chr(34))}"

    def _body(self) -> dict[str, str]:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            return dict(parse_qsl(body.decode(), keep_blank_values=True))
        message = email.parser.BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        found: dict[str, str] = {}
        for part in message.get_payload():  # type: ignore[union-attr]
            name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
            payload = part.get_payload(decode=True).decode("latin-1")  # type: ignore[union-attr]
            if file := part.get_filename():  # type: ignore[union-attr]
                found |= {"filename": file, "content-of-file": payload}
            else:
                found[str(name)] = payload
        return found

    def log_message(self, *arguments: object) -> None:
        return None


@pytest.fixture
def proxmox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProxmox]:
    """A cluster, whose certificate is trusted."""
    fake = FakeProxmox()
    authority = trustme.CA()
    fake.ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(fake.ca))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(fake.ca))
    for name in ("PROXMOX_URL", "PROXMOX_USERNAME", "PROXMOX_PASSWORD", "PROXMOX_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    fake.url = f"https://127.0.0.1:{server.server_port}/api2/json"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    with running_guest(tmp_path_factory.mktemp("guest")) as guest:
        yield guest
