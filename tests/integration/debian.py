"""What tests in a real Debian need: its image, an archive of packages, the tools that run in or against it.

Tools are made once, in the clone's build folder; `VMFORGE_ANSIBLE`, `VMFORGE_TESTINFRA`, `VMFORGE_GOSS` and
`VMFORGE_SALT` name others.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

import pytest

from vmforge.media.iso import IsoImage

ROOT = Path(__file__).resolve().parents[2]
_TOOLS = ROOT / "build" / "tools"
# What Debian 12 has: the compiled parts of Salt are of this release.
_GUEST_PYTHON = (3, 11)


def image() -> Path:
    """The image that the tests lay overlays over; skips where there is none."""
    named = os.environ.get("VMFORGE_DEBIAN_IMAGE", "")
    path = Path(named) if named else ROOT / "build" / "debian-12" / "debian-12.qcow2"
    if not path.is_file():
        pytest.skip(
            f"there is no image `{path}`; make one with `sh examples/debian-12/run.sh CD`, or name one of "
            "Debian 12 with VMFORGE_DEBIAN_IMAGE (user and password `debian`, sudo without a password)"
        )
    return path.absolute()


def mirror() -> str:
    """The archive that this machine's own apt uses; skips where it knows none."""
    return _site("debian") or pytest.skip(
        "apt on this machine knows no Debian archive to install a guest from"
    )


def _site(folder: str) -> str:
    command = ["apt-get", "indextargets", "--format", "$(SITE)"]
    known = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    found = re.search(rf"^https?://[^/\s]+/{folder}/?$", known, re.MULTILINE)
    return found[0].rstrip("/") if found else ""


def medium() -> Path:
    """The installer's ISO beside this clone; skips where there is none."""
    path = ROOT.parent / "shared" / "media" / "debian-12-installer.iso"
    if not path.is_file():
        pytest.skip(f"the installer's ISO is not at {path}")
    return path


def default_mirrors(medium: Path) -> list[str]:
    """The flags that have this machine's archives stand in for those that the installer takes when it is told
    of none, which its components say."""
    with tempfile.TemporaryDirectory() as folder, IsoImage(medium) as iso:
        initrd = Path(folder) / "initrd.gz"
        iso.extract("install.amd/initrd.gz", initrd)
        files = gzip.decompress(initrd.read_bytes())

    def default(question: str) -> str:
        found = re.search(rf"^Template: {question}\n(?:\w.*\n)*?Default: (.+)$".encode(), files, re.MULTILINE)
        assert found is not None, f"the installer has a default for {question}"
        return found[1].decode()

    archive = f"http://{default('mirror/http/hostname')}{default('mirror/http/directory')}"
    flags = ["--mirror", f"{archive}={mirror()}/"]
    if security := _site("debian-security"):
        flags += ["--mirror", f"http://{default('apt-setup/security_host')}/debian-security={security}"]
    return flags


def lasting_layers() -> Path | None:
    """A cache that outlives the run, if one is named: the next run goes on from what it has installed."""
    named = os.environ.get("VMFORGE_TEST_LAYERS")
    return Path(named).absolute() if named else None


def ansible() -> Path:
    return _named("VMFORGE_ANSIBLE") or _virtualenv() / "ansible-playbook"


def testinfra() -> Path:
    return _named("VMFORGE_TESTINFRA") or _virtualenv() / "pytest"


def _named(variable: str) -> Path | None:
    """A tool that the user names; by its own name in the path, too."""
    found = shutil.which(os.environ.get(variable, ""))
    return Path(found).absolute() if found else None


def _virtualenv() -> Path:
    """The programs of ansible-core and testinfra from PyPI."""
    folder = _TOOLS / "venv"
    done = folder / "done"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        _pip(folder / "bin" / "python", "ansible-core", "pytest-testinfra")
        done.touch()
    return folder / "bin"


def _pip(python: str | Path, *arguments: str) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=3000)


def salt() -> Path:
    """Salt and all that it needs, as an archive for the guest. PyPI has its source only: minutes to build."""
    if named := os.environ.get("VMFORGE_SALT"):
        return Path(named).absolute()
    archive = _TOOLS / "salt.tar.gz"
    if not archive.exists():
        if sys.version_info[:2] != _GUEST_PYTHON:
            pytest.skip("Salt for Debian 12 is built by Python 3.11; VMFORGE_SALT names an archive of it")
        tree = _TOOLS / "salt"
        shutil.rmtree(tree, ignore_errors=True)
        _pip(sys.executable, "--no-compile", "--target", str(tree), "salt")
        staged = archive.with_suffix(".part")
        with tarfile.open(staged, "w:gz") as tar:
            tar.add(tree, ".")
        staged.replace(archive)
        shutil.rmtree(tree)
    return archive


def goss() -> Path:
    """A goss that runs in Debian 12, out of the release after it, the first to have one."""
    if named := os.environ.get("VMFORGE_GOSS"):
        return Path(named).absolute()
    program = _TOOLS / "goss"
    if not program.exists():
        site = mirror()
        _TOOLS.mkdir(parents=True, exist_ok=True)
        package = _TOOLS / "goss.deb"
        index = lzma.decompress(fetch(f"{site}/dists/trixie/main/binary-amd64/Packages.xz")).decode()
        found = re.search(r"^Package: goss\n(?:.+\n)*?Filename: (.+)$", index, re.MULTILINE)
        assert found is not None, "trixie has a package `goss`"
        package.write_bytes(fetch(f"{site}/{found[1]}"))
        subprocess.run(["dpkg-deb", "-x", package, _TOOLS / "goss.files"], check=True)
        (_TOOLS / "goss.files" / "usr" / "bin" / "goss").replace(program)
    return program


def fetch(address: str) -> bytes:
    """What is at a URL."""
    with urllib.request.urlopen(address, timeout=120) as answer:
        content: bytes = answer.read()
    return content
