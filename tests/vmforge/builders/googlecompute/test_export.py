"""`googlecompute-export`: the instance's script is really run, with stand-ins for its disk and `gcloud`."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.fakes.google_cloud import TOKEN, ZONE, Fault
from tests.vmforge.builders.googlecompute.harness import Harness
from vmforge.builders.googlecompute.cloud import ImageArtifact
from vmforge.builders.googlecompute.exporting import GoogleExportPostProcessor
from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk import BuildContext, FileArtifact, Processed, Value
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.testing import configure

DISK = b"boot sector" + bytes(1024 * 1024 - 11)
PATHS: Value = ["gs://images/web.tar.gz", "gs://copies/older/web.tar.gz"]


@pytest.fixture
def artifact(harness: Harness) -> ImageArtifact:
    """An image, and the disk that the fake makes of it."""
    made = harness.build()
    assert isinstance(made, ImageArtifact)
    (harness.google.folder / "google-vmforge-export").write_bytes(DISK)
    harness.google.requests.clear()
    return made


def export(
    harness: Harness, artifact: ImageArtifact, context: BuildContext | None = None, **options: Value
) -> Processed:
    values: dict[str, Value] = {"paths": PATHS, **options}
    post_processor = configure(GoogleExportPostProcessor, values)
    assert isinstance(post_processor, GoogleExportPostProcessor)
    return post_processor.process(context or harness.context(), artifact)


def test_an_export(harness: Harness, artifact: ImageArtifact) -> None:
    processed = export(harness, artifact)
    assert str(processed.artifact) == (
        "the image `web-1` was exported to: gs://images/web.tar.gz, gs://copies/older/web.tar.gz"
    )
    assert processed.keep_input
    for place in ("images/web.tar.gz", "copies/older/web.tar.gz"):
        with tarfile.open(harness.google.folder / place) as archive:
            (member,) = archive.getmembers()
            content = archive.extractfile(member)
            assert content is not None
            assert (member.name, content.read() == DISK) == ("disk.raw", True)
    assert harness.google.left == []


def test_every_option(harness: Harness, artifact: ImageArtifact) -> None:
    harness.google.things["projects/acme/zones/europe-west1-c"] = {"name": "europe-west1-c"}
    export(
        harness,
        artifact,
        access_token=TOKEN,
        custom_endpoints={"compute": harness.google.url},
        disk_size=500,
        disk_type="pd-balanced",
        machine_type="n2-standard-8",
        network="build",
        subnetwork="build-c",
        zone="europe-west1-c",
        service_account_email="writer@acme.iam.gserviceaccount.com",
        scopes=["https://www.googleapis.com/auth/devstorage.read_write"],
    )
    (body,) = harness.google.bodies_of("compute.instances.insert")
    boot, disk = (each["initializeParams"] for each in body["disks"])
    assert (boot["diskSizeGb"], boot["diskType"]) == ("500", "zones/europe-west1-c/diskTypes/pd-balanced")
    assert disk["sourceImage"] == "projects/acme/global/images/web-1"
    assert body["machineType"] == "zones/europe-west1-c/machineTypes/n2-standard-8"
    (interface,) = body["networkInterfaces"]
    assert interface["network"] == "projects/acme/global/networks/build"
    assert interface["subnetwork"] == "projects/acme/regions/europe-west1/subnetworks/build-c"
    (account,) = body["serviceAccounts"]
    assert account == {
        "email": "writer@acme.iam.gserviceaccount.com",
        "scopes": ["https://www.googleapis.com/auth/devstorage.read_write"],
    }
    assert ZONE not in str(body)


def test_a_bucket_that_refuses(harness: Harness, artifact: ImageArtifact) -> None:
    (harness.google.folder / "forbidden").touch()
    with pytest.raises(VmforgeError, match="the export ended with status 1") as caught:
        export(harness, artifact)
    assert "403 forbidden" in caught.value.detail
    assert "service_account_email" in caught.value.hint
    assert harness.google.left == []


def test_no_room(harness: Harness, artifact: ImageArtifact) -> None:
    harness.google.faults = [Fault("compute.instances.insert", operation="ZONE_RESOURCE_POOL_EXHAUSTED")]
    with pytest.raises(CloudError, match="the zone has no room"):
        export(harness, artifact)
    assert harness.google.left == []


def test_an_interruption(harness: Harness, artifact: ImageArtifact) -> None:
    context = harness.context()
    harness.google.on_request = lambda request: (
        context.cancellation.cancel() if request.method.endswith("getSerialPortOutput") else None
    )
    with pytest.raises(Interrupted):
        export(harness, artifact, context)
    assert harness.google.left == []


def test_what_was_built_elsewhere(harness: Harness, tmp_path: Path) -> None:
    other = FileArtifact("transcend.qemu", "VM", (), "files")
    post_processor = configure(GoogleExportPostProcessor, {"paths": PATHS})
    assert isinstance(post_processor, GoogleExportPostProcessor)
    with pytest.raises(VmforgeError, match="exports images of Google Cloud only"):
        post_processor.process(harness.context(), other)


@pytest.mark.parametrize("paths", [[], ["images/web.tar.gz"], ["gs://images"], ["gs://images/"]])
def test_paths_that_are_none(paths: Value) -> None:
    with pytest.raises(ValueError, match=r"`paths` is empty|is no place in a bucket"):
        configure(GoogleExportPostProcessor, {"paths": paths})
