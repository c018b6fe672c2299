"""Keystone and Glance themselves, as their projects publish them, with SQLite and files below them.

Installed on demand into a virtual environment that is kept below `~/.cache/vmforge-tests` (or
`$VMFORGE_TESTS_CACHE`). There is a user `builder` in the project `images`.
"""

from __future__ import annotations

import getpass
import grp
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openssh import accepts, free_port

REGION = "RegionOne"
PASSWORD = "the-builder's-own-password"
_WANTED = ("keystone==30.0.0", "glance==33.0.0", "waitress==3.0.2")
_INSTALL_SECONDS, _START_SECONDS = 900, 90

# The domain that `keystone-manage bootstrap` makes; its `admin` is used for nothing but to set the rest up.
_ADMIN = "the-admin's-own-password"

_SERVE = """
import sys
from waitress import serve
module, port = sys.argv.pop(1), sys.argv.pop(1)
api = __import__(f"{module}.wsgi.api", fromlist=["application"])
serve(api.application, host="127.0.0.1", port=int(port), threads=4)
"""


@dataclass(frozen=True)
class RealCloud:
    identity: str
    image: str
    project: str
    data: Path


def environment() -> Path:
    """The virtual environment with both; skips the test where it cannot be made."""
    cache = Path(os.environ.get("VMFORGE_TESTS_CACHE") or Path.home() / ".cache" / "vmforge-tests")
    place = cache / "openstack"
    if (place / "complete").is_file():
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, capture_output=True)
    done = subprocess.run(
        [place / "bin" / "pip", "install", "--quiet", *_WANTED],
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(place, ignore_errors=True)
        reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        pytest.skip(f"pip cannot install keystone and glance: {reason}")
    (place / "complete").touch()
    return place


@contextmanager
def running(folder: Path) -> Iterator[RealCloud]:
    """Both, running."""
    place = environment()
    ports = (free_port(), free_port())
    identity, image = (f"http://127.0.0.1:{port}" for port in ports)
    _configure(folder, place, identity)
    _bootstrap(folder, place, identity)
    with ExitStack() as stack:
        for module, port in (("keystone", ports[0]), ("glance", ports[1])):
            stack.enter_context(_server(place, folder, module, port))
        project = _populate(identity, image)
        yield RealCloud(f"{identity}/v3", image, project, folder / "images")


def _configure(folder: Path, place: Path, identity: str) -> None:
    for name in ("keystone", "glance", "images", "staging", "tasks"):
        (folder / name).mkdir(parents=True)
    (folder / "keystone" / "keystone.conf").write_text(
        f"""
[database]
connection = sqlite:///{folder}/keystone/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = {folder}/keystone/fernet
[fernet_receipts]
key_repository = {folder}/keystone/fernet
[credential]
key_repository = {folder}/keystone/credential
[cache]
enabled = false
"""
    )
    shutil.copy(place / "etc" / "glance" / "glance-api-paste.ini", folder / "glance")
    (folder / "glance" / "glance-api.conf").write_text(
        f"""
[DEFAULT]
enabled_backends = disk:file
node_staging_uri = file://{folder}/staging
[database]
connection = sqlite:///{folder}/glance/glance.db
[glance_store]
default_backend = disk
[disk]
filesystem_store_datadir = {folder}/images
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
[paste_deploy]
flavor = keystone
config_file = {folder}/glance/glance-api-paste.ini
[keystone_authtoken]
www_authenticate_uri = {identity}/v3
auth_url = {identity}/v3
auth_type = password
username = admin
password = {_ADMIN}
project_name = admin
user_domain_id = default
project_domain_id = default
"""
    )


def _bootstrap(folder: Path, place: Path, identity: str) -> None:
    config = ["--config-file", str(folder / "keystone" / "keystone.conf")]
    owner = ["--keystone-user", getpass.getuser(), "--keystone-group", grp.getgrgid(os.getgid()).gr_name]
    first = ["--bootstrap-password", _ADMIN, "--bootstrap-region-id", REGION]
    for name in ("public", "internal"):
        first += [f"--bootstrap-{name}-url", f"{identity}/v3/"]
    for arguments in (
        ["db_sync"],
        ["fernet_setup", *owner],
        ["credential_setup", *owner],
        ["bootstrap", *first],
    ):
        _run([str(place / "bin" / "keystone-manage"), *config, *arguments])
    config = ["--config-file", str(folder / "glance" / "glance-api.conf")]
    _run([str(place / "bin" / "glance-manage"), *config, "db_sync"])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@contextmanager
def _server(place: Path, folder: Path, module: str, port: int) -> Iterator[None]:
    settings = os.environ | {
        "OS_KEYSTONE_CONFIG_FILES": str(folder / "keystone" / "keystone.conf"),
        "OS_KEYSTONE_CONFIG_DIR": str(folder / "keystone"),
        "OS_GLANCE_CONFIG_DIR": str(folder / "glance"),
    }
    command = [str(place / "bin" / "python"), "-W", "ignore", "-c", _SERVE, module, str(port)]
    with (folder / f"{module}.log").open("wb") as log:
        process = subprocess.Popen(command, env=settings, stderr=log, stdout=log, start_new_session=True)
    try:
        end = time.monotonic() + _START_SECONDS
        while not accepts(port):
            told = (folder / f"{module}.log").read_text()[-3000:]
            assert process.poll() is None and time.monotonic() < end, f"{module} does not start: {told}"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def _populate(identity: str, image: str) -> str:
    """Adds what a cloud's operator would; returns the project's id."""
    admin = _Admin(identity)
    service = admin.add("services", "service", type="image", name="glance")
    admin.add("endpoints", "endpoint", service_id=service, interface="public", url=image, region_id=REGION)
    project = admin.add("projects", "project", name="images", domain_id="default")
    user = admin.add("users", "user", name="builder", password=PASSWORD, domain_id="default")
    roles = admin.ask("GET", "/roles?name=member")[0]["roles"]
    admin.ask("PUT", f"/projects/{project}/users/{user}/roles/{roles[0]['id']}")
    return project


class _Admin:
    """The cloud's operator."""

    def __init__(self, identity: str) -> None:
        self._identity, self._token = identity, ""
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": _ADMIN}
        login = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": "admin", "domain": domain}}
        _, headers = self.ask("POST", "/auth/tokens", {"auth": {"identity": login, "scope": scope}})
        self._token = headers["X-Subject-Token"]

    def add(self, what: str, key: str, **options: str) -> str:
        """Makes something; returns its id."""
        made: str = self.ask("POST", f"/{what}", {key: options})[0][key]["id"]
        return made

    def ask(self, method: str, path: str, body: Any = None) -> tuple[Any, Message]:
        headers = {"Content-Type": "application/json", "X-Auth-Token": self._token}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._identity}/v3{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
            return json.loads(content) if content else None, answer.headers
