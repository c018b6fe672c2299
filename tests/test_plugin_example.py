"""`vmforge plugins new x`, `pip install ./x`, `pytest ./x`, `vmforge build x.pkr.hcl`: as a plugin's author
does it, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAME = "my-tape"


def run(*command: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What a Python module prints, run in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the new plugin, and what it is installed to."""
    folder = tmp_path_factory.mktemp("author")
    run("vmforge", "plugins", "new", NAME, folder=folder, environment={"PYTHONPATH": str(ROOT)})
    # vmforge itself is here already, in a version that no index has
    flags = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", "site")
    run("pip", "install", *flags, f"./{NAME}", folder=folder)
    return folder


@pytest.fixture
def installed(place: Path) -> Mapping[str, str]:
    """The environment in which the plugin is installed."""
    return {"PYTHONPATH": os.pathsep.join([str(place / "site"), str(ROOT)])}


def test_its_tests_pass(place: Path, installed: Mapping[str, str]) -> None:
    told = run("pytest", "-q", "-p", "no:cacheprovider", f"./{NAME}", folder=place, environment=installed)
    assert "14 passed" in told


def test_it_keeps_the_contracts(place: Path, installed: Mapping[str, str]) -> None:
    told = run("vmforge", "plugins", "check", f"vmforge-{NAME}", folder=place, environment=installed)
    assert told.endswith("4 components checked, none with faults\n")


def test_its_template_builds(place: Path, installed: Mapping[str, str], tmp_path: Path) -> None:
    template = str(place / NAME / f"{NAME}.pkr.hcl")
    told = run("vmforge", "build", template, folder=tmp_path, environment=installed)
    assert f"{NAME}.hello: an archive of" in told
    with tarfile.open(tmp_path / "hello.tar.gz") as archive:
        names = set(archive.getnames())
        size = archive.extractfile("etc/hello.size")
        assert size is not None
        assert size.read() == b"17 etc/hello\n"
    assert {"etc/hello", "etc/hello.size", "etc/motd"} <= names
    listed = {line.split("  ")[1] for line in (tmp_path / "hello.files.txt").read_text().splitlines()}
    assert listed == {"etc/hello", "etc/hello.size", "etc/motd"}
