"""Whole builds in OpenStack, as users run them, against the fake."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.conftest import Vmforge
from tests.vmforge.builders.openstack.conftest import INNER, OUTER, SOURCE, made, write
from tests.vmforge.builders.openstack.fake_cloud import PASSWORD, PROJECT, FakeOpenStack
from tests.vmforge.builders.openstack.fake_compute import FIXED
from tests.vmforge.builders.openstack.fake_network import FLOATING
from vmforge.communicators import keys


def test_an_image_of_a_server(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert ": Linux\n" in built.out
    assert cloud.left() == ["images/web"]
    image = made(cloud)
    assert f"An image was created: {image['id']}" in built.out
    assert "vmforge-run" not in json.dumps(image)
    assert PASSWORD not in built.out + built.err
    steps = re.findall(r"==> openstack\.web: ([A-Z].*)", built.out)
    assert steps[0].startswith("Examining OpenStack at http://127.0.0.1")
    for step in (
        "Importing the key pair",
        "Launching the server",
        "Waiting for SSH",
        "Stopping the instance",
    ):
        assert step in steps
    assert not any("/volume/" in call for call in cloud.calls)


def test_what_the_image_and_the_server_are_to_be(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    data = vmforge.folder / "data"
    data.write_text("#cloud-config\n")
    write(
        vmforge.folder,
        cloud,
        availability_zone="nova",
        instance_name="builder",
        instance_metadata={"team": "web"},
        security_groups=["default", "web"],
        config_drive=True,
        user_data_file=str(data),
        force_delete=True,
        metadata={"os_distro": "debian", "a/b~c": "1"},
        image_tags=["one", "two"],
        image_visibility="shared",
        image_members=["p1", "p2"],
        image_auto_accept_members=True,
        image_min_disk=7,
        openstack_provider="rackspace",
        state_timeout="5m",
    )
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    sent = cloud.bodies["POST /compute/v2.1/servers"]["server"]
    assert {key: sent[key] for key in ("name", "availability_zone", "config_drive", "user_data")} == {
        "name": "builder",
        "availability_zone": "nova",
        "config_drive": True,
        "user_data": "I2Nsb3VkLWNvbmZpZwo=",
    }
    assert sent["security_groups"] == [{"name": "default"}, {"name": "web"}]
    assert sent["metadata"]["team"] == "web" and sent["metadata"]["vmforge-run"]
    assert sent["networks"] == [{"uuid": INNER}] and sent["flavorRef"] == "3"
    image = made(cloud)
    told = {key: image[key] for key in ("name", "os_distro", "a/b~c", "tags", "visibility", "min_disk")}
    assert told == {
        "name": "web",
        "os_distro": "debian",
        "a/b~c": "1",
        "tags": ["one", "two"],
        "visibility": "shared",
        "min_disk": 7,
    }
    assert cloud.of("members")[image["id"]] == {"p1": "accepted", "p2": "accepted"}
    assert any(call.endswith("/action") for call in cloud.calls) and cloud.left() == ["images/web"]


def test_an_image_of_a_volume(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write(
        vmforge.folder,
        cloud,
        use_blockstorage_volume=True,
        volume_name="disk",
        volume_type="fast",
        volume_size=9,
        volume_availability_zone="here",
        image_disk_format="qcow2",
        metadata={"role": "web"},
    )
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    volume = cloud.bodies[f"POST /volume/v3/{PROJECT}/volumes"]["volume"]
    told = {key: volume[key] for key in ("name", "volume_type", "size", "availability_zone", "imageRef")}
    assert told == {
        "name": "disk",
        "volume_type": "fast",
        "size": 9,
        "availability_zone": "here",
        "imageRef": SOURCE,
    }
    assert cloud.left() == ["images/web"]
    assert (made(cloud)["disk_format"], made(cloud)["role"]) == ("qcow2", "web")


def test_the_volume_is_as_large_as_its_image_needs(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write(vmforge.folder, cloud, use_blockstorage_volume=True, skip_create_image=True)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert cloud.bodies[f"POST /volume/v3/{PROJECT}/volumes"]["volume"]["size"] == 3
    assert cloud.left() == []


@pytest.mark.parametrize("how", ["new", "reused", "by id", "by address", "of a port"])
def test_floating_addresses(vmforge: Vmforge, cloud: FakeOpenStack, how: str) -> None:
    cloud.of("networks")[INNER]["address"] = FIXED  # leads nowhere
    existing = {"floating_network_id": OUTER, "floating_ip_address": FLOATING, "port_id": None}
    if how != "new":
        cloud.add("floatingips", {"id": "f1", "description": "the team's", **existing})
    # another build's, which is not to be taken
    marked = f"vmforge-{'0' * 32}-00000000-65000000-abcd"
    cloud.add(
        "floatingips", {"id": "f0", "description": marked, **existing, "floating_ip_address": "192.0.2.99"}
    )
    changes: dict[str, object] = {"floating_ip_network": "public"}
    if how == "reused":
        changes |= {"reuse_ips": True, "instance_floating_ip_net": INNER, "use_floating_ip": True}
    if how.startswith("by"):
        changes = {"floating_ip": "f1" if how == "by id" else FLOATING}
    if how == "by address":
        cloud.of("floatingips").pop("f0")
    if how == "of a port":
        cloud.add("ports", {"id": "p1", "network_id": INNER, "device_id": ""})
        changes = {"networks": None, "ports": ["p1"], "floating_ip": "f1"}
    cloud.settle()
    write(vmforge.folder, cloud, **changes)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert cloud.left() == ["images/web"]
    assert all(not one["port_id"] for one in cloud.of("floatingips").values())
    asked = cloud.bodies.get("POST /network/v2.0/floatingips")
    assert (asked is not None) == (how == "new")
    if asked:
        assert re.fullmatch(r"vmforge-[0-9a-f]{32}-.*", asked["floatingip"]["description"])


def test_a_network_that_is_found_by_its_addresses(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    cloud.add("networks", {"id": "net-two", "name": "two", "router:external": False, "address": "127.0.0.1"})
    cloud.add("subnets", {"id": "s2", "network_id": "net-two", "cidr": "10.9.0.0/24"})
    write(
        vmforge.folder,
        cloud,
        networks=None,
        network_discovery_cidrs=["10.9.0.0/16"],
        ssh_interface="two",
        ssh_ip_version="4",
    )
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert cloud.bodies["POST /compute/v2.1/servers"]["server"]["networks"] == [{"uuid": "net-two"}]


def test_source_images_by_name_and_by_filter(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write(vmforge.folder, cloud, source_image=None, source_image_name="ubuntu", skip_create_image=True)
    assert vmforge.run("build", "web.pkr.json").status == 0
    assert cloud.bodies["POST /compute/v2.1/servers"]["server"]["imageRef"] == "other"
    write(vmforge.folder, cloud, source_image=None, source_image_name="debian-12")
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "there are 2 images with the name `debian-12`" in built.err
    filters = {"name": "debian-12", "owner": "operator", "tags": ["lts"], "visibility": "public"}
    wanted = {"filters": filters, "most_recent": True}
    write(vmforge.folder, cloud, source_image=None, source_image_filter=wanted, skip_create_image=True)
    assert vmforge.run("build", "web.pkr.json").status == 0
    assert cloud.bodies["POST /compute/v2.1/servers"]["server"]["imageRef"] == SOURCE
    wanted = {"filters": filters | {"properties": {"os_distro": "plan9"}}}
    write(vmforge.folder, cloud, source_image=None, source_image_filter=wanted)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "there is no image that `source_image_filter` describes" in built.err


def test_a_source_image_that_the_cloud_fetches(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    external = {
        "source_image": None,
        "external_source_image_url": "https://images.example/debian.raw",
        "external_source_image_format": "raw",
        "external_source_image_properties": {"hw_disk_bus": "scsi"},
    }
    write(vmforge.folder, cloud, **external)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    sent = cloud.bodies["POST /image/v2/images"]
    assert (sent["disk_format"], sent["hw_disk_bus"]) == ("raw", "scsi")
    assert cloud.left() == ["images/web"]
    write(vmforge.folder, cloud, **external | {"external_source_image_url": "https://images.example/broken"})
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "could not be made" in built.err
    assert cloud.left() == ["images/web"]


def test_a_key_pair_of_the_users(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    pair = keys.generate(keys.KeyType.ED25519, 0, "mine")
    pair.write_private(vmforge.folder / "key")
    cloud.of("keypairs")["mine"]["public_key"] = str(pair.public)
    write(vmforge.folder, cloud, ssh_keypair_name="mine", ssh_private_key_file=str(vmforge.folder / "key"))
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert not any("POST /compute/v2.1/os-keypairs" in call for call in cloud.calls)
    assert "mine" in cloud.of("keypairs")


def test_the_password_of_windows(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    """Nobody speaks WinRM here: what is seen is that the password was read, and is not shown."""
    cloud.password_of_windows = "Made-by-Windows-7"
    write(vmforge.folder, cloud, communicator="winrm", winrm_username="Admin", winrm_timeout="1s")
    text = (vmforge.folder / "web.pkr.json").read_text()
    options = {
        key: value
        for key, value in json.loads(text)["source"]["openstack"]["web"].items()
        if "ssh_" not in key
    }
    (vmforge.folder / "web.pkr.json").write_text(
        json.dumps({"source": {"openstack": {"web": options}}, "build": [{"sources": ["openstack.web"]}]})
    )
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1
    assert "Waiting for the password of Windows" in built.out and "Waiting for WINRM" in built.out
    assert "cloud-init is sad" in built.err, built.err
    assert "Made-by-Windows-7" not in built.out + built.err
    assert cloud.bodies["POST /compute/v2.1/os-keypairs"]["keypair"]["public_key"].startswith("ssh-rsa ")
    assert cloud.left() == []


def test_rackconnect(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write(
        vmforge.folder,
        cloud,
        rackconnect_wait=True,
        instance_metadata={"rackconnect_automation_status": "DEPLOYED"},
    )
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0 and "waiting for RackConnect" in built.out, built.err
