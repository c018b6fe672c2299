from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [
    path
    for folder in ("tests/guest/installer", "tests/guest/target", "tests", ".ci", "examples")
    for path in sorted((ROOT / folder).rglob("*") if folder != "tests" else (ROOT / folder).glob("*.sh"))
    if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_is_shell(script: Path) -> None:
    checked = subprocess.run(["sh", "-n", str(script)], check=False, stderr=subprocess.PIPE, text=True)
    assert checked.stderr == ""
