"""`googlecompute-import`, with an emulator of Cloud Storage (gcp-storage-emulator) that holds the objects.

The emulator does not check logins, and answers a question for an upload's state that nothing has arrived of
as if one byte had, and for one that has just been finished as if it had never been: what breaks off here is
broken off in the middle.
"""

from __future__ import annotations

import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from gcp_storage_emulator.server import create_server

from tests.fakes.google_cloud import PROJECT, Fault
from tests.fakes.openssh import free_port
from tests.vmforge.builders.googlecompute.harness import Harness
from vmforge.builders.googlecompute import storage
from vmforge.builders.googlecompute.importing import GoogleImportPostProcessor
from vmforge.errors import Interrupted, VmforgeError
from vmforge.hypervisor import disks
from vmforge.sdk import BuildContext, Cancellation, FileArtifact, Processed, Size, Value
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.testing import configure

BUCKET = "disks"


@dataclass
class Bucket:
    """The emulator behind a proxy that breaks things: `faults` are statuses (0: no answer) for the next
    pieces, given in place of passing them on, or, if negative, after that."""

    emulator: str
    faults: list[int] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _proxy(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    @property
    def names(self) -> list[str]:
        found = requests.get(f"{self.emulator}/storage/v1/b/{BUCKET}/o", timeout=10).json()
        return [entry["name"] for entry in found.get("items", [])]

    def content(self, name: str) -> bytes:
        return requests.get(f"{self.emulator}/{BUCKET}/{name}", timeout=10).content


def _proxy(bucket: Bucket) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            span = self.headers.get("Content-Range", "")
            fault = 200
            if span and "*" not in span:
                bucket.pieces.append(span)
                fault = bucket.faults.pop(0) if bucket.faults else 200
            sent = (b"", 503, {}) if fault == 503 else self._pass_on(body)
            if fault <= 0:
                self.close_connection = True
                return
            self.send_response(sent[1])
            for name, value in {**sent[2], "Content-Length": str(len(sent[0]))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent[0])

        def _pass_on(self, body: bytes) -> tuple[bytes, int, dict[str, str]]:
            kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")}
            url = f"{bucket.emulator}{self.path}"
            got = requests.request(self.command, url, data=body, headers=kept, timeout=30)
            headers = {name: got.headers[name] for name in ("Range", "Location") if name in got.headers}
            if "Location" in headers:
                headers["Location"] = headers["Location"].replace(bucket.emulator, bucket.url)
            return got.content, got.status_code, headers

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *arguments: Any) -> None:
            return

    return Handler


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr(storage, "_PIECE", 256 * 1024)
    monkeypatch.setattr(storage, "_PAUSE_SECONDS", 0.01)
    port = free_port()
    emulator = create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    emulator.start()
    proxied = Bucket(f"http://127.0.0.1:{port}")
    thread = threading.Thread(target=proxied.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield proxied
    proxied.http.shutdown()
    proxied.http.server_close()
    thread.join()
    emulator.stop()


@pytest.fixture
def archive(tmp_path: Path) -> FileArtifact:
    """A file that Google takes as it is, of four pieces."""
    path = tmp_path / "disk.tar.gz"
    path.write_bytes(bytes(range(256)) * 4000)
    return FileArtifact("packer.post-processor.compress", "", (path,), "an archive")


def run(
    harness: Harness,
    bucket: Bucket,
    artifact: FileArtifact,
    context: BuildContext | None = None,
    **options: Value,
) -> Processed:
    values = harness.values(bucket=BUCKET, source_image_family=None, zone=None, **options)
    values["custom_endpoints"] = {"compute": harness.google.url, "storage": bucket.url}
    post_processor = configure(GoogleImportPostProcessor, values)
    assert isinstance(post_processor, GoogleImportPostProcessor)
    return post_processor.process(context or harness.context(), artifact)


def test_an_archive(harness: Harness, bucket: Bucket, archive: FileArtifact) -> None:
    processed = run(harness, bucket, archive, gcs_object_name="{{ .BuildName }}/web.tar.gz", skip_clean=True)
    assert str(processed.artifact) == "the disk was imported into the project `acme`: web-1"
    assert not processed.keep_input
    assert bucket.names == ["base/web.tar.gz"]
    assert bucket.content("base/web.tar.gz") == archive.files[0].read_bytes()
    assert len(bucket.pieces) == 4
    (body,) = harness.google.bodies_of("compute.images.insert")
    assert body["rawDisk"] == {
        "source": f"https://storage.googleapis.com/{BUCKET}/base/web.tar.gz",
        "containerType": "TAR",
    }
    (image,) = harness.google.of_kind("images")
    assert (image["labels"], image["status"]) == ({}, "READY")
    assert processed.artifact is not None
    processed.artifact.destroy()
    assert harness.google.of_kind("images") == []


def test_a_disk_that_was_built_here(harness: Harness, bucket: Bucket, tmp_path: Path) -> None:
    disk = tmp_path / "web.qcow2"
    disks.create(disk, Size(1024**2), "qcow2", cancellation=Cancellation())
    artifact = FileArtifact("transcend.qemu", "VM", (disk,), "a disk")
    run(harness, bucket, artifact, gcs_object_name="web.tar.gz", skip_clean=True)
    (tmp_path / "got.tar.gz").write_bytes(bucket.content("web.tar.gz"))
    with tarfile.open(tmp_path / "got.tar.gz") as got:
        assert [(member.name, member.size) for member in got.getmembers()] == [("disk.raw", 1024**3)]


def test_every_option(
    harness: Harness,
    bucket: Bucket,
    archive: FileArtifact,
    tmp_path: Path,
    golden: Callable[[str, str], None],
) -> None:
    for name, content in {"pk.der": b"\x30\x82", "db.pem": b"-----BEGIN CERTIFICATE", "dbx": b"\x01"}.items():
        (tmp_path / name).write_bytes(content)
    run(
        harness,
        bucket,
        archive,
        gcs_object_name="web.tar.gz",
        image_architecture="ARM64",
        image_description="the web server",
        image_family="web",
        image_guest_os_features=["UEFI_COMPATIBLE"],
        image_labels={"team": "web"},
        image_storage_locations=["eu"],
        image_platform_key=str(tmp_path / "pk.der"),
        image_key_exchange_key=[str(tmp_path / "pk.der")],
        image_signatures_db=[str(tmp_path / "db.pem")],
        image_forbidden_signatures_db=[str(tmp_path / "dbx")],
        scopes=["https://www.googleapis.com/auth/cloud-platform"],
    )
    golden("builders/googlecompute/import.txt", harness.changes())
    assert bucket.names == []


@pytest.mark.parametrize("faults", [[200, 503], [200, 0], [200, 200, 503, 0]])
def test_an_upload_goes_on_where_it_broke_off(
    harness: Harness, bucket: Bucket, archive: FileArtifact, faults: list[int]
) -> None:
    bucket.faults = faults
    run(harness, bucket, archive, gcs_object_name="web.tar.gz", skip_clean=True)
    assert bucket.content("web.tar.gz") == archive.files[0].read_bytes()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("compute.images.insert", 400, "invalid"),
        Fault("compute.images.insert", operation="INVALID_USAGE"),
        Fault("compute.images.setLabels", 400, "invalid"),
    ],
)
def test_an_import_that_google_refuses(
    harness: Harness, bucket: Bucket, archive: FileArtifact, fault: Fault
) -> None:
    harness.google.faults = [fault]
    with pytest.raises(CloudError, match="says the test"):
        run(harness, bucket, archive)
    assert (bucket.names, harness.google.of_kind("images")) == ([], [])


def test_an_interruption(harness: Harness, bucket: Bucket, archive: FileArtifact) -> None:
    context = harness.context()
    harness.google.on_request = lambda request: (
        context.cancellation.cancel() if request.method == "compute.images.insert" else None
    )
    with pytest.raises(Interrupted):
        run(harness, bucket, archive, context)
    assert (bucket.names, harness.google.of_kind("images")) == ([], [])


def test_an_image_of_that_name_exists(harness: Harness, bucket: Bucket, archive: FileArtifact) -> None:
    old = harness.google.add_image(PROJECT, "web-1")
    with pytest.raises(CloudError, match="there is an image `web-1` already"):
        run(harness, bucket, archive)
    assert bucket.pieces == []
    run(harness, bucket, archive, harness.context(force=True))
    (image,) = harness.google.of_kind("images")
    assert image is not old


def test_the_next_import_deletes_what_a_killed_one_left(
    harness: Harness, bucket: Bucket, archive: FileArtifact
) -> None:
    mark = harness.kill_at(f"project {PROJECT} and gs://{BUCKET} of Google Cloud")
    harness.google.add_image(PROJECT, "half", labels=mark.tags)
    for name in (f"packer-import-{mark.name}.tar.gz", "packer-import-mine.tar.gz"):
        url = f"{bucket.emulator}/upload/storage/v1/b/{BUCKET}/o"
        requests.post(url, params={"uploadType": "media", "name": name}, data=b"disk", timeout=10)
    run(harness, bucket, archive)
    assert bucket.names == ["packer-import-mine.tar.gz"]
    assert [image["name"] for image in harness.google.of_kind("images")] == ["web-1"]


def test_an_object_that_stays_is_not_left_over(
    harness: Harness, bucket: Bucket, archive: FileArtifact
) -> None:
    run(harness, bucket, archive, skip_clean=True)
    assert len(bucket.names) == 1
    harness.kill_at(f"project {PROJECT} and gs://{BUCKET} of Google Cloud", harness.context())
    run(harness, bucket, archive, image_name="web-2")
    assert len(bucket.names) == 1


def test_two_disks(harness: Harness, bucket: Bucket, tmp_path: Path) -> None:
    paths = (tmp_path / "a.qcow2", tmp_path / "b.qcow2")
    with pytest.raises(VmforgeError, match="an image is made of one disk, and the machine has 2"):
        run(harness, bucket, FileArtifact("transcend.qemu", "VM", paths, "disks"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bucket": ""}, "`bucket` is empty"),
        ({"image_name": "Web"}, "cannot be a name"),
        ({"image_labels": {"A": "b"}}, "cannot be a label"),
        ({"gcs_object_name": "{{ .Nothing }}"}, "gcs_object_name"),
    ],
)
def test_mistakes(options: dict[str, Value], said: str) -> None:
    values: dict[str, Value] = {"project_id": "acme", "bucket": "b", "image_name": "web", **options}
    with pytest.raises(ValueError, match=said):
        configure(GoogleImportPostProcessor, values)
