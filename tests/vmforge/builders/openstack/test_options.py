"""What is said about options before anything is asked, ways to log in, and the pure parts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Vmforge
from tests.vmforge.builders.openstack.conftest import INNER, SOURCE, made, write
from tests.vmforge.builders.openstack.fake_cloud import APPLICATION, PASSWORD, PROJECT, FakeOpenStack
from vmforge.builders.openstack import bodies
from vmforge.builders.openstack.access import EndpointType
from vmforge.builders.openstack.api import explain
from vmforge.builders.openstack.builder import OpenStackBuilder
from vmforge.builders.openstack.config import ImageConfig, IpVersion, OpenStackConfig, Visibility
from vmforge.builders.openstack.images import Wanted
from vmforge.builders.openstack.importing import OpenStackImportConfig, OpenStackImportPostProcessor
from vmforge.builders.openstack.networking import best_address
from vmforge.sdk import Duration, Secret
from vmforge.sdk.cloud import Answer


def said(**options: Any) -> list[str]:
    base: dict[str, Any] = {"flavor": "m1", "image_name": "web", "source_image": SOURCE}
    config = OpenStackConfig(**base | options)
    return [problem.summary for problem in OpenStackBuilder.check(config)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"flavor": ""}, ["`flavor` is empty"]),
        ({"image_name": ""}, ["`image_name` is not set"]),
        ({"image_name": "", "skip_create_image": True}, []),
        ({"source_image": ""}, ["there is no image to start from"]),
        (
            {"source_image_name": "x"},
            ["`source_image` and `source_image_name` both name an image to start from"],
        ),
        (
            {"password": Secret("a"), "token": Secret("b")},
            ["`password` and `token` are both set"],
        ),
        ({"application_credential_secret": Secret("s")}, ["nothing says whose secret this is"]),
        ({"tenant_id": "a", "tenant_name": "b"}, ["`tenant_id` and `tenant_name` are both set"]),
        ({"username": "a", "user_id": "b"}, ["`username` and `user_id` are both set"]),
        ({"cacert": Path("/nowhere.pem")}, ["there is no file `/nowhere.pem`"]),
        ({"state_timeout": Duration(0)}, ["`state_timeout` is not positive"]),
        ({"network_discovery_cidrs": ("10.0.0.0/99",)}, ["`10.0.0.0/99` is no network"]),
        ({"reuse_ips": True}, ["`reuse_ips` alone gets no floating address"]),
        (
            {"image_members": ("a",), "image_visibility": Visibility.PRIVATE},
            ["a private image has no members"],
        ),
        ({"image_auto_accept_members": True}, ["there is nobody to accept the image"]),
        (
            {"user_data": "a", "user_data_file": Path("/dev/null")},
            ["`user_data` and `user_data_file` are both set", "there is no file `/dev/null`"],
        ),
        ({"volume_size": 3}, ["`volume_size` has no effect"]),
        ({"image_disk_format": "qcow2"}, ["the cloud decides the format of a server's image"]),
        ({"instance_metadata": {"a": "b" * 256}}, ["metadata of a server has at most 255 characters"]),
        ({"openstack_provider": "x"}, ["`openstack_provider` has no effect"]),
    ],
)
def test_problems(options: dict[str, Any], expected: list[str]) -> None:
    assert said(**options) == expected


def test_problems_of_the_import() -> None:
    config = OpenStackImportConfig(image_disk_format="floppy", image_min_ram=-1)
    assert [problem.summary for problem in OpenStackImportPostProcessor.check(config)] == [
        "`image_name` is not set",
        "Glance knows no disk format `floppy`",
        "`image_min_ram` is negative",
    ]


@pytest.mark.parametrize("way", ["password", "user id", "application", "token", "clouds.yaml"])
def test_ways_to_log_in(vmforge: Vmforge, cloud: FakeOpenStack, way: str) -> None:
    none: dict[str, Any] = dict.fromkeys(("username", "tenant_id", "domain_name"))
    options: dict[str, Any] = {"skip_create_image": True, "endpoint_type": "internalURL", "insecure": True}
    if way == "password":
        options |= {"password": PASSWORD, "tenant_id": None, "tenant_name": "images", "domain_name": None}
        options |= {"domain_id": "default"}
    elif way == "user id":
        options |= {"username": None, "user_id": "u1"}
    elif way == "application":
        options |= none | {
            "application_credential_id": APPLICATION[0],
            "application_credential_secret": APPLICATION[1],
        }
    elif way == "token":
        cloud.tokens.add("a-token")
        options |= none | {"token": "a-token", "tenant_id": PROJECT}
    else:
        login = {"auth_url": f"{cloud.url}/identity/v3", "username": "builder", "password": PASSWORD}
        login |= {"project_id": PROJECT, "user_domain_name": "Default"}
        text = json.dumps({"clouds": {"mine": {"auth": login, "region_name": "one"}}})
        (vmforge.folder / "clouds.yaml").write_text(text)
        options |= none | {"identity_endpoint": None, "region": None, "cloud": "mine"}
    if way != "user id":
        vmforge.environment.pop("OS_PASSWORD")
    write(vmforge.folder, cloud, **options)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert cloud.left() == [] and cloud.logins >= 1
    for secret in (PASSWORD, APPLICATION[1], "a-token"):
        assert secret not in built.out + built.err


def test_nothing_says_where_the_cloud_is(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write(vmforge.folder, cloud, identity_endpoint=None)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1
    assert "the login for OpenStack lacks `auth_url`" in built.err
    assert "openrc" in built.err


def test_a_cloud_that_clouds_yaml_has_not(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write(vmforge.folder, cloud, identity_endpoint=None, cloud="moon")
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "moon" in built.err and "docs/openstack.md" in built.err


def test_offline_nothing_is_asked(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write(vmforge.folder, cloud, identity_endpoint="https://identity.example/v3")
    built = vmforge.run("build", "--offline", "web.pkr.json")
    assert built.status == 1 and "identity.example" in built.err
    assert cloud.calls == []


def test_validate_loads_no_library(vmforge: Vmforge) -> None:
    program = (
        "import sys; from vmforge.cli.app import run; status = run(['validate', 'web.pkr.json'])\n"
        "print(status, [name for name in ('openstack', 'keystoneauth1', 'requests') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    settings = {"cwd": vmforge.folder, "env": vmforge.environment}
    done = subprocess.run(command, **settings, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr


def test_a_template_whose_values_are_texts(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    """Templates of JSON pass variables on, which are texts; an empty one means nothing."""
    cloud.add("networks", {"id": "n2", "name": "two", "router:external": False, "address": "127.0.0.1"})
    texts = {"networks": f"{INNER},n2", "image_tags": "a,b", "security_groups": "", "config_drive": "true"}
    texts |= {"volume_size": "0", "use_blockstorage_volume": "false", "user_data_file": "", "cacert": ""}
    texts |= {"availability_zone": "", "floating_ip_network": "", "ssh_interface": "", "image_visibility": ""}
    write(vmforge.folder, cloud, **texts)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    sent = cloud.bodies["POST /compute/v2.1/servers"]["server"]
    assert sent["networks"] == [{"uuid": INNER}, {"uuid": "n2"}] and "security_groups" not in sent
    assert made(cloud)["tags"] == ["a", "b"]


@pytest.mark.parametrize("name", ["minimal", "everything"])
def test_what_is_sent(golden: Callable[[str, str], None], name: str) -> None:
    options: dict[str, Any] = {"flavor": "m1", "image_name": "web", "source_image": SOURCE}
    launch = bodies.Launch(name="web", flavor="3", image=SOURCE, marks={"vmforge-run": "r"})
    if name == "everything":
        options |= {
            "instance_metadata": {"team": "web"},
            "ports": ("p1",),
            "security_groups": ("default", "web"),
            "availability_zone": "nova",
            "config_drive": True,
            "metadata": {"os_distro": "debian"},
            "use_blockstorage_volume": True,
            "volume_size": 9,
            "volume_type": "fast",
            "volume_availability_zone": "here",
            "image_disk_format": "qcow2",
        }
        more: dict[str, Any] = {"networks": ("n1",), "volume": "v1", "key_name": "k", "user_data": b"data"}
        launch = replace(launch, **more)
    config = OpenStackConfig(**options)
    sent = {
        "server": bodies.server(config, launch),
        "volume": bodies.volume(config, "disk", {"id": SOURCE, "min_disk": 3}, launch.marks),
        "image of the server": bodies.image_of_server(config, launch.marks),
        "image of the volume": bodies.image_of_volume(config, "vmforge-x"),
    }
    golden(f"openstack/{name}.json", json.dumps(sent, indent=2, sort_keys=True) + "\n")


def test_how_the_login_is_told_to_the_library() -> None:
    config = OpenStackConfig(
        flavor="m1",
        endpoint_type=EndpointType.INTERNAL_URL,
        cert=Path("cert.pem"),
        key=Path("key.pem"),
        application_credential_name="ci",
        application_credential_secret=Secret("s"),
        username="u",
        domain_id="default",
    )
    assert config.login == {
        "username": "u",
        "user_domain_id": "default",
        "application_credential_name": "ci",
        "application_credential_secret": "s",
    }
    assert config.login_kind == "v3applicationcredential"


def test_the_size_of_a_volume() -> None:
    assert bodies.size_for({"min_disk": 7, "size": 10**12}) == 7
    assert bodies.size_for({"size": 1, "virtual_size": 3 * 1024**3 + 1}) == 4
    assert bodies.size_for({"size": None}) == 1


def test_what_changes_an_image() -> None:
    config = ImageConfig(image_name="web", metadata={"a/b": "1", "same": "x"}, image_tags=("t",))
    image = {"id": "i", "name": "vmforge-x", "same": "x", "tags": [], "vmforge-run": "r"}
    assert Wanted.of(config, finished=True).changes_to(image) == [
        {"op": "replace", "path": "/name", "value": "web"},
        {"op": "replace", "path": "/tags", "value": ["t"]},
        {"op": "add", "path": "/a~1b", "value": "1"},
        {"op": "remove", "path": "/vmforge-run"},
    ]
    done = {"id": "i", "name": "web", "same": "x", "a/b": "1", "tags": ["t"]}
    assert Wanted.of(config, finished=True).changes_to(done) == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [(None, "203.0.113.9"), (IpVersion.FOUR, "203.0.113.9"), (IpVersion.SIX, "2001:db8::7")],
)
def test_the_best_address(version: IpVersion | None, expected: str) -> None:
    addresses = [
        {"addr": "2001:db8::7", "version": 6, "OS-EXT-IPS:type": "fixed"},
        {"addr": "10.0.0.7", "version": 4, "OS-EXT-IPS:type": "fixed"},
        {"addr": "203.0.113.9", "version": 4, "OS-EXT-IPS:type": "floating"},
    ]
    assert best_address(addresses, version) == expected
    assert best_address((), version) == ""


@pytest.mark.parametrize(
    ("body", "text", "expected"),
    [
        ({"itemNotFound": {"code": 404, "message": "gone"}}, "", ("itemNotFound", "gone")),
        ({"NeutronError": {"type": "IpInUse", "message": "taken"}}, "", ("IpInUse", "taken")),
        ({"message": "too many", "code": 429}, "", ("", "too many")),
        (
            None,
            "<html><head><title>x</title></head><body><h1>409</h1>in &lt;use&gt;</body>",
            ("", "in <use>"),
        ),
    ],
)
def test_errors_in_words(body: Any, text: str, expected: tuple[str, str]) -> None:
    assert explain(Answer(400, body, {}, text)) == expected
