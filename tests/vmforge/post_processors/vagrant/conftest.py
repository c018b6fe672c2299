"""Disks to make boxes of, and boxes taken apart."""

from __future__ import annotations

import json
import random
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vmforge.post_processors.vagrant import VagrantPostProcessor
from vmforge.sdk import APPLIANCE, Appliance, FileArtifact, PostProcessor, Processed
from vmforge.sdk.testing import RecordingUi, configure, fake_context

MIB = 1024**2


def make_disk(path: Path, *, size: int = 5 * MIB, format: str = "qcow2", seed: int = 1) -> Path:
    """A disk with noise at its start and its end."""
    noise = random.Random(seed)
    raw = path.with_suffix(".contents")
    with raw.open("wb") as file:
        file.write(noise.randbytes(MIB))
        file.seek(size - 512)
        file.write(noise.randbytes(512))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", format, raw, path], check=True)
    return path


def same_disk(one: Path, two: Path) -> bool:
    return subprocess.run(["qemu-img", "compare", "-q", one, two], check=False).returncode == 0


@dataclass
class Unpacked:
    """A box: its members' names in order, and its files in a folder."""

    names: list[str]
    folder: Path

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "metadata.json").read_text())
        return found

    @property
    def vagrantfile(self) -> str:
        return (self.folder / "Vagrantfile").read_text()


def unpack(box: Path, folder: Path) -> Unpacked:
    folder.mkdir()
    with tarfile.open(box) as archive:
        archive.extractall(folder)
        return Unpacked(archive.getnames(), folder)


Process = Callable[..., Processed]


@pytest.fixture
def ui() -> RecordingUi:
    return RecordingUi()


@pytest.fixture
def process(tmp_path: Path, ui: RecordingUi, monkeypatch: pytest.MonkeyPatch) -> Process:
    """Run `vagrant` in the test's folder, on disks of an appliance or on plain files."""
    monkeypatch.chdir(tmp_path)

    def run(
        disks: list[Path], options: Mapping[str, Any] | None = None, *, plain: bool = False, **machine: Any
    ) -> Processed:
        component = configure(VagrantPostProcessor, dict(options or {}))
        assert isinstance(component, PostProcessor)
        appliance = Appliance(name="base", disks=tuple(disks), **machine)
        state = {} if plain else {APPLIANCE: appliance}
        artifact = FileArtifact("transcend.qemu", "VM", tuple(disks), "disks", state=state)
        return component.process(fake_context(tmp_path, ui=ui), artifact)

    return run
