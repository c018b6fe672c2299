"""Whatever goes wrong in a build in OpenStack, nothing is left."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.integration.conftest import Vmforge
from tests.vmforge.builders.openstack.conftest import write
from tests.vmforge.builders.openstack.fake_cloud import PASSWORD, FakeOpenStack, Fault, wait_for_call

NO_HOST = "No valid host was found. There are not enough hosts available."


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        (
            Fault("POST", "/servers$", 403, "Quota exceeded for cores", 99),
            "Quota exceeded for cores",
            "quota",
        ),
        (Fault("POST", "/servers$", 0, times=99), "Nova does not answer", ""),
        (Fault("POST", "/servers$", 0, after=True), "Nova does not answer", ""),
        (Fault("POST", "/os-keypairs$", 500, "no database", after=True), "no database", ""),
        (Fault("POST", "/floatingips$", 409, "No more IP addresses", 99), "No more IP addresses", ""),
        (Fault("POST", "/floatingips$", 0, after=True), "Neutron does not answer", ""),
        (Fault("POST", "/action$", 400, "stopping failed", 99), "stopping failed", ""),
        (Fault("PATCH", "/images/", 413, "Too many properties", 99), "Too many properties", ""),
        (Fault("GET", "/flavors", 401, "go away", 99), "go away", "openstack token issue"),
    ],
    ids=["quota", "down", "lost-server", "lost-key", "no-address", "lost-address", "stop", "image", "401"],
)
def test_nothing_is_left_of_a_build_that_fails(
    vmforge: Vmforge, cloud: FakeOpenStack, fault: Fault, message: str, hint: str
) -> None:
    write(vmforge.folder, cloud, floating_ip_network="public")
    cloud.faults.append(fault)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1
    assert message in built.err and hint in built.err, built.err
    assert cloud.left() == []


@pytest.mark.parametrize("volume", [False, True])
def test_an_image_that_fails_half_made(vmforge: Vmforge, cloud: FakeOpenStack, volume: bool) -> None:
    write(vmforge.folder, cloud, use_blockstorage_volume=volume)

    def kill() -> None:
        for image in cloud.of("images").values():
            if image["status"] == "queued":
                image["status"] = "killed"
                cloud.pending.pop(image["id"], None)
        for disk in cloud.of("volumes").values():
            disk["status"] = "available"

    cloud.polls = 3
    cloud.faults.append(Fault("GET", r"/images/[0-9a-f]{8}-(?!1111)[^/]+$", 503, then=kill, times=1))
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "could not be made: it is killed" in built.err, built.err
    assert cloud.left() == []


def test_no_host_has_room(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    cloud.fault_of_servers = NO_HOST
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1
    assert f"Nova could not run the server: {NO_HOST.rstrip('.')}" in built.err
    assert "set another `flavor` or `availability_zone`, or try it later" in built.err
    assert cloud.left() == []


def test_a_volume_that_is_too_small(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write(vmforge.folder, cloud, use_blockstorage_volume=True, volume_size=1)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "set `volume_size`" in built.err
    assert cloud.left() == []


@pytest.mark.parametrize("status", [429, 503, 500, 0])
def test_faults_that_pass(vmforge: Vmforge, cloud: FakeOpenStack, status: int) -> None:
    asked = [("GET", "/flavors"), ("GET", "/servers/"), ("PATCH", "/images/"), ("DELETE", "/servers/")]
    if status in (429, 503):  # what says that nothing was done
        asked += [("POST", "/servers$"), ("POST", "/auth/tokens")]
    cloud.faults += [Fault(method, path, status, times=2) for method, path in asked]
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert cloud.left() == ["images/web"]
    assert all(fault.times == 0 for fault in cloud.faults)


def test_what_is_made_is_known_a_little_later(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    cloud.lag, cloud.polls = 2, 2
    write(vmforge.folder, cloud, use_blockstorage_volume=True)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert cloud.left() == ["images/web"]


def test_a_token_that_runs_out(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    cloud.faults.append(Fault("POST", "/action$", 503, then=cloud.tokens.clear))
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert cloud.logins == 2


def test_an_image_that_may_not_be_public(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    cloud.may_publish = False
    write(vmforge.folder, cloud, image_visibility="public")
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1
    assert "publicize_image" in built.err and "not everyone may make an image public" in built.err
    assert cloud.left() == []


def test_the_server_ends_while_it_is_waited_for(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    def end() -> None:
        for server in cloud.of("servers").values():
            server["status"] = "SHUTOFF"

    write(vmforge.folder, cloud, ssh_port=1, floating_ip_network="public")
    cloud.faults.append(Fault("POST", "/floatingips$", 0, times=0))
    cloud.faults.append(Fault("GET", "/ports$", 503, then=end))
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "is SHUTOFF" in built.err, built.err
    assert cloud.left() == []


def test_no_such_things(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    for changes, message in (
        ({"flavor": "huge"}, "there is no flavor `huge`"),
        ({"source_image": "nope"}, "there is no image `nope`"),
        ({"floating_ip_network": "moon"}, "there is no external network `moon`"),
        ({"floating_ip": "192.0.2.1"}, "there is no floating address `192.0.2.1`"),
        ({"networks": None, "network_discovery_cidrs": ["10.77.0.0/16"]}, "no network has a subnet within"),
        ({"region": "two"}, "the cloud has no service `compute` (Nova)"),
    ):
        write(vmforge.folder, cloud, **changes)
        built = vmforge.run("build", "web.pkr.json")
        assert built.status == 1 and message in built.err, built.err
        assert "hint:" in built.err
    assert not any(call.startswith("POST /compute") for call in cloud.calls)


def test_a_cloud_without_volumes(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    cloud.has_volumes = False
    cloud.faults.append(Fault("POST", "/servers$", 400, "no", 1))
    built = vmforge.run("build", "web.pkr.json")  # what a failed build left is looked for everywhere
    assert built.status == 1 and "Cinder" not in built.out + built.err
    assert cloud.left() == []


@pytest.mark.parametrize("where", ["provisioning", "booting"])
def test_ctrl_c(vmforge: Vmforge, cloud: FakeOpenStack, where: str) -> None:
    write(vmforge.folder, cloud, "echo here; sleep 600", floating_ip_network="public")
    if where == "booting":
        cloud.polls = 100000
    running = vmforge.start("build", "web.pkr.json")
    if where == "booting":
        wait_for_call(cloud, "GET /compute/v2.1/servers/")
        cloud.polls = 1
    else:
        running.wait_for("here")
    os.kill(running.process.pid, signal.SIGINT)
    assert running.finish().status == 130
    assert cloud.left() == []


@pytest.mark.parametrize("how", ["build", "cleanup"])
@pytest.mark.parametrize("volume", [False, True])
def test_what_a_killed_build_left_is_deleted(
    vmforge: Vmforge, cloud: FakeOpenStack, how: str, volume: bool
) -> None:
    changes = {"use_blockstorage_volume": volume, "floating_ip_network": "public"}
    write(vmforge.folder, cloud, "echo here; sleep 600", **changes)
    running = vmforge.start("build", "web.pkr.json")
    running.wait_for("here")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    kinds = {name.partition("/")[0] for name in cloud.left()}
    assert kinds == {"servers", "keypairs", "floatingips", "ports"} | ({"volumes"} if volume else set())
    for guest in cloud.guests.values():
        guest.stop()
    write(vmforge.folder, cloud, **changes)
    if how == "build":
        built = vmforge.run("build", "web.pkr.json")
        assert built.status == 0, built.out + built.err
        assert "deleting what a killed build left: server" in built.out
        assert cloud.left() == ["images/web"]
        return
    listed = vmforge.run("cleanup", "--cloud", "--json", "web.pkr.json")
    assert {one["owner"] for one in json.loads(listed.out)} == {"killed"}, listed.err
    cleaned = vmforge.run("cleanup", "--cloud", "--yes", "web.pkr.json")
    assert cleaned.status == 0, cleaned.err
    assert "deleted the server" in cleaned.out and "deleted the floating address" in cleaned.out
    assert cloud.left() == []
    assert "no build of this machine" in vmforge.run("cleanup", "--cloud").out


@pytest.mark.parametrize("volume", [False, True])
def test_a_kill_while_the_image_is_made(vmforge: Vmforge, cloud: FakeOpenStack, volume: bool) -> None:
    write(vmforge.folder, cloud, use_blockstorage_volume=volume)
    running = vmforge.start("build", "web.pkr.json")
    fault = Fault("GET", r"/images/[0-9a-f]{8}-(?!1111)[^/]+$", 503)
    fault.then = lambda: os.kill(running.process.pid, signal.SIGKILL)
    cloud.faults.append(fault)
    running.process.wait()
    assert any(name.startswith("images/") for name in cloud.left())
    for waiting in list(cloud.pending.values()):
        waiting[0] = 0
    cleaned = vmforge.run("cleanup", "--cloud", "--yes", "web.pkr.json")
    assert cleaned.status == 0 and "deleted the image" in cleaned.out, cleaned.err
    assert cloud.left() == []


def test_a_wrong_password(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    built = vmforge.run("build", "web.pkr.json", environment={"OS_PASSWORD": "wrong-one-17"})
    assert built.status == 1
    assert "cannot log in to OpenStack" in built.err and "check user, password and project" in built.err
    assert "wrong-one-17" not in built.out + built.err
    assert PASSWORD not in built.out + built.err
