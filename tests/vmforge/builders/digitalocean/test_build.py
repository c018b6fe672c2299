"""Whole builds in a fake of DigitalOcean, by the command as users run it: the guests are real SSH servers."""

from __future__ import annotations

import json

import pytest

from tests.fakes.digital_ocean import FakeDigitalOcean, Request
from tests.integration.conftest import Vmforge
from tests.vmforge.builders.digitalocean.conftest import Writer

SHELL = """
  provisioner "shell" {
    inline = ["echo provisioned in ${build.ID} at ${build.Host} > $HOME/done", "cat $HOME/done"]
  }
"""


def snapshots(cloud: FakeDigitalOcean) -> list[str]:
    return [str(image["name"]) for image in cloud.snapshots]


def test_a_build(cloud: FakeDigitalOcean, vmforge: Vmforge, template: Writer) -> None:
    template('snapshot_regions = ["ams3", "nyc3"]', SHELL)
    ended = vmforge.run("build", "base.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    assert "at 127.0.0.1" in ended.out
    assert "A snapshot was created: 'web 1' (ID: " in ended.out
    assert "in regions 'nyc3,ams3'" in ended.out
    assert snapshots(cloud) == ["web 1"]
    assert cloud.snapshots[0]["regions"] == ["nyc3", "ams3"]
    assert cloud.left == []
    assert not cloud.guest.is_running


def test_ctrl_c(cloud: FakeDigitalOcean, vmforge: Vmforge, template: Writer) -> None:
    template(build='provisioner "shell" { inline = ["echo at work", "sleep 1000"] }')
    running = vmforge.start("build", "base.pkr.hcl")
    running.wait_for("at work")
    assert cloud.left != []
    running.interrupt()
    assert running.finish().status == 130
    assert (snapshots(cloud), cloud.left, cloud.guest.is_running) == ([], [], False)


# At each of these, a build is killed: what it asked for last is done all the same.
MOMENTS = ["POST account/keys", "POST droplets", "POST droplets/{}/actions snapshot", "PUT images/{}"]


@pytest.fixture(params=MOMENTS)
def killed(
    request: pytest.FixtureRequest, cloud: FakeDigitalOcean, vmforge: Vmforge, template: Writer
) -> Vmforge:
    template()
    running = vmforge.start("build", "base.pkr.hcl")
    endpoint = request.param.removesuffix(" snapshot")

    def kill(asked: Request) -> None:
        wanted = asked.endpoint == endpoint
        if wanted and ("snapshot" not in request.param or asked.body["type"] == "snapshot"):
            cloud.on_request = lambda request: None
            running.kill()

    cloud.on_request = kill
    running.finish()
    assert cloud.left != []
    return vmforge


def test_the_next_build_deletes_what_a_killed_one_left(cloud: FakeDigitalOcean, killed: Vmforge) -> None:
    ended = killed.run("build", "base.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    assert "deleting what a killed build left" in ended.out
    assert (set(snapshots(cloud)), cloud.left) == ({"web 1"}, [])


def test_cleanup_deletes_what_a_killed_build_left(cloud: FakeDigitalOcean, killed: Vmforge) -> None:
    found = json.loads(killed.run("cleanup", "--cloud", "base.pkr.hcl", "--json").out)
    assert {thing["owner"] for thing in found} == {"killed"}
    ended = killed.run("cleanup", "--cloud", "base.pkr.hcl", "--yes")
    assert ended.status == 0, ended.out + ended.err
    assert cloud.left == []


def test_validating_loads_no_library_of_the_cloud(vmforge: Vmforge, template: Writer) -> None:
    template()
    ended = vmforge.run("validate", "base.pkr.hcl", environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert ended.status == 0, ended.out
    loaded = {line.rpartition("|")[2].strip() for line in ended.err.splitlines() if "import time:" in line}
    assert "vmforge.builders.digitalocean.config" in loaded
    assert loaded & {"boto3", "requests", "paramiko", "cryptography.x509"} == set()
