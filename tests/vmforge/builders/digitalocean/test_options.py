"""What DigitalOcean is asked for, by the options that ask for it: the goldens are the requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.cloud_builds import KeyedConnector
from tests.fakes.digital_ocean import TOKEN
from tests.vmforge.builders.digitalocean.harness import Harness
from vmforge.builders.digitalocean.builder import DigitalOceanBuilder
from vmforge.builders.digitalocean.config import DigitalOceanConfig
from vmforge.sdk import Value
from vmforge.sdk.testing import FakeCommunicator, configure


def test_every_option(harness: Harness, golden: Callable[[str, str], None], tmp_path: Path) -> None:
    (tmp_path / "init").write_text("#cloud-config\n")
    artifact = harness.build(
        http_retry_max=2,
        snapshot_regions=["ams3", "fra1"],
        snapshot_tags=["images", "web"],
        wait_snapshot_transfer=True,
        transfer_timeout="10m",
        snapshot_timeout="20m",
        state_timeout="5m",
        droplet_name="builder.example.com",
        tags=["ci:build"],
        private_networking=True,
        ipv6=True,
        vpc_uuid="5a4981aa-9653-4bd1-bef5-d6bff52042e4",
        connect_with_private_ip=True,
        monitoring=True,
        droplet_agent=False,
        user_data_file=str(tmp_path / "init"),
        ssh_key_id=4711 if harness.cloud.keys.setdefault(4711, {"public_key": "k", "name": "k"}) else 0,
    )
    golden("builders/digitalocean/everything.txt", harness.changes())
    assert artifact is not None
    (image,) = harness.cloud.snapshots
    assert (image["name"], image["tags"]) == ("web 1", ["images", "web"])
    assert image["regions"] == ["nyc3", "ams3", "fra1"]
    assert artifact.builder_id == "pearkes.digitalocean"
    assert artifact.id == f"nyc3,ams3,fra1:{image['id']}"
    assert str(artifact) == (
        f"A snapshot was created: 'web 1' (ID: {image['id']}) in regions 'nyc3,ams3,fra1'"
    )
    assert harness.cloud.left == []
    artifact.destroy()
    assert harness.cloud.snapshots == []


def test_as_little_as_possible(harness: Harness, golden: Callable[[str, str], None]) -> None:
    harness.build(snapshot_name=None)
    golden("builders/digitalocean/minimal.txt", harness.changes())


def test_user_data_and_an_image_by_its_id(harness: Harness) -> None:
    image = harness.cloud.add_image("mine", regions=["nyc3"])
    harness.build(user_data="#!/bin/sh\n", image=str(image["id"]))
    (body,) = harness.cloud.bodies_of("POST droplets")
    assert (body["user_data"], body["image"]) == ("#!/bin/sh\n", image["id"])


def test_transfers_need_not_be_waited_for(harness: Harness) -> None:
    harness.build(snapshot_regions=["ams3"], wait_snapshot_transfer=False)
    (image,) = harness.cloud.snapshots
    assert image["regions"] == ["nyc3"]
    assert harness.cloud.bodies_of("POST images/{}/actions") == [{"type": "transfer", "region": "ams3"}]


def test_a_key_that_the_account_has_is_used_and_stays(harness: Harness) -> None:
    harness.cloud.keys[7] = {"id": 7, "name": "ann", "public_key": "ssh-ed25519 AAAA ann@home"}
    harness.build()
    (body,) = harness.cloud.bodies_of("POST droplets")
    assert body["ssh_keys"] == [7]
    assert list(harness.cloud.keys) == [7]


def test_without_a_key(harness: Harness) -> None:
    class NoKey(KeyedConnector):
        data = {"ConnType": "ssh", "User": "root"}

    harness.build(harness.context(connector=NoKey(FakeCommunicator(harness.folder))))
    (body,) = harness.cloud.bodies_of("POST droplets")
    assert body["ssh_keys"] == []
    assert harness.cloud.left == []


def test_a_droplet_that_does_not_shut_down_is_switched_off(harness: Harness) -> None:
    harness.cloud.ignores_shutdown = True
    harness.build(state_timeout="1s")
    orders = [body["type"] for body in harness.cloud.bodies_of("POST droplets/{}/actions")]
    assert orders == ["shutdown", "power_off", "snapshot"]
    assert any("switching it off" in text for text in harness.ui.texts("message"))


@pytest.mark.parametrize(
    "variable", ["DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_API_TOKEN"]
)
def test_the_environment_has_the_token(
    harness: Harness, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, TOKEN)
    monkeypatch.setenv("DIGITALOCEAN_API_URL", harness.cloud.url)
    redacted: list[str] = []
    harness.build(harness.context(redact=redacted.extend), api_token=None, api_url=None)
    assert redacted == [TOKEN]


SOURCE: dict[str, Value] = {"api_token": "t", "region": "nyc3", "size": "s", "image": "i"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"api_token": ""}, "there is no token for DigitalOcean"),
        ({"api_url": "nonsense"}, "`nonsense` is no URL of a server"),
        ({"http_retry_max": -1}, "`http_retry_max` is negative"),
        ({"http_retry_wait_min": 60}, "must not be more than `http_retry_wait_max`"),
        ({"region": ""}, "`region` is empty"),
        ({"tags": ["a b"]}, "`a b` may be refused as a tag"),
        ({"snapshot_tags": ["a.b"]}, "`a.b` may be refused as a tag"),
        ({"droplet_name": "-x"}, "`-x` is no name of a host"),
        ({"connect_with_private_ip": True}, "needs a private network"),
        ({"user_data": "a", "user_data_file": "/dev/null"}, "are both set"),
        ({"user_data_file": "none"}, "there is no file `none`"),
        ({"user_data": "a" * 70000}, "longer than 64 KiB"),
        ({"state_timeout": "-1s"}, "`state_timeout` is negative"),
    ],
)
def test_mistakes(options: dict[str, Value], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "ACCESS_TOKEN", "API_TOKEN", "API_URL"):
        monkeypatch.delenv(f"DIGITALOCEAN_{name}", raising=False)
    with pytest.raises(ValueError, match=said):
        configure(DigitalOceanBuilder, SOURCE | options)


def test_where_it_is() -> None:
    builder = configure(DigitalOceanBuilder, SOURCE)
    assert isinstance(builder.config, DigitalOceanConfig)
    assert builder.config.url == "https://api.digitalocean.com"
