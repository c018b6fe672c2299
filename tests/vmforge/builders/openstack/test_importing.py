"""`openstack-import` against the fake: what is uploaded, and what is left when it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Vmforge
from tests.vmforge.builders.openstack.conftest import login, made
from tests.vmforge.builders.openstack.fake_cloud import FakeOpenStack, Fault
from vmforge.builders.openstack.disk_formats import detect_format
from vmforge.errors import HostError


def write_import(folder: Path, cloud: FakeOpenStack, disk: str = "disk.qcow2", /, **options: Any) -> None:
    """A template that uploads a disk, made by qemu-img."""
    if not (folder / "disk.qcow2").exists():
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / "disk.qcow2", "1M"], check=True)
    given = {**login(cloud), "image_name": "web", "keep_input_artifact": True} | options
    chain = [{"artifice": {"files": [disk]}}, {"openstack-import": given}]
    source = {"null": {"web": {"communicator": "none"}}}
    build = {"sources": ["null.web"], "post-processors": [{"post-processor": chain}]}
    (folder / "web.pkr.json").write_text(json.dumps({"source": source, "build": [build]}))


def test_an_upload(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write_import(
        vmforge.folder,
        cloud,
        image_container_format="bare",
        image_min_ram=512,
        image_protected=True,
        image_tags=["a"],
        metadata={"os_distro": "debian"},
        image_members=["p1"],
    )
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    image = made(cloud)
    assert cloud.data[image["id"]] == (vmforge.folder / "disk.qcow2").read_bytes()
    told = {
        key: image[key] for key in ("disk_format", "min_ram", "protected", "tags", "visibility", "os_distro")
    }
    assert told == {
        "disk_format": "qcow2",
        "min_ram": 512,
        "protected": True,
        "tags": ["a"],
        "visibility": "shared",
        "os_distro": "debian",
    }
    assert cloud.of("members")[image["id"]] == {"p1": "pending"}
    assert "vmforge-run" not in json.dumps(image)
    assert f"An image was created: {image['id']}" in built.out


@pytest.mark.parametrize("status", [503, 0])
def test_an_upload_that_breaks_begins_anew(vmforge: Vmforge, cloud: FakeOpenStack, status: int) -> None:
    write_import(vmforge.folder, cloud)
    cloud.faults.append(Fault("PUT", "/file$", status, "the store is busy"))
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0 and "trying again" in built.out, built.err
    assert cloud.left() == ["images/web"]


def test_what_came_is_not_what_was_sent(vmforge: Vmforge, cloud: FakeOpenStack) -> None:
    write_import(vmforge.folder, cloud)

    def spoil() -> None:
        for image in cloud.of("images").values():
            if "os_hash_value" in image:
                image["os_hash_value"] = "0" * 128

    cloud.faults.append(Fault("GET", r"/images/[^/]+$", 503, then=spoil))
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "Glance has another sha512 of `disk.qcow2`" in built.err
    assert cloud.left() == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("PUT", "/file$", 413, "quota of the store", 99), "quota of the store"),
        (Fault("POST", "/images$", 0, after=True), "Glance does not answer"),
        (Fault("PATCH", "/images/", 400, "no such thing", 99), "no such thing"),
    ],
    ids=["quota", "lost", "refused"],
)
def test_nothing_is_left_of_an_import_that_fails(
    vmforge: Vmforge, cloud: FakeOpenStack, fault: Fault, message: str
) -> None:
    write_import(vmforge.folder, cloud)
    if fault.status == 0:  # else it is tried again
        cloud.faults.append(Fault("POST", "/images$", 0, after=True, times=2))
    cloud.faults.append(fault)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and message in built.err, built.err
    assert cloud.left() == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_import_that_is_ended(vmforge: Vmforge, cloud: FakeOpenStack, how: signal.Signals) -> None:
    write_import(vmforge.folder, cloud)
    running = vmforge.start("build", "web.pkr.json")
    cloud.polls = 100000
    cloud.faults.append(Fault("GET", r"/images/[^/]+$", 503, then=lambda: os.kill(running.process.pid, how)))
    status = running.finish().status
    assert status == (130 if how is signal.SIGINT else -signal.SIGKILL)
    if how is signal.SIGINT:
        assert cloud.left() == []
        return
    assert cloud.left() == ["images/web"]
    cloud.polls = 1
    again = vmforge.run("build", "web.pkr.json")
    assert again.status == 0 and "deleting what a killed build left: image" in again.out, again.err
    assert cloud.left() == ["images/web"]
    assert "vmforge-run" not in json.dumps(made(cloud))


def disk(folder: Path, content: bytes) -> Path:
    path = folder / "disk"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vdi", "vhdx", "vpc", "raw"])
def test_formats_of_what_qemu_img_writes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, path, "4M"], check=True)
    assert detect_format(path) == {"vpc": "vhd"}.get(kind, kind)


def test_files_that_are_no_disks(tmp_path: Path) -> None:
    iso = disk(tmp_path, b"\0" * 0x8001 + b"CD001" + b"\0" * 4096)
    assert detect_format(iso) == "iso"
    with pytest.raises(HostError, match="compressed with gzip"):
        detect_format(disk(tmp_path, b"\x1f\x8b" + b"\0" * 510))
    with pytest.raises(HostError, match="does not look like a disk"):
        detect_format(disk(tmp_path, b"hello"))
    with pytest.raises(HostError, match="cannot read"):
        detect_format(tmp_path / "nothing")
    base, overlay = tmp_path / "base.qcow2", tmp_path / "overlay.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1M"], check=True)
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay]
    subprocess.run(command, check=True)
    with pytest.raises(HostError, match="is an overlay"):
        detect_format(overlay)
