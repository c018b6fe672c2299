"""The examples of docs/docker.md are valid, and all flags that are known are on that page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vmforge.builders.docker.run_command import _SWITCHES, _VALUES

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/docker.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```hcl\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_valid(tmp_path: Path, example: str) -> None:
    (tmp_path / "t.pkr.hcl").write_text(example)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VMFORGE_STATE_DIR": str(tmp_path / "state")}
    ended = subprocess.run(
        [sys.executable, "-m", "vmforge", "validate", "t.pkr.hcl"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_flags_on_the_page_are_known() -> None:
    (listed,) = re.findall(r"Known are `(.*?)`, and with a value `(.*?)` and their long", PAGE, re.DOTALL)
    assert set(listed[0].split()) <= _SWITCHES.keys()
    assert set(listed[1].split()) <= _VALUES.keys()
