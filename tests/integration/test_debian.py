"""The real Debian installer, start to end (13 to 30 minutes without KVM): `pytest -m slow`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEDIUM = ROOT.parent / "shared" / "media" / "debian-12-installer.iso"
OUTPUT = ROOT / "build" / "debian-12"


@pytest.mark.slow
@pytest.mark.machine
@pytest.mark.timeout(5400)
def test_debian_12() -> None:
    if not MEDIUM.exists():
        pytest.skip(f"the installer's ISO is not at {MEDIUM}")
    shutil.rmtree(OUTPUT, ignore_errors=True)
    log = ROOT / "build" / "debian-12.log"
    with log.open("wb") as out:
        command = ["sh", "examples/debian-12/run.sh", MEDIUM, "--timings", "build/debian-12.json"]
        status = subprocess.call(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    text = log.read_text(encoding="utf-8", errors="replace")
    assert status == 0, text[-4000:]
    assert 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"' in text
    image = OUTPUT / "debian-12.qcow2"
    subprocess.run(["qemu-img", "check", "-q", image], check=True)
    manifest = json.loads((OUTPUT / "manifest.json").read_text())
    assert [file["name"] for file in manifest["builds"][0]["files"]] == ["debian-12.qcow2"]
