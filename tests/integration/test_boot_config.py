"""A system from one line: what `vmforge new` writes is built with the real Debian installer, typed and not.

`pytest -m slow`; each takes 13 to 30 minutes without KVM.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration import debian
from tests.integration.conftest import ROOT, Vmforge

MEDIUM = ROOT.parent / "shared" / "media" / "debian-12-installer.iso"
LIMIT = 5400.0


@pytest.mark.slow
@pytest.mark.machine
@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("method", ["kernel", "type"])
def test_a_new_template_builds_debian(vmforge: Vmforge, method: str) -> None:
    if not MEDIUM.exists():
        pytest.skip(f"the installer's ISO is not at {MEDIUM}")
    assert vmforge.run("new", "debian-12", "--output", "web", "--iso", str(MEDIUM)).status == 0
    template = vmforge.folder / "web" / "debian-12.pkr.hcl"
    checked = '["sudo -n true && hostname && grep PRETTY /etc/os-release && cat /etc/late"]'
    template.write_text(template.read_text().replace('["uname -sr", "id"]', checked))
    params = {
        "hostname": "web",
        "password": "not-shown-17",
        "mirror": debian.mirror(),
        "upgrade": False,
        "kernel": "linux-image-cloud-amd64",
        "initramfs": "dep",
        "late_commands": ["echo came late >/etc/late"],
    }
    settings = ["--set", f"boot_params={json.dumps(params)}", "--set", f"boot_method={method}"]
    built = vmforge.start("build", *settings, "web").finish(LIMIT)
    assert built.status == 0, built.out[-4000:] + built.err
    for line in ("web", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"', "came late"):
        assert f": {line}\n" in built.out
    assert "not-shown-17" not in built.out + built.err
    image = vmforge.folder / "output-debian-12" / "debian-12.qcow2"
    subprocess.run(["qemu-img", "check", "-q", image], check=True)
    assert Path(f"{image.parent}/debian-12.sha256").is_file()
