"""Catalogues of boxes; tests/integration/test_vagrant.py lets Vagrant read one."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.vmforge.post_processors.vagrant.conftest import Process, make_disk
from vmforge.errors import Interrupted, VmforgeError
from vmforge.images.box.catalog import CatalogEntry, add_entry
from vmforge.post_processors.lock import FileLock
from vmforge.post_processors.vagrant import VagrantPostProcessor
from vmforge.sdk import Cancellation
from vmforge.sdk.testing import configure

NAMED = {"path": "boxes/metadata.json", "box_tag": "acme/base"}


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return make_disk(tmp_path / "base.qcow2")


def catalogue(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "boxes/metadata.json").read_text())
    return found


def test_versions_are_added(tmp_path: Path, disk: Path, process: Process) -> None:
    for version in ("1.0.0", "1.1.0"):
        options = {"output": f"boxes/{version}.box", "catalog": {**NAMED, "version": version}}
        process([disk], options)
    found = catalogue(tmp_path)
    assert found["name"] == "acme/base"
    assert [version["version"] for version in found["versions"]] == ["1.0.0", "1.1.0"]
    box = tmp_path / "boxes/1.1.0.box"
    assert found["versions"][1]["providers"] == [
        {
            "name": "libvirt",
            "architecture": "amd64",
            "url": box.as_uri(),
            "checksum_type": "sha256",
            "checksum": hashlib.sha256(box.read_bytes()).hexdigest(),
            "default_architecture": True,
        }
    ]
    assert sorted(path.name for path in (tmp_path / "boxes").iterdir()) == [
        "1.0.0.box",
        "1.1.0.box",
        "metadata.json",
    ]


def test_a_web_server(tmp_path: Path, disk: Path, process: Process) -> None:
    served = {"base_url": "https://boxes.example/base/", "description": "A base.", "version": "2.0"}
    options = {"output": "boxes/2.0/a box.box", "catalog": {**NAMED, **served}}
    process([disk], options)
    found = catalogue(tmp_path)
    assert found["description"] == "A base."
    (provider,) = found["versions"][0]["providers"]
    assert provider["url"] == "https://boxes.example/base/2.0/a%20box.box"


def test_a_box_of_each_provider(tmp_path: Path, disk: Path, process: Process) -> None:
    providers = ["libvirt", "vmware"]
    process([disk], {"providers": providers, "catalog": {**NAMED, "version": "1"}})
    (version,) = catalogue(tmp_path)["versions"]
    assert [provider["name"] for provider in version["providers"]] == ["libvirt", "vmware_desktop"]


def test_what_others_wrote_stays() -> None:
    document = {"name": "acme/base", "mine": 1, "versions": [{"version": "1", "status": "active"}]}
    one = CatalogEntry("1", "libvirt", "amd64", "file:///a", "00")
    found = add_entry(document, one)
    found = add_entry(found, CatalogEntry("1", "libvirt", "arm64", "file:///b", "01"))
    found = add_entry(found, CatalogEntry("1", "libvirt", "amd64", "file:///c", "02"))
    assert found["mine"] == 1
    (version,) = found["versions"]
    assert version["status"] == "active"
    rows = [
        (p["architecture"], p["url"], p["checksum"], p["default_architecture"]) for p in version["providers"]
    ]
    assert rows == [("amd64", "file:///c", "02", True), ("arm64", "file:///b", "01", False)]
    assert document["versions"] == [{"version": "1", "status": "active"}]


def test_builds_at_the_same_time(tmp_path: Path, disk: Path, process: Process) -> None:
    def build(number: int) -> None:
        options = {"output": f"boxes/{number}.box", "catalog": {**NAMED, "version": f"1.{number}"}}
        process([disk], options)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(build, range(8)))
    versions = {version["version"] for version in catalogue(tmp_path)["versions"]}
    assert versions == {f"1.{number}" for number in range(8)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "is not a catalogue of boxes: it is no object"),
        ("{", "is not a catalogue of boxes: "),
        ('{"name": "acme/other"}', "is the catalogue of `acme/other`"),
        ('{"versions": {}}', "`versions` is no list"),
    ],
)
def test_a_file_that_is_something_else(
    tmp_path: Path, disk: Path, process: Process, text: str, expected: str
) -> None:
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes/metadata.json").write_text(text)
    with pytest.raises(VmforgeError, match=expected):
        process([disk], {"catalog": {**NAMED, "version": "1"}})
    assert (tmp_path / "boxes/metadata.json").read_text() == text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({**NAMED, "version": "one"}, "`one` is no version"),
        ({**NAMED, "version": "1.2.x y"}, "is no version"),
        ({"path": "x", "box_tag": "", "version": "1"}, "`box_tag` is empty"),
        ({"path": "x", "version": "1"}, "missing option `box_tag`"),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        configure(VagrantPostProcessor, {"catalog": options})


def test_waiting_for_the_lock_ends_with_the_build(tmp_path: Path) -> None:
    path = tmp_path / "file"
    cancellation = Cancellation()
    with FileLock(path, "vagrant", Cancellation()):
        cancellation.cancel()
        with pytest.raises(Interrupted), FileLock(path, "vagrant", cancellation):
            raise AssertionError("the lock is held")
    assert list(tmp_path.iterdir()) == []
