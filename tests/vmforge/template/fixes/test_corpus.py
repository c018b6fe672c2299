"""Real templates come out as Packer's `fix` prints them, byte by byte."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vmforge.template.fixes import fix_template


def test_real_templates_are_fixed_as_packer_does(corpus: Path, corpus_templates: Path) -> None:
    packer = shutil.which("packer")
    if packer is None:
        pytest.skip("packer is not installed")
    rows = map(json.loads, (corpus / "packer-1.6.6-inspect.jsonl").read_text(encoding="utf-8").splitlines())
    paths = [corpus_templates / row["path"] for row in rows if row["kind"] == "json" and row["rc"] == 0]

    def by_packer(path: Path) -> bytes:
        return subprocess.run(
            [packer, "fix", "-validate=false", path], check=True, capture_output=True
        ).stdout

    with ThreadPoolExecutor(2) as pool:
        expected = dict(zip(paths, pool.map(by_packer, paths), strict=True))
    fixed = {path: fix_template(path) for path in paths}
    assert [str(p) for p in paths if f"{fixed[p].text}\n".encode() != expected[p]] == []
    assert sum(bool(template.changes) for template in fixed.values()) > 50
