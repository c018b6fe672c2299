"""`vmforge hcl2_upgrade`: where the upgraded template goes, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
TEMPLATE = {
    "variables": {"name": "x"},
    "builders": [{"type": "qemu", "iso_url": "a.iso", "iso_checksum": "none", "ssh_username": "root"}],
    "provisioners": [
        {"type": "converge", "filters": [{"include": "$true"}]},
        {"type": "shell", "inline": ["echo {{user `name`}}"]},
    ],
}
PLUGINS = """\
packer {
  required_plugins {
    converge = {
      version = "~> 1"
      source  = "github.com/hashicorp/converge"
    }
    qemu = {
      version = "~> 1"
      source  = "github.com/hashicorp/qemu"
    }
  }
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("t.json").write_text(json.dumps(TEMPLATE), encoding="utf-8")
    return tmp_path


def test_beside_the_template(vmforge: Run) -> None:
    done = vmforge("hcl2_upgrade", "t.json")
    assert (done.status, done.out) == (0, "Wrote `t.json.pkr.hcl`.\n")
    assert done.err.startswith("warning: vmforge has no provisioner `converge`")
    text = Path("t.json.pkr.hcl").read_text(encoding="utf-8")
    assert text.startswith(PLUGINS) and 'inline = ["echo ${var.name}"]' in text
    assert vmforge("fmt", "-check", "t.json.pkr.hcl").status == 0
    assert vmforge("validate", "t.json.pkr.hcl").status == 0
    assert sorted(path.name for path in Path().iterdir()) == ["t.json", "t.json.pkr.hcl"]


def test_over_another_file(vmforge: Run) -> None:
    Path("main.pkr.hcl").write_text("old", encoding="utf-8")
    done = vmforge("hcl2_upgrade", "-output-file=main.pkr.hcl", "-with-annotations", "t.json")
    assert (done.status, done.out) == (0, "Wrote `main.pkr.hcl`.\n")
    assert Path("main.pkr.hcl").read_text(encoding="utf-8").startswith("# Written by `vmforge hcl2_upgrade`")


def test_to_standard_output(vmforge: Run) -> None:
    done = vmforge("hcl2_upgrade", "-output-file=-", "t.json")
    assert done.status == 0 and done.out.startswith(PLUGINS) and "# " not in done.out
    assert not Path("t.json.pkr.hcl").exists()


def test_failures(vmforge: Run, folder: Path) -> None:
    done = vmforge("hcl2_upgrade", "-output-file=no/such/t.pkr.hcl", "t.json")
    assert done.status == 1 and "`no/such/t.pkr.hcl` cannot be written: no such file" in done.err
    Path("t.json").write_text('{"builders": 1}', encoding="utf-8")
    done = vmforge("hcl2_upgrade", "t.json")
    assert done.status == 1 and "`builders` must be a list" in done.err
    assert vmforge("hcl2_upgrade", "missing.json").status == 1
    assert [path.name for path in folder.iterdir()] == ["t.json"]
