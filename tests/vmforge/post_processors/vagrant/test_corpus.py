"""Real templates whose QEMU builds end in a Vagrant box, planned and run on a small disk."""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.vmforge.post_processors.vagrant.conftest import make_disk, unpack
from vmforge.diagnostics import Diagnostic
from vmforge.errors import VmforgeError
from vmforge.pipeline.plan import PlannedBuild, PlannedPostProcessor, Planner
from vmforge.post_processors.vagrant import VagrantPostProcessor
from vmforge.sdk import APPLIANCE, Appliance, FileArtifact
from vmforge.sdk.registry import Registry
from vmforge.sdk.testing import fake_context
from vmforge.template import VariableInputs, load

CORPUS = Path(__file__).parents[5] / "shared" / "corpus"
STARTED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
_MISSING = re.compile(r"there is no file `(.+)`")
# Files that the repositories link to, or make before they build, are not in the archive.
_TRIES = 5


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CORPUS.is_dir():
        pytest.skip("the shared corpus is not beside the repository")
    folder = tmp_path_factory.mktemp("corpus")
    with tarfile.open(CORPUS / "templates.tar.xz") as archive:
        archive.extractall(folder)
    return folder


def listed(templates: Path) -> Iterator[tuple[Path, Path]]:
    """The folder of each template that Packer accepts, and its name there."""
    for line in (CORPUS / "packer-1.6.6-inspect.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        path = templates / row["path"]
        if row["rc"] == 0:
            yield (path, Path()) if row["kind"] == "hcl" else (path.parent, Path(path.name))


def plan(folder: Path, target: Path) -> tuple[list[PlannedBuild], list[Diagnostic]]:
    """The builds that could be planned; missing files of `vagrantfile_template` are made."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PKR_")}
    template = load(target, VariableInputs(environment=environment), started=STARTED, tolerant=True)
    for _ in range(_TRIES):
        planner = Planner(template, Registry(), STARTED, strict=False)
        builds = list(planner.plan().builds)
        missing = {match[1] for d in planner.diagnostics if (match := _MISSING.fullmatch(d.summary))}
        made = [name for name in missing if inside(folder / name, folder.parent)]
        if not made:
            return builds, planner.diagnostics
        for name in made:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    raise AssertionError("files stay missing")


def inside(path: Path, folder: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(folder)


def vagrant_steps(build: PlannedBuild) -> list[PlannedPostProcessor]:
    steps = [step for chain in build.chains for step in chain]
    return [step for step in steps if issubclass(step.component, VagrantPostProcessor)]


def run(build: PlannedBuild, step: PlannedPostProcessor, disk: Path, folder: Path) -> dict[str, Any]:
    """Make the box, below `folder` whatever the template says; returns its metadata."""
    folder.mkdir()
    data = {"ID": "VM", "PackerHTTPAddr": "", "SSHPrivateKey": ""}
    context = fake_context(
        folder,
        name=build.name,
        data=data,
        render=lambda text, fields: build.interpolator.with_fields(fields).render(text),
    )
    component = build.make(step, context)
    assert isinstance(component, VagrantPostProcessor)
    output = folder / Path(component.config.output).name
    component = VagrantPostProcessor(replace(component.config, output=str(output), override=None))
    machine = Appliance(name=build.name, disks=(disk,))
    artifact = FileArtifact("transcend.qemu", "VM", (disk,), "", state={APPLIANCE: machine})
    made = component.process(context, artifact).artifact
    assert made is not None
    return unpack(made.files[0], folder / "box").metadata


def test_real_templates_make_boxes(templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = make_disk(tmp_path / "disk.qcow2")
    made, wrong, absent = 0, [], 0
    for number, (folder, target) in enumerate(listed(templates)):
        monkeypatch.chdir(folder)
        try:
            builds, found = plan(folder, target)
        except VmforgeError:
            continue  # tests/vmforge/template/test_corpus.py looks at those
        wrong += [(folder.name, d.summary) for d in found if is_about_boxes(d)]
        for index, build in enumerate(builds):
            steps = vagrant_steps(build) if build.type == "qemu" else []
            for place, step in enumerate(steps):
                try:
                    metadata = run(build, step, disk, tmp_path / f"{number}-{index}-{place}")
                except VmforgeError as error:
                    if "there is no variable" in error.message:
                        absent += 1  # declared in a file that the archive does not have
                    else:
                        wrong.append((folder.name, error.message))
                    continue
                assert metadata["provider"] == "libvirt"
                made += 1
    assert wrong == []
    assert made >= 60, f"{made} made, {absent} not: their variables are not in the archive"


def is_about_boxes(diagnostic: Diagnostic) -> bool:
    """Whether a finding is about one of the post-processors that are tested here."""
    names = ("compression_level", "vagrantfile_template", "box_tag", "provider_override", "override")
    text = diagnostic.summary
    return "post-processor `vagrant" in text or any(f"`{name}`" in text for name in names)
