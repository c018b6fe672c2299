"""The fake cloud with a project's usual contents, and the command that builds in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openssh import SSHD, USER, free_port
from tests.integration.conftest import Vmforge
from tests.vmforge.builders.openstack.fake_cloud import PASSWORD, PROJECT, FakeOpenStack, serve
from tests.vmforge.builders.openstack.fake_cloud import USER as CLOUD_USER

INNER, OUTER = "net-inner", "net-outer"
SOURCE = "11111111-1111-4111-8111-111111111111"


def _fill(cloud: FakeOpenStack) -> None:
    """What was there before."""
    for number, name in enumerate(("tiny", "small", "m1.large"), 1):
        cloud.add("flavors", {"id": str(number), "name": name})
    inner = {"id": INNER, "name": "private", "router:external": False, "address": "127.0.0.1"}
    cloud.add("networks", inner)
    cloud.add("networks", {"id": OUTER, "name": "public", "router:external": True})
    cloud.add("subnets", {"id": "s1", "network_id": INNER, "cidr": "10.1.2.0/24"})
    debian = {
        "name": "debian-12",
        "status": "active",
        "visibility": "public",
        "owner": "operator",
        "tags": ["lts"],
    }
    cloud.add(
        "images", {"id": SOURCE, **debian, "created_at": "2025-01-01", "min_disk": 3, "os_distro": "debian"}
    )
    cloud.add("images", {"id": "old", **debian, "created_at": "2024-01-01"})
    cloud.add("images", {"id": "other", **debian, "name": "ubuntu", "tags": []})
    cloud.add("keypairs", {"id": "mine", "name": "mine", "public_key": "ssh-ed25519 AAAA"})
    cloud.settle()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[FakeOpenStack]:
    if SSHD is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    fake = FakeOpenStack(tmp_path / "guests", port=free_port())
    _fill(fake)
    with serve(fake):
        yield fake


@pytest.fixture
def vmforge(tmp_path: Path, cloud: FakeOpenStack) -> Vmforge:
    """The command, and a template that builds in the fake."""
    folder = tmp_path / "work"
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    kept |= {"VMFORGE_STATE_DIR": str(tmp_path / "state"), "VMFORGE_CACHE_DIR": str(tmp_path / "cache")}
    kept |= {"OS_PASSWORD": PASSWORD, "HOME": str(tmp_path / "home")}
    write(folder, cloud)
    return Vmforge(folder, kept)


def login(cloud: FakeOpenStack) -> dict[str, Any]:
    return {
        "identity_endpoint": f"{cloud.url}/identity/v3",
        "username": CLOUD_USER,
        "tenant_id": PROJECT,
        "domain_name": "Default",
        "region": "one",
    }


def write(folder: Path, cloud: FakeOpenStack, script: str = "uname -s", /, **changes: Any) -> None:
    """The template, its options changed; one that is None is left out."""
    options = {
        **login(cloud),
        "flavor": "m1.large",
        "source_image_name": None,
        "source_image": SOURCE,
        "image_name": "web",
        "networks": [INNER],
        "ssh_username": USER,
        "ssh_port": cloud.port,
        "ssh_timeout": "30s",
    } | changes
    source = {name: value for name, value in options.items() if value is not None}
    build = {"sources": ["openstack.web"], "provisioner": [{"shell": {"inline": [script]}}]}
    template = {"source": {"openstack": {"web": source}}, "build": [build]}
    (folder / "web.pkr.json").write_text(json.dumps(template, indent=1))


def made(cloud: FakeOpenStack) -> dict[str, Any]:
    """The one image that a build has made."""
    (image,) = [one for one in cloud.of("images").values() if one["owner"] == PROJECT]
    return image
