"""The data source `digitalocean-image`."""

from __future__ import annotations

import pytest

from tests.fakes.digital_ocean import FakeDigitalOcean
from tests.vmforge.builders.digitalocean.harness import Harness
from vmforge.builders.digitalocean.images import ImageDataSource
from vmforge.errors import VmforgeError
from vmforge.sdk import Value
from vmforge.sdk.network import Network, NetworkRefused
from vmforge.sdk.testing import configure


@pytest.fixture
def cloud_with_images(cloud: FakeDigitalOcean) -> FakeDigitalOcean:
    for number in (1, 2, 3):
        cloud.add_image(f"golden-{number}", regions=["nyc3"] if number < 3 else ["ams3"])
    cloud.add_image("wordpress", public=True, _type="application")
    cloud.page_size = 2
    return cloud


def read(harness: Harness, **options: Value) -> dict[str, Value]:
    login = {name: harness.values()[name] for name in ("api_token", "api_url")}
    source = configure(ImageDataSource, login | options)
    assert isinstance(source, ImageDataSource)
    return source.read()


def name_of(cloud: FakeDigitalOcean, answer: dict[str, Value]) -> str:
    image = answer["image_id"]
    assert isinstance(image, int)
    assert answer["image_regions"] == cloud.images[image]["regions"]
    return str(cloud.images[image]["name"])


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"name": "golden-2"}, "golden-2"),
        ({"name_regex": "golden-.*", "latest": True}, "golden-3"),
        ({"name_regex": "golden", "region": "nyc3", "latest": True}, "golden-2"),
        ({"name_regex": "-", "type": "user", "region": "ams3"}, "golden-3"),
        ({"name_regex": ".", "type": "application"}, "wordpress"),
        ({"name_regex": "^debian", "type": "distribution"}, "debian-12-x64"),
    ],
)
def test_an_image(
    harness: Harness, cloud_with_images: FakeDigitalOcean, options: dict[str, Value], found: str
) -> None:
    assert name_of(cloud_with_images, read(harness, **options)) == found


def test_several_images(harness: Harness, cloud_with_images: FakeDigitalOcean) -> None:
    with pytest.raises(VmforgeError, match="3 images of DigitalOcean match `golden`: `golden-1`") as caught:
        read(harness, name_regex="golden")
    assert "latest" in caught.value.hint


def test_no_image(harness: Harness) -> None:
    with pytest.raises(VmforgeError, match="no image of DigitalOcean matches `nothing`"):
        read(harness, name="nothing")


def test_offline() -> None:
    source = configure(ImageDataSource, {"api_token": "t", "name": "x"})
    assert isinstance(source, ImageDataSource)
    source.network = Network(offline=True)
    with pytest.raises(NetworkRefused):
        source.read()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "set either `name` or `name_regex`"),
        ({"name": "a", "name_regex": "b"}, "set either `name` or `name_regex`"),
        ({"name_regex": "("}, "is no regular expression"),
        ({"name": "a", "type": "snapshot"}, "is none of `application`"),
    ],
)
def test_mistakes(options: dict[str, Value], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        configure(ImageDataSource, {"api_token": "t", **options})
