"""`digitalocean-import`, with moto's S3 for Spaces: the fake really fetches what it is given a URL of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.fakes.digital_ocean import Fault
from tests.vmforge.builders.digitalocean.harness import Harness
from vmforge.builders.digitalocean.importing import DigitalOceanImportPostProcessor, ImportConfig
from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk import BuildContext, FileArtifact, Processed, Value
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.testing import configure

SPACE = "disks"


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def space(s3_url: str) -> Any:
    """The Space, empty."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="spaces-secret",
    )
    client.create_bucket(Bucket=SPACE)
    for name in names(client):
        client.delete_object(Bucket=SPACE, Key=name)
    return client


def names(space: Any) -> list[str]:
    return [entry["Key"] for entry in space.list_objects_v2(Bucket=SPACE).get("Contents", [])]


@pytest.fixture
def artifact(tmp_path: Path) -> FileArtifact:
    disk = tmp_path / "web.qcow2"
    disk.write_bytes(b"QFI\xfb" + bytes(1000))
    return FileArtifact("transcend.qemu", "VM", (tmp_path / "web.log", disk), "files")


def run(
    harness: Harness,
    s3_url: str,
    artifact: FileArtifact,
    context: BuildContext | None = None,
    **options: Value,
) -> Processed:
    login = {name: value for name, value in harness.values().items() if name.startswith(("api", "http"))}
    values: dict[str, Value] = {
        "spaces_key": "key",
        "spaces_secret": "spaces-secret",
        "spaces_region": "us-east-1",
        "spaces_url": s3_url,
        "space_name": SPACE,
        "image_name": "web",
        "image_regions": ["nyc3", "ams3"],
    }
    post_processor = configure(DigitalOceanImportPostProcessor, login | values | options)
    assert isinstance(post_processor, DigitalOceanImportPostProcessor)
    return post_processor.process(context or harness.context(), artifact)


def test_an_import(harness: Harness, s3_url: str, space: Any, artifact: FileArtifact) -> None:
    redacted: list[str] = []
    processed = run(harness, s3_url, artifact, harness.context(redact=redacted.extend))
    (image,) = harness.cloud.snapshots
    assert image["_content"] == artifact.files[1].read_bytes()
    assert (image["name"], image["status"], image["distribution"]) == ("web", "available", "Unknown")
    assert image["regions"] == ["nyc3", "ams3"]
    assert processed.artifact is not None
    assert processed.artifact.id == f"nyc3,ams3:{image['id']}"
    assert names(space) == []
    assert "spaces-secret" in redacted
    processed.artifact.destroy()
    assert harness.cloud.snapshots == []


def test_every_option(harness: Harness, s3_url: str, space: Any, artifact: FileArtifact) -> None:
    run(
        harness,
        s3_url,
        artifact,
        space_object_name="{{ .BuildName }}/web.qcow2",
        image_description="the web server",
        image_distribution="Debian",
        image_tags=["web"],
        skip_clean=True,
        timeout="30m",
    )
    (body,) = harness.cloud.bodies_of("POST images")
    assert (body["description"], body["distribution"]) == ("the web server", "Debian")
    assert body["tags"] == ["web"]
    assert names(space) == ["base/web.qcow2"]


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (("a.log", "a.vmdk"), "a.vmdk"),
        (("a.log", "a.raw.gz"), "a.raw.gz"),
        (("a.IMG.bz2",), "a.IMG.bz2"),
        (("packer-web",), "packer-web"),
    ],
)
def test_which_file_is_imported(
    harness: Harness, s3_url: str, space: Any, tmp_path: Path, files: tuple[str, ...], chosen: str
) -> None:
    for name in files:
        (tmp_path / name).write_text(name)
    run(harness, s3_url, FileArtifact("x", "", tuple(tmp_path / name for name in files), "files"))
    assert harness.cloud.snapshots[0]["_content"] == chosen.encode()


@pytest.mark.parametrize("fault", [Fault("POST images", 422), Fault("POST images/{}/actions", errored=True)])
def test_an_import_that_is_refused(
    harness: Harness, s3_url: str, space: Any, artifact: FileArtifact, fault: Fault
) -> None:
    harness.cloud.faults = [fault]
    with pytest.raises(CloudError):
        run(harness, s3_url, artifact)
    assert (names(space), harness.cloud.snapshots) == ([], [])


def test_an_image_that_cannot_be_imported(
    harness: Harness, s3_url: str, space: Any, artifact: FileArtifact
) -> None:
    harness.cloud.on_request = lambda request: (
        space.delete_object(Bucket=SPACE, Key=names(space)[0]) if request.endpoint == "POST images" else None
    )
    with pytest.raises(CloudError, match="could not import the image: Image could not be fetched: 404"):
        run(harness, s3_url, artifact)
    assert harness.cloud.snapshots == []


def test_an_interruption(harness: Harness, s3_url: str, space: Any, artifact: FileArtifact) -> None:
    context = harness.context()
    harness.cloud.on_request = lambda request: (
        context.cancellation.cancel() if request.endpoint == "GET images/{}" else None
    )
    with pytest.raises(Interrupted):
        run(harness, s3_url, artifact, context)
    assert (names(space), harness.cloud.snapshots) == ([], [])


def test_the_next_import_deletes_what_a_killed_one_left(
    harness: Harness, s3_url: str, space: Any, artifact: FileArtifact
) -> None:
    mark = harness.kill_at(f"DigitalOcean and its Space {SPACE}")
    harness.cloud.add_image(mark.name)
    for name in (f"packer-import-{mark.name}", "packer-import-mine"):
        space.put_object(Bucket=SPACE, Key=name, Body=b"disk")
    run(harness, s3_url, artifact)
    assert names(space) == ["packer-import-mine"]
    assert [image["name"] for image in harness.cloud.snapshots] == ["web"]


def test_an_object_that_stays_is_not_left_over(
    harness: Harness, s3_url: str, space: Any, artifact: FileArtifact
) -> None:
    run(harness, s3_url, artifact, skip_clean=True)
    harness.kill_at(f"DigitalOcean and its Space {SPACE}", harness.context())
    run(harness, s3_url, artifact)
    assert len(names(space)) == 1


def test_a_space_that_does_not_exist(harness: Harness, s3_url: str, artifact: FileArtifact) -> None:
    with pytest.raises(CloudError, match=r"Spaces: .*NoSuchBucket") as caught:
        run(harness, s3_url, artifact, space_name="nothing")
    assert "space_name" in caught.value.hint


def test_two_disks(harness: Harness, s3_url: str, tmp_path: Path) -> None:
    paths = (tmp_path / "a.ova", tmp_path / "b.iso")
    with pytest.raises(VmforgeError):
        run(harness, s3_url, FileArtifact("x", "", paths, "files"))


VALUES: dict[str, Value] = {
    "api_token": "t",
    "spaces_region": "nyc3",
    "space_name": "s",
    "image_name": "i",
    "image_regions": ["nyc3"],
}


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITALOCEAN_SPACES_ACCESS_KEY", "k")
    monkeypatch.setenv("DIGITALOCEAN_SPACES_SECRET_KEY", "s")
    config = configure(DigitalOceanImportPostProcessor, VALUES).config
    assert isinstance(config, ImportConfig)
    assert (config.login, config.spaces) == (("k", "s"), "https://nyc3.digitaloceanspaces.com")
    assert config.limit == 1200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "there is no `spaces_key`"),
        ({"spaces_key": "k", "spaces_secret": "s", "image_regions": []}, "`image_regions` is empty"),
        ({"spaces_key": "k", "spaces_secret": "s", "image_tags": ["a b"]}, "may be refused as a tag"),
        ({"spaces_key": "k", "spaces_secret": "s", "timeout": 0}, "`timeout` must be more than 0"),
    ],
)
def test_mistakes(options: dict[str, Value], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIGITALOCEAN_SPACES_ACCESS_KEY", raising=False)
    with pytest.raises(ValueError, match=said):
        configure(DigitalOceanImportPostProcessor, VALUES | options)
