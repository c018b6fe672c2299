"""The log for developers: where it goes, and what does not get into it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = """
variable "password" {
  sensitive = true
  default   = "hunter-of-two"
}

source "null" "x" {
  communicator = "none"
}

build {
  sources = ["source.null.x"]
  provisioner "shell-local" {
    inline = ["echo the password is ${var.password}"]
  }
}
"""


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "x.pkr.hcl").write_text(TEMPLATE)
    inherited = {name: value for name, value in os.environ.items() if "_LOG" not in name}
    places = {"VMFORGE_CACHE_DIR": str(folder / "cache"), "VMFORGE_STATE_DIR": str(folder / "state")}
    command = [sys.executable, "-m", "vmforge", "build", "x.pkr.hcl"]
    finished = subprocess.run(
        command, cwd=folder, env=inherited | places | environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished


@pytest.mark.parametrize("variable", ["PACKER_LOG", "VMFORGE_LOG"])
def test_the_log_goes_to_standard_error(tmp_path: Path, variable: str) -> None:
    logged = build(tmp_path, **{variable: "1"}).stderr
    assert "DEBUG [" in logged and "vmforge.sdk.steps: Provisioning with shell-local: " in logged
    assert "vmforge.scripts.process: running /bin/sh" in logged
    assert "hunter" not in logged


@pytest.mark.parametrize("environment", [{}, {"PACKER_LOG": "0"}, {"PACKER_LOG": ""}])
def test_without_being_asked_there_is_none(tmp_path: Path, environment: dict[str, str]) -> None:
    assert build(tmp_path, **environment).stderr == ""


def test_a_path_is_enough_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "vmforge.log"
    assert build(tmp_path, PACKER_LOG_PATH=str(path)).stderr == ""
    assert "vmforge.sdk.steps" in path.read_text() and path.stat().st_mode & 0o777 == 0o600


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vmforge", "version"]
    environment = {**os.environ, "VMFORGE_LOG_PATH": str(tmp_path / "no/such/folder")}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert "cannot be written: No such file or directory" in finished.stderr
