"""`vagrant-cloud` against a server with Vagrant Cloud's API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.vmforge.post_processors.vagrant_upload.conftest import MakeBox, Registry
from vmforge.errors import Interrupted, VmforgeError
from vmforge.post_processors.vagrant.boxes import BOXES, Box
from vmforge.post_processors.vagrant_upload import VagrantCloudPostProcessor
from vmforge.post_processors.vagrant_upload import service as service_module
from vmforge.sdk import Cancellation, FileArtifact, PostProcessor, Processed
from vmforge.sdk.options import secrets_of
from vmforge.sdk.testing import RecordingUi, configure, fake_context

BOX = "/box/acme/debian"
VERSION = f"{BOX}/version/1.2.0"
PLACE = f"{VERSION}/provider/libvirt/amd64"
WANTED = {"box_tag": "acme/debian", "version": "1.2.0", "access_token": "a-token"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "_PAUSE_SECONDS", 0.01)
    for name in ("VAGRANT_CLOUD_TOKEN", "ATLAS_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cloud(registry: Registry) -> Registry:
    """Has the box, and gives places to upload to."""
    storage = f"{registry.url}/storage/1?permission=secret"
    registry.answers |= {
        f"GET {BOX}": {"tag": "acme/debian"},
        f"GET {PLACE}/upload/direct": {"upload_path": storage, "callback": f"{registry.url}/done"},
        f"GET {PLACE}/upload": {"upload_path": storage},
    }
    return registry


def upload(
    folder: Path, registry: Registry, artifact: FileArtifact, ui: RecordingUi | None = None, **options: Any
) -> Processed:
    values = {**WANTED, "vagrant_cloud_url": registry.url, **options}
    component = configure(VagrantCloudPostProcessor, values)
    assert isinstance(component, PostProcessor)
    return component.process(fake_context(folder, ui=ui), artifact)


def artifact_of(path: Path) -> FileArtifact:
    return FileArtifact("packer.post-processor.artifice", "", (path,), "a box")


def test_a_box_is_uploaded_and_released(tmp_path: Path, cloud: Registry, make_box: MakeBox) -> None:
    box = make_box(provider="libvirt", architecture="amd64")
    ui = RecordingUi()
    processed = upload(tmp_path, cloud, artifact_of(box), ui, version_description="*New*")
    assert cloud.lines == [
        f"GET {BOX}",
        f"GET {VERSION}",
        f"POST {BOX}/versions",
        f"GET {PLACE}",
        f"POST {VERSION}/providers",
        f"GET {PLACE}/upload/direct",
        "PUT /storage/1?permission=secret",
        "PUT /done",
        f"PUT {VERSION}/release",
    ]
    version = {"version": "1.2.0", "description": "*New*"}
    assert cloud.call(f"POST {BOX}/versions").document == {"version": version}
    provider = {"name": "libvirt", "architecture": "amd64"}
    assert cloud.call(f"POST {VERSION}/providers").document == {"provider": provider}
    sent = cloud.call("PUT /storage/1?permission=secret")
    assert sent.body == box.read_bytes()
    assert sent.token == ""
    assert cloud.calls[0].token == "Bearer a-token"
    assert ui.texts("message")[-1] == "released version 1.2.0 of `acme/debian`"
    assert (processed.keep_input, processed.must_keep) == (True, False)
    assert processed.artifact is not None
    assert processed.artifact.builder_id == "pearkes.post-processor.vagrant-cloud"
    assert processed.artifact.id == "libvirt"
    assert str(processed.artifact) == "'libvirt': acme/debian"


def test_what_is_there_is_not_made_again(tmp_path: Path, cloud: Registry, make_box: MakeBox) -> None:
    cloud.answers |= {f"GET {VERSION}": {"status": "active"}, f"GET {PLACE}": {"name": "libvirt"}}
    upload(tmp_path, cloud, artifact_of(make_box(provider="libvirt", architecture="amd64")))
    assert [line for line in cloud.lines if not line.startswith("GET")] == [
        f"PUT {PLACE}",
        "PUT /storage/1?permission=secret",
        "PUT /done",
    ]


def test_each_box_of_a_build(tmp_path: Path, cloud: Registry, make_box: MakeBox) -> None:
    other = f"{VERSION}/provider/virtualbox/amd64"
    cloud.answers[f"GET {other}/upload/direct"] = {"upload_path": f"{cloud.url}/storage/2"}
    boxes = tuple(
        Box(make_box(f"{name}.box", provider=name), name, "amd64") for name in ("libvirt", "virtualbox")
    )
    artifact = FileArtifact(
        "mitchellh.post-processor.vagrant", "x", tuple(b.path for b in boxes), "", state={BOXES: boxes}
    )
    processed = upload(tmp_path, cloud, artifact)
    assert cloud.call("PUT /storage/2").body == boxes[1].path.read_bytes()
    assert cloud.lines.count(f"PUT {VERSION}/release") == 1
    assert processed.artifact is not None
    assert processed.artifact.id == "libvirt,virtualbox"


def test_options(tmp_path: Path, cloud: Registry, make_box: MakeBox) -> None:
    digest = "0f" * 32
    upload(
        tmp_path,
        cloud,
        artifact_of(make_box(provider="libvirt", architecture="mips")),
        architecture="amd64",
        default_architecture="amd64",
        box_checksum=f"sha256:{digest}",
        no_direct_upload=True,
        no_release=True,
        insecure_skip_tls_verify=True,
    )
    assert cloud.call(f"POST {VERSION}/providers").document["provider"] == {
        "name": "libvirt",
        "architecture": "amd64",
        "default_architecture": True,
        "checksum_type": "sha256",
        "checksum": digest,
    }
    assert f"GET {PLACE}/upload" in cloud.lines
    assert f"PUT {VERSION}/release" not in cloud.lines


def test_a_box_that_lies_elsewhere(tmp_path: Path, cloud: Registry, make_box: MakeBox) -> None:
    url = "https://boxes.example/{{ .Provider }}-{{ .Architecture }}.box"
    upload(
        tmp_path, cloud, artifact_of(make_box(provider="libvirt", architecture="amd64")), box_download_url=url
    )
    provider = cloud.call(f"POST {VERSION}/providers").document["provider"]
    assert provider["url"] == "https://boxes.example/libvirt-amd64.box"
    assert not any("upload" in line or "storage" in line for line in cloud.lines)


def test_the_first_version_of_the_api(tmp_path: Path, registry: Registry, make_box: MakeBox) -> None:
    """Servers of one's own speak it; architectures are unknown there."""
    place = f"/v1{VERSION}/provider/libvirt"
    registry.answers |= {
        f"GET /v1{BOX}": {},
        f"GET {place}/upload/direct": {"upload_path": f"{registry.url}/storage/1"},
    }
    box = make_box(provider="libvirt")
    upload(tmp_path, registry, artifact_of(box), vagrant_cloud_url=f"{registry.url}/v1", access_token="")
    assert registry.call(f"POST /v1{VERSION}/providers").document == {"provider": {"name": "libvirt"}}
    assert registry.call("PUT /storage/1").body == box.read_bytes()
    assert registry.calls[0].token == ""


def test_the_token_of_the_environment(
    tmp_path: Path, cloud: Registry, make_box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAGRANT_CLOUD_TOKEN", "from-outside")
    hidden: list[str] = []
    component = configure(
        VagrantCloudPostProcessor, {**WANTED, "access_token": "", "vagrant_cloud_url": cloud.url}
    )
    assert isinstance(component, PostProcessor)
    context = fake_context(tmp_path, redact=hidden.extend)
    component.process(context, artifact_of(make_box(provider="libvirt", architecture="amd64")))
    assert cloud.calls[0].token == "Bearer from-outside"
    assert hidden == ["from-outside"]


def test_what_passes_is_tried_again(tmp_path: Path, cloud: Registry, make_box: MakeBox) -> None:
    cloud.failures = [(503, {}), (500, {"errors": ["down"]})]
    upload(tmp_path, cloud, artifact_of(make_box(provider="libvirt", architecture="amd64")))
    assert cloud.lines[:4] == [f"GET {BOX}"] * 3 + [f"GET {VERSION}"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (401, {"errors": ["bad token", "go away"]}),
            r"refused `GET /box/acme/debian` \(401\): bad token; go away",
        ),
        ((422, {"message": "no"}), r"\(422\): no"),
        ((200, []), "something that is no JSON object"),
    ],
)
def test_what_the_server_says(
    tmp_path: Path, cloud: Registry, make_box: MakeBox, answer: tuple[int, Any], message: str
) -> None:
    cloud.failures = [answer]
    with pytest.raises(VmforgeError, match=message) as caught:
        upload(tmp_path, cloud, artifact_of(make_box(provider="libvirt", architecture="amd64")))
    assert "a-token" not in str(caught.value)


def test_a_box_that_is_not_registered(tmp_path: Path, registry: Registry, make_box: MakeBox) -> None:
    with pytest.raises(VmforgeError, match="there is no box `acme/debian`, or it is not yours"):
        upload(tmp_path, registry, artifact_of(make_box(provider="libvirt", architecture="amd64")))


def test_a_server_that_is_gone(tmp_path: Path, registry: Registry, make_box: MakeBox) -> None:
    box = make_box(provider="libvirt", architecture="amd64")
    with pytest.raises(VmforgeError, match="Vagrant Cloud, `GET /box/acme/debian`: the server refused"):
        upload(tmp_path, registry, artifact_of(box), vagrant_cloud_url="http://127.0.0.1:9")


def test_cancellation(tmp_path: Path, cloud: Registry, make_box: MakeBox) -> None:
    component = configure(VagrantCloudPostProcessor, {**WANTED, "vagrant_cloud_url": cloud.url})
    assert isinstance(component, PostProcessor)
    cancellation = Cancellation()
    cancellation.cancel()
    box = make_box(provider="libvirt", architecture="amd64")
    with pytest.raises(Interrupted):
        component.process(fake_context(tmp_path, cancellation=cancellation), artifact_of(box))
    assert cloud.calls == []


@pytest.mark.parametrize(
    ("name", "member", "metadata", "message"),
    [
        ("x.tar", "metadata.json", {"provider": "libvirt"}, "the artifact is no Vagrant box"),
        ("x.box", "other.json", {"provider": "libvirt"}, "it has no `metadata.json`"),
        ("x.box", "metadata.json", {}, "is no Vagrant box: 'provider'"),
        ("x.box", "metadata.json", {"provider": "libvirt"}, "does not tell its architecture"),
    ],
)
def test_what_is_no_box(
    tmp_path: Path,
    cloud: Registry,
    make_box: MakeBox,
    name: str,
    member: str,
    metadata: dict[str, str],
    message: str,
) -> None:
    with pytest.raises(VmforgeError, match=message):
        upload(tmp_path, cloud, artifact_of(make_box(name, member, **metadata)))


def test_a_file_that_is_no_archive(tmp_path: Path, cloud: Registry) -> None:
    (tmp_path / "x.box").write_text("no archive")
    with pytest.raises(VmforgeError, match="is no Vagrant box"):
        upload(tmp_path, cloud, artifact_of(tmp_path / "x.box"))
    with pytest.raises(VmforgeError, match="cannot be read: No such file"):
        upload(tmp_path, cloud, artifact_of(tmp_path / "gone.box"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"box_tag": "debian"}, "`debian` is not the name of a box"),
        ({"version": "new"}, "`new` is no version"),
        ({"access_token": ""}, "there is no token for Vagrant Cloud"),
        ({"vagrant_cloud_url": "here"}, "`here` is not the URL of a server"),
        ({"box_checksum": "sha256:12"}, "`sha256:12` is not a checksum"),
        ({"box_checksum": "crc:12"}, "`crc:12` is not a checksum"),
        ({"box_download_url": "{{ .Nothing }}"}, "option `box_download_url`"),
        ({"insecure_skip_tls_verify": True}, "is checked all the same"),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        configure(VagrantCloudPostProcessor, {**WANTED, **options})


def test_the_token_is_a_secret() -> None:
    component = configure(VagrantCloudPostProcessor, WANTED)
    assert list(secrets_of(component.config)) == ["a-token"]
    assert "a-token" not in repr(component.config)
