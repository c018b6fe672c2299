"""Every example is a template that validates; the quickstart's is one for Packer as well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = sorted({path.parent for path in (ROOT / "examples").rglob("*.pkr.hcl")})
LEGACY = sorted(path for path in (ROOT / "examples").glob("*/*.json"))

# What run.sh, or the user, would give.
VARIABLES = {
    "debian-12": ["-var", "mirror_host=mirror.example"],
    "three-clouds": ["-var", "project=web-images"],
    "redis.json": ["-var", "do_token=not-a-token"],
    "ami.json": ["-var", "source_ami=ami-0123456789abcdef0"],
}


def arguments(example: Path) -> list[str]:
    return ["validate", *VARIABLES.get(example.name, []), str(example)]


@pytest.mark.parametrize("example", [*FOLDERS, *LEGACY], ids=lambda path: path.name)
def test_validates(example: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vmforge", *arguments(example)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "The configuration is valid.\n"), done.stderr


def test_the_quickstart_is_a_template_of_packer_too(tmp_path: Path) -> None:
    packer = shutil.which("packer")
    if packer is None:
        pytest.skip("Packer is not installed")
    # Packer's own validation looks at the ISO, its checksum's list and the output folder
    iso = tmp_path / "tiny.iso"
    iso.write_bytes(b"no ISO")
    (tmp_path / "tiny.iso.sha256").write_text(f"{'0' * 64}  tiny.iso\n")
    places = ["-var", f"iso={iso}", "-var", f"output={tmp_path / 'output'}"]
    command = [packer, "validate", *places, "examples/quickstart/quickstart.pkr.hcl"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
