"""Whole builds in a fake of Google Cloud, by the command as users run it: the guests are real SSH servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.google_cloud import FakeGoogle, Request
from tests.integration.conftest import Vmforge
from tests.vmforge.builders.googlecompute.conftest import Writer

SHELL = """
  provisioner "shell" {
    inline = ["echo provisioned in ${build.ID} at ${build.Host} > $HOME/done", "cat $HOME/done"]
  }
"""


def images(google: FakeGoogle) -> list[str]:
    return [str(image["name"]) for image in google.of_kind("images")]


def test_a_build(google: FakeGoogle, vmforge: Vmforge, template: Writer) -> None:
    template(build=SHELL)
    ended = vmforge.run("build", "base.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    assert "provisioned in vmforge-" in ended.out
    assert "A disk image was created in the 'acme' project: web-1" in ended.out
    assert images(google) == ["web-1"]
    assert google.of_kind("images")[0]["labels"] == {}
    assert google.left == []
    assert not google.guest.is_running


def test_a_build_by_os_login(google: FakeGoogle, vmforge: Vmforge, template: Writer) -> None:
    template('use_os_login = true\n  ssh_username = "whoever"', SHELL)
    text = (vmforge.folder / "base.pkr.hcl").read_text().replace('  ssh_username        = "root"\n', "")
    (vmforge.folder / "base.pkr.hcl").write_text(text)
    ended = vmforge.run("build", "base.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    assert "SSH: `root` is logged in" in ended.out
    assert images(google) == ["web-1"]
    assert google.left == []


def test_a_startup_script_is_waited_for(google: FakeGoogle, vmforge: Vmforge, template: Writer) -> None:
    (vmforge.folder / "start.sh").write_text("#!/bin/sh\necho installing things\n")
    template('startup_script_file = "start.sh"', SHELL)
    ended = vmforge.run("build", "base.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    assert "waiting for the startup script" in ended.out


def test_a_startup_script_that_fails(google: FakeGoogle, vmforge: Vmforge, template: Writer) -> None:
    (vmforge.folder / "start.sh").write_text("echo no such package >&2; exit 7\n")
    template('startup_script_file = "start.sh"')
    ended = vmforge.run("build", "base.pkr.hcl")
    assert ended.status == 1
    assert "the startup script ended with status 7" in ended.err
    assert "startup-script: no such package" in ended.err
    assert (images(google), google.left) == ([], [])


GCLOUD = """#!/usr/bin/env python3
import os, shutil, socket, sys, threading
assert sys.argv[1:3] == ["compute", "start-iap-tunnel"], sys.argv
port = int(next(a for a in sys.argv if a.startswith("--local-host-port=")).rpartition(":")[2])
assert open(os.environ["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]).read() == "ya29.test-token"
server = socket.create_server(("127.0.0.1", port))
print(f"Testing if tunnel connection works.\\nListening on port [{port}].", file=sys.stderr, flush=True)
def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)
while True:
    near, _ = server.accept()
    far = socket.create_connection(("127.0.0.1", int(sys.argv[4])))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


@pytest.fixture
def gcloud(vmforge: Vmforge) -> Path:
    """A program of that name which opens tunnels to this machine."""
    folder = vmforge.folder / "bin"
    folder.mkdir()
    (folder / "gcloud").write_text(GCLOUD)
    (folder / "gcloud").chmod(0o755)
    vmforge.environment["PATH"] = f"{folder}:{vmforge.environment['PATH']}"
    return folder / "gcloud"


def test_a_build_through_a_tunnel(
    google: FakeGoogle, vmforge: Vmforge, template: Writer, gcloud: Path
) -> None:
    template("use_iap = true\n  omit_external_ip = true\n  iap_tunnel_launch_wait = 60", SHELL)
    ended = vmforge.run("build", "base.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    assert "Opening the tunnel" in ended.out
    assert images(google) == ["web-1"]
    assert google.left == []


def test_a_tunnel_that_does_not_open(
    google: FakeGoogle, vmforge: Vmforge, template: Writer, gcloud: Path
) -> None:
    gcloud.write_text("#!/bin/sh\necho 'ERROR: (4033) not authorized' >&2\nexit 1\n")
    template("use_iap = true\n  iap_localhost_port = 34567")
    ended = vmforge.run("build", "base.pkr.hcl")
    assert ended.status == 1
    assert "there is no tunnel to the instance: `gcloud` ended with status 1" in ended.err
    assert "ERROR: (4033) not authorized" in ended.err
    assert "IAP-secured Tunnel User" in ended.err
    assert google.left == []


def test_ctrl_c(google: FakeGoogle, vmforge: Vmforge, template: Writer) -> None:
    template(build='provisioner "shell" { inline = ["echo at work", "sleep 1000"] }')
    running = vmforge.start("build", "base.pkr.hcl")
    running.wait_for("at work")
    assert google.left != []
    running.interrupt()
    assert running.finish().status == 130
    assert (images(google), google.left, google.guest.is_running) == ([], [], False)


# At each of these, a build is killed: what it asked for last is done all the same.
MOMENTS = ["compute.instances.insert", "compute.instances.stop", "compute.images.insert"]


@pytest.fixture(params=MOMENTS)
def killed(request: pytest.FixtureRequest, google: FakeGoogle, vmforge: Vmforge, template: Writer) -> Vmforge:
    template('disk_attachment {\n    volume_type = "pd-ssd"\n    volume_size = 10\n  }')
    running = vmforge.start("build", "base.pkr.hcl")

    def kill(asked: Request) -> None:
        if asked.method == request.param:
            google.on_request = lambda request: None
            running.kill()

    google.on_request = kill
    running.finish()
    assert google.left != []
    return vmforge


def test_the_next_build_deletes_what_a_killed_one_left(google: FakeGoogle, killed: Vmforge) -> None:
    left = google.left
    ended = killed.run("build", "base.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    assert all(f"`{name}`" in ended.out for name in left if not name.endswith("-1"))
    assert (images(google), google.left) == (["web-1"], [])


def test_cleanup_deletes_what_a_killed_build_left(google: FakeGoogle, killed: Vmforge) -> None:
    found = json.loads(killed.run("cleanup", "--cloud", "base.pkr.hcl", "--json").out)
    assert sorted(thing["id"] for thing in found) == sorted(google.left)
    assert {thing["owner"] for thing in found} == {"killed"}
    ended = killed.run("cleanup", "--cloud", "base.pkr.hcl", "--yes")
    assert ended.status == 0, ended.out + ended.err
    assert (images(google), google.left) == ([], [])


def test_validating_loads_no_library_of_the_cloud(vmforge: Vmforge, template: Writer) -> None:
    template(build='post-processor "googlecompute-export" { paths = ["gs://images/web.tar.gz"] }')
    ended = vmforge.run("validate", "base.pkr.hcl", environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert ended.status == 0, ended.out
    loaded = {line.rpartition("|")[2].strip() for line in ended.err.splitlines() if "import time:" in line}
    assert "vmforge.builders.googlecompute.config" in loaded
    assert loaded & {"google.auth", "requests", "paramiko", "cryptography.x509"} == set()
