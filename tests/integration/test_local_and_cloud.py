"""The local hypervisor and a cloud in one template: the same provisioners, side by side, one download."""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.fakes.openssh import USER, free_port
from tests.integration.conftest import Vmforge
from tests.vmforge.builders.azure.conftest import (
    CLIENT,
    SECRET,
    SUBSCRIPTION,
    TENANT,
    FakeAzure,
    authority,
    azure,
)

pytestmark = pytest.mark.machine
__all__ = ["authority", "azure"]  # fixtures

_TEMPLATE = """
source "qemu" "a" {
  iso_url          = "%(iso)s"
  iso_checksum     = "none"
  http_content     = { "/tiny.cfg" = "hostname=tiny\\nuser=forge\\npassword=secret-of-forge\\n" }
  disk_size        = "512M"
  memory           = 512
  headless         = true
  boot_wait        = "3s"
  boot_command     = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg<enter>"]
  ssh_username     = "forge"
  ssh_password     = "secret-of-forge"
  shutdown_command = "sudo poweroff"
}

source "azure-arm" "b" {
  metadata_host                     = "%(azure)s"
  subscription_id                   = "%(subscription)s"
  tenant_id                         = "%(tenant)s"
  client_id                         = "%(client)s"
  image_publisher                   = "Debian"
  image_offer                       = "debian-12"
  image_sku                         = "12-gen2"
  os_type                           = "Linux"
  location                          = "westeurope"
  managed_image_name                = "web"
  managed_image_resource_group_name = "images"
  ssh_username                      = "%(user)s"
  ssh_port                          = %(port)d
  temporary_key_pair_bits           = 2048
}

build {
  sources = ["source.qemu.a", "source.azure-arm.b"]
  source "source.qemu.a" {
    name             = "again"
    output_directory = "output-again"
  }
  provisioner "shell" {
    inline = ["echo ${source.name} on ${source.type}: $(uname -s)"]
  }
  post-processor "manifest" {}
}
"""


class _Counting(SimpleHTTPRequestHandler):
    fetched: list[str] = []

    def do_GET(self) -> None:
        self.fetched.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def mirror(guest_iso: Path) -> Iterator[str]:
    """A web server with the guest's ISO."""
    handler = functools.partial(_Counting, directory=str(guest_iso.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    _Counting.fetched.clear()
    yield f"http://127.0.0.1:{server.server_port}/{guest_iso.name}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_template_for_both(vmforge: Vmforge, azure: FakeAzure, mirror: str) -> None:
    azure.port = free_port()
    values = {"iso": mirror, "azure": azure.url, "subscription": SUBSCRIPTION, "tenant": TENANT}
    values |= {"client": CLIENT, "user": USER, "port": azure.port}
    (vmforge.folder / "both.pkr.hcl").write_text(_TEMPLATE % values)
    login = {"ARM_CLIENT_SECRET": SECRET, "REQUESTS_CA_BUNDLE": os.environ["REQUESTS_CA_BUNDLE"]}
    built = vmforge.start("build", "both.pkr.hcl", environment=login).finish()
    assert built.status == 0, built.out + built.err
    for name, platform in (("qemu.a", "qemu"), ("qemu.again", "qemu"), ("azure-arm.b", "azure-arm")):
        source = name.partition(".")[2]
        assert f"    {name}: {source} on {platform}: Linux\n" in built.out
    assert len(_Counting.fetched) == 1
    builds = json.loads((vmforge.folder / "packer-manifest.json").read_text())["builds"]
    assert sorted(build["builder_type"] for build in builds) == ["azure-arm", "qemu", "qemu"]
    [image] = [build["artifact_id"] for build in builds if build["builder_type"] == "azure-arm"]
    assert image.lower() in azure.resources
