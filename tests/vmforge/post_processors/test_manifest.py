"""The `manifest` post-processor; the expected texts have the form of Packer 1.6.6's files to the byte."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from vmforge import __version__
from vmforge.errors import Interrupted, VmforgeError
from vmforge.post_processors.manifest import ManifestPostProcessor
from vmforge.sdk import (
    APPLIANCE,
    Appliance,
    Artifact,
    Cancellation,
    FileArtifact,
    FirmwareKind,
    PostProcessor,
    Processed,
)
from vmforge.sdk.testing import configure, fake_context


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_bytes(b"hello world!")
    return tmp_path


ARTIFACT = FileArtifact("transcend.qemu", "VM", (Path("out/a.txt"),), "files")


def process(
    folder: Path, artifact: Artifact = ARTIFACT, *, context: dict[str, Any] | None = None, **options: Any
) -> Processed:
    component = configure(ManifestPostProcessor, options)
    assert isinstance(component, PostProcessor)
    return component.process(fake_context(folder, **(context or {})), artifact)


def test_the_file_to_the_byte(here: Path) -> None:
    made = process(
        here,
        strip_time=True,
        custom_data={"k": "<v&> é {{ .BuildName }}", "a": "{{ .Host }}"},
        context={"data": {"Host": "10.0.2.15"}},
    )
    assert (
        (here / "packer-manifest.json").read_text()
        == """{
  "builds": [
    {
      "name": "base",
      "builder_type": "qemu",
      "files": [
        {
          "name": "out/a.txt",
          "size": 12
        }
      ],
      "artifact_id": "VM",
      "packer_run_uuid": "00000000-0000-4000-8000-000000000000",
      "custom_data": {
        "a": "10.0.2.15",
        "k": "\\u003cv\\u0026\\u003e é base"
      }
    }
  ],
  "last_run_uuid": "00000000-0000-4000-8000-000000000000"
}"""
    )
    assert made == Processed(ARTIFACT, keep_input=True, must_keep=True)
    assert sorted(path.name for path in here.iterdir()) == ["out", "packer-manifest.json"]


def test_what_is_not_there_is_null(here: Path) -> None:
    process(here, FileArtifact("null", "", (), "nothing"), output="sub/{{ .BuilderType }}.json")
    (build,) = json.loads((here / "sub/qemu.json").read_text())["builds"]
    assert (build["files"], build["custom_data"], build["artifact_id"]) == (None, None, "")
    assert list(build)[:4] == ["name", "builder_type", "build_time", "files"]
    assert isinstance(build["build_time"], int)


def test_strip_path(here: Path) -> None:
    process(here, strip_path=True)
    (build,) = json.loads((here / "packer-manifest.json").read_text())["builds"]
    assert build["files"] == [{"name": "a.txt", "size": 12}]


def uuids(folder: Path) -> list[str]:
    document = json.loads((folder / "packer-manifest.json").read_text())
    return [build["packer_run_uuid"] for build in document["builds"]]


def test_runs_are_appended_and_force_starts_anew(here: Path) -> None:
    for run, force in (("1", False), ("2", False)):
        process(here, context={"run_uuid": run, "force": force})
    assert uuids(here) == ["1", "2"]
    for run, force in (("3", True), ("3", True)):
        process(here, context={"run_uuid": run, "force": force})
    assert uuids(here) == ["3", "3"]


def test_builds_of_one_run_at_once(here: Path) -> None:
    threads = [
        threading.Thread(target=process, args=(here,), kwargs={"context": {"run_uuid": str(number)}})
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(uuids(here)) == list("01234567")
    assert not (here / "packer-manifest.json.lock").exists()


def test_a_lock_that_somebody_holds_ends_with_the_build(here: Path) -> None:
    cancellation = Cancellation()
    with (here / "packer-manifest.json.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        timer = threading.Timer(0.1, cancellation.cancel)
        timer.start()
        with pytest.raises(Interrupted):
            process(here, context={"cancellation": cancellation})
        timer.join()
    assert not (here / "packer-manifest.json").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"builds": 3}'])
def test_a_file_that_is_no_manifest_stays(here: Path, text: str) -> None:
    (here / "packer-manifest.json").write_text(text)
    with pytest.raises(VmforgeError, match=r"`packer-manifest\.json` is not a manifest") as caught:
        process(here)
    assert caught.value.hint == "move the file away, and a new one is made"
    assert (here / "packer-manifest.json").read_text() == text


def test_an_empty_file_is_an_empty_manifest(here: Path) -> None:
    (here / "packer-manifest.json").write_text("")
    process(here, context={"run_uuid": "1"})
    assert uuids(here) == ["1"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"output": ""}, "`output` is empty"), ({"custom_data": {"a": "{{ .Hos }}"}}, "did you mean `.Host`?")],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(ManifestPostProcessor, options)
    assert expected in str(caught.value)


def test_the_extended_file(here: Path) -> None:
    disk = Path("out/disk.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8M"], check=True)
    appliance = Appliance(name="base", disks=(disk,), cpus=2, firmware=FirmwareKind.UEFI)
    files = (disk, Path("out/a.txt"), Path("gone"))
    artifact = FileArtifact("transcend.qemu", "VM", files, "files", state={APPLIANCE: appliance})
    context = {"started": time.time() - 90, "template_digest": "ab12"}
    process(here, artifact, context=context, extended=True, custom_data={"k": "v"}, strip_path=True)
    (plain,) = json.loads((here / "packer-manifest.json").read_text())["builds"]
    assert [file["name"] for file in plain["files"]] == ["disk.qcow2", "a.txt", "gone"]
    assert "appliance" not in plain
    (build,) = json.loads((here / "packer-manifest.extended.json").read_text())["builds"]
    assert 90 <= build.pop("duration") < 600
    image, text, gone = build.pop("files")
    assert (image["name"], image["image"]) == ("disk.qcow2", {"format": "qcow2", "virtual_size": 8 << 20})
    assert (image["size"], image["size_on_disk"]) == (disk.stat().st_size, disk.stat().st_blocks * 512)
    assert (text["sha256"], text["image"]) == (hashlib.sha256(b"hello world!").hexdigest(), None)
    assert gone == {"name": "gone", "size": 0}
    assert build == {
        **{name: value for name, value in plain.items() if name != "files"},
        "full_name": "qemu.base",
        "builder_id": "transcend.qemu",
        "urls": None,
        "appliance": {
            "name": "base",
            "architecture": "x86_64",
            "cpus": 2,
            "memory": 1 << 30,
            "firmware": "uefi",
            "disk_bus": "virtio",
            "network_model": "virtio-net",
            "accelerator": "kvm",
        },
        "template_sha256": "ab12",
        "vmforge_version": __version__,
    }


def test_the_extended_file_of_an_upload(here: Path) -> None:
    artifact = FileArtifact("upload", "x", (), "uploaded", state={"urls": ("s3://a/b",)})
    process(here, artifact, extended=True, strip_time=True, output="m")
    (build,) = json.loads((here / "m.extended").read_text())["builds"]
    assert (build["urls"], build["files"], build["appliance"]) == (["s3://a/b"], None, None)
    assert "duration" not in build and "build_time" not in build
