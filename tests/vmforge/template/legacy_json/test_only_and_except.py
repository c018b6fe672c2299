"""A single name for `only` or `except`: Packer 1.6.6 takes it for provisioners, not for post-processors."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from vmforge.diagnostics import DiagnosticError
from vmforge.template import VariableInputs, load


def template(tmp_path: Path, section: str, component: dict[str, object]) -> Path:
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"builders": [{"type": "null"}], section: [component]}), encoding="utf-8")
    return path


def test_a_provisioner(tmp_path: Path, started: datetime) -> None:
    path = template(tmp_path, "provisioners", {"type": "shell", "except": "null"})
    (build,) = load(path, VariableInputs(), started=started).builds
    assert build.provisioners[0].except_ == ("null",)


def test_a_post_processor(tmp_path: Path, started: datetime) -> None:
    path = template(tmp_path, "post-processors", {"type": "manifest", "only": "null"})
    with pytest.raises(DiagnosticError) as caught:
        load(path, VariableInputs(), started=started)
    assert caught.value.diagnostics[0].summary == "`only` must be a list, not a string"
