"""The digest of a template, which `sha256sum` repeats."""

from __future__ import annotations

import subprocess
from pathlib import Path

from vmforge.template.digest import digest


def sha256sum(folder: Path, command: str) -> str:
    result = subprocess.run(["sh", "-c", command], cwd=folder, check=True, capture_output=True, text=True)
    return result.stdout.split()[0]


def test_of_a_file_and_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.pkr.hcl", "a.pkr.hcl", "notes.txt"):
        (tmp_path / name).write_text(name)
    assert digest(tmp_path / "b.pkr.hcl") == sha256sum(tmp_path, "sha256sum b.pkr.hcl")
    assert digest(tmp_path) == sha256sum(tmp_path, "sha256sum *.pkr.hcl | sha256sum")
    assert digest(Path("-")) == ""
