"""The examples of docs/post-processors.md are valid, and every post-processor is on that page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vmforge.sdk.registry import Kind, Registry

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/post-processors.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```hcl\n(.*?)```", PAGE, re.DOTALL)
TEMPLATE = (
    'source "null" "base" {{\n  communicator = "none"\n}}\nbuild {{\n  sources = ["null.base"]\n{}\n}}\n'
)


def vmforge(folder: Path, command: str, example: str) -> subprocess.CompletedProcess[str]:
    template = folder / "t.pkr.hcl"
    template.write_text(TEMPLATE.format(example))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VMFORGE_STATE_DIR": str(folder / "state")}
    return subprocess.run(
        [sys.executable, "-m", "vmforge", command, str(template)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_valid(tmp_path: Path, example: str) -> None:
    ended = vmforge(tmp_path, "validate", example)
    assert ended.returncode == 0, ended.stderr


def test_the_chain_of_artifice_runs(tmp_path: Path) -> None:
    (example,) = (example for example in EXAMPLES if "made/*.txt" in example)
    ended = vmforge(tmp_path, "build", example)
    assert ended.returncode == 0, ended.stderr
    assert "Created artifact from files: made/greeting.txt" in ended.stdout + ended.stderr


@pytest.mark.parametrize("name", Registry().names(Kind.POST_PROCESSOR))
def test_a_post_processor_is_on_the_page(name: str) -> None:
    assert re.search(rf"^\|.*\b{name}\b.*\|", PAGE, re.MULTILINE)
