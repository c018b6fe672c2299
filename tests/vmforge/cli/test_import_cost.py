"""Looking at help, or at a template of one builder, loads no library of another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = """\
source "qemu" "base" {
  iso_url      = "https://example.com/installer.iso"
  iso_checksum = "none"
  ssh_username = "root"
}
build {
  sources = ["source.qemu.base"]
  provisioner "shell" { inline = ["true"] }
  post-processor "checksum" {}
}
"""

# What only the components of one platform, or a running build, may load.
HEAVY = (
    "azure",
    "boto3",
    "botocore",
    "docker",
    "google.auth",
    "google.cloud",
    "hvac",
    "keystoneauth1",
    "libvirt",
    "openstack",
    "paramiko",
    "proxmoxer",
    "pycdlib",
    "pypsrp",
    "pyVmomi",
    "requests",
    "urllib3",
)

PROGRAM = """\
import sys
from vmforge.cli.app import run
status = run(sys.argv[1:])
print("status", status, *sorted(sys.modules), file=sys.stderr)
"""


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command line has loaded when it is done."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    word, status, *modules = done.stderr.splitlines()[-1].split(" ")
    assert (word, status) == ("status", "0"), done.stderr
    return set(modules)


@pytest.mark.parametrize("arguments", [("--help",), ("plugins", "--help"), ("build", "--help")], ids=" ".join)
def test_help_loads_no_library(arguments: tuple[str, ...]) -> None:
    assert loaded_by(*arguments).isdisjoint(HEAVY)


def test_validate_loads_no_library_and_no_other_builder(tmp_path: Path) -> None:
    path = tmp_path / "base.pkr.hcl"
    path.write_text(TEMPLATE, encoding="utf-8")
    modules = loaded_by("validate", str(path))
    assert modules.isdisjoint(HEAVY)
    builders = {name.split(".")[2] for name in modules if name.startswith("vmforge.builders.")}
    folders = {path.parent.name for path in Path("vmforge/builders").glob("*/__init__.py")}
    assert builders & folders - {"answer_checks"} == {"qemu"}
