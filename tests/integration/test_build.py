"""Whole builds through the command line, and what they leave."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import Traces, Vmforge

pytestmark = pytest.mark.machine


def test_from_iso_to_image(tiny: Vmforge, traces: Traces) -> None:
    ended = tiny.run("build", "--timings", "times.json", "tiny.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    image = tiny.folder / "output-tiny" / "packer-tiny"
    assert _image(image)["format"] == "qcow2"
    assert "backing-filename" not in _image(image)
    stated = (tiny.folder / "tiny.sha256").read_text().split("\t")
    assert stated == [hashlib.sha256(image.read_bytes()).hexdigest(), "packer-tiny\n"]
    assert "    qemu.tiny: installer fetched /tiny.cfg\n" in ended.out
    assert re.search(r"qemu.tiny: Linux tiny \S+", ended.out)
    titles = [row["title"] for row in json.loads((tiny.folder / "times.json").read_text())]
    assert titles.index("Typing the boot command") < titles.index("Waiting for SSH")
    kept = ("output-tiny", "tiny.sha256", "times.json")
    assert [path for path in traces.left() if not any(name in path for name in kept)] == []


def test_machine_readable(tiny: Vmforge) -> None:
    ended = tiny.run("build", "-machine-readable", "tiny.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    rows = [line.split(",") for line in ended.out.splitlines()]
    assert all(row[0].isdigit() for row in rows)
    artifacts = [row[1:] for row in rows if row[2].startswith("artifact")]
    assert artifacts[0] == ["qemu.tiny", "artifact-count", "2"]
    assert ["qemu.tiny", "artifact", "0", "builder-id", "transcend.qemu"] in artifacts
    assert ["qemu.tiny", "artifact", "0", "file", "0", "output-tiny/packer-tiny"] in artifacts


def test_two_builds_side_by_side_and_a_disk_image_as_source(tiny: Vmforge) -> None:
    first = tiny.run("build", "tiny.pkr.hcl")
    assert first.status == 0, first.out + first.err
    (tiny.folder / "two.pkr.hcl").write_text(_TWO)
    ended = tiny.run("build", "-parallel-builds=2", "two.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    for name in ("copy", "overlay"):
        assert f"    qemu.{name}: here-is-{name}\n" in ended.out
    overlay = _image(tiny.folder / "output-overlay" / "packer-overlay")
    assert overlay["backing-filename"].endswith("output-tiny/packer-tiny")
    assert _image(tiny.folder / "output-copy" / "packer-copy")["virtual-size"] == 1024**3


_TWO = """
source "qemu" "image" {
  iso_url          = "output-tiny/packer-tiny"
  iso_checksum     = "none"
  disk_image       = true
  memory           = 512
  headless         = true
  ssh_username     = "forge"
  ssh_password     = "secret-of-forge"
  shutdown_command = "sudo poweroff"
}

source "qemu" "copy" {
  iso_url          = "output-tiny/packer-tiny"
  iso_checksum     = "none"
  disk_image       = true
  disk_size        = "1G"
  headless         = true
  ssh_username     = "forge"
  ssh_password     = "secret-of-forge"
}

build {
  source "qemu.image" {
    name             = "overlay"
    use_backing_file = true
    skip_resize_disk = true
    output_directory = "output-overlay"
    vm_name          = "packer-overlay"
  }
  sources = ["qemu.copy"]
  provisioner "shell" {
    inline = ["echo here-is-${source.name}"]
  }
}
"""


def _image(path: Path) -> dict[str, str]:
    done = subprocess.run(
        ["qemu-img", "info", "--output=json", path], check=True, capture_output=True, text=True
    )
    subprocess.run(["qemu-img", "check", "-q", path], check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
