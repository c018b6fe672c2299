"""Templates of others that have sources for AWS in them."""

from __future__ import annotations

import re
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmforge.pipeline.plan import Planner
from vmforge.sdk.registry import Registry
from vmforge.template import VariableInputs, load

CORPUS = Path(__file__).parents[5] / "shared" / "corpus"
STARTED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
# What the archive lacks: files beside the templates, variables that come from files of variables, plugins.
_LACKING = re.compile(
    r"does not exist|there is no (file|variable|builder|post-processor|provisioner)|`user`: there"
)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CORPUS.is_dir():
        pytest.skip("the shared corpus is not beside the repository")
    folder = tmp_path_factory.mktemp("corpus")
    with tarfile.open(CORPUS / "templates.tar.xz") as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize(
    ("path", "sources"),
    [
        ("kubernetes-sigs__image-builder/images/capi/packer/ami/packer.json", 1),
        ("kubernetes-sigs__image-builder/images/capi/packer/ami/packer-windows.json", 1),
        ("StefanScherer__packer-windows/windows_2016_ami.json", 0),
        ("StefanScherer__packer-windows/windows_2019_core_ami.json", 0),
        ("adrienkohlbecker__homelab/packer/aws/qemu_host.pkr.hcl", 1),
        ("AlmaLinux__cloud-images/almalinux_9_ami.pkr.hcl", 8),
    ],
)
def test_templates_of_others_are_understood(
    path: str, sources: int, templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = templates / path
    monkeypatch.chdir(target.parent)
    whole = target if target.suffix == ".json" else target.parent
    template = load(whole, VariableInputs(environment={}), started=STARTED, tolerant=True)
    planner = Planner(template, Registry(), STARTED, strict=False)
    planner.plan()
    text = target.read_text(encoding="utf-8")
    used = len(re.findall(r'"type": "amazon-ebs|^source "amazon-', text, re.MULTILINE))
    assert used == sources or whole.is_dir()
    about_us = [
        d.summary
        for d in planner.diagnostics
        if d.severity.value == "error" and d.range is not None and Path(d.range.path).name == target.name
    ]
    assert [summary for summary in about_us if not _LACKING.search(summary)] == []
