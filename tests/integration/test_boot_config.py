"""A system from one line: what `vmforge new` writes is built with the real Debian installer, typed and not,
for a BIOS and for UEFI.

`pytest -m slow`; each takes 13 to 30 minutes without KVM. The packages come from the installer's own default
mirror, for which the one that this machine's apt uses stands in; they are fetched once, for all.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import debian, debian_efi
from tests.integration.conftest import Vmforge

LIMIT = 5400.0
PASSWORD = "not-shown-17"
PARAMS = {
    "hostname": "web",
    "upgrade": False,
    "kernel": "linux-image-cloud-amd64",
    "initramfs": "dep",
    "late_commands": ["echo came late >/etc/late"],
}
SCRIPT = ["sudo -n true && hostname && grep PRETTY /etc/os-release && cat /etc/late"]
# the finished image, booted once more: without what the installer had from the build
TESTS = """\
  provisioner "test" {
    on     = "artifact"
    inline = ["! grep -ri proxy /etc/apt", "! grep . ~/.ssh/authorized_keys", "test %s /sys/firmware/efi"]
  }
"""


@pytest.fixture(scope="module")
def packages(lasting: Path) -> Iterator[Path]:
    """A cache for all of these builds: what one of them fetched, the others need not."""
    cache = Path(tempfile.mkdtemp(prefix="c-", dir=lasting))
    yield cache
    shutil.rmtree(cache)


@pytest.mark.slow
@pytest.mark.machine
@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
@pytest.mark.parametrize("method", ["kernel", "type"])
def test_a_new_template_builds_debian(vmforge: Vmforge, packages: Path, method: str, firmware: str) -> None:
    original = debian.medium()
    medium = original if firmware == "bios" else debian_efi.medium(original)
    first = not any(packages.glob("objects/*.package"))
    vmforge.use_cache(packages)
    new_template(vmforge, medium, TESTS % ("! -d" if firmware == "bios" else "-d"))
    settings = {
        "boot_params": json.dumps(PARAMS),
        "boot_method": method,
        "efi_boot": str(firmware == "uefi").lower(),
        "ssh_password": PASSWORD,
    }
    flags = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    built = vmforge.start(
        "build", "--layers", "off", "--package-cache", *debian.default_mirrors(original), *flags, "web"
    ).finish(LIMIT)
    assert built.status == 0, built.out[-4000:] + built.err
    for line in ("web", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"', "came late"):
        assert f": {line}\n" in built.out
    assert PASSWORD not in built.out + built.err
    fetched = re.search(r"package cache: (\d+) of (\d+) files were kept from before", built.out)
    assert fetched and (first or int(fetched[1]) > 0.9 * int(fetched[2]))
    image = vmforge.folder / "output-debian-12" / "debian-12.qcow2"
    subprocess.run(["qemu-img", "check", "-q", image], check=True)
    assert Path(f"{image.parent}/debian-12.sha256").is_file()


def new_template(vmforge: Vmforge, medium: Path, more: str) -> None:
    """`vmforge new`, with another script, and more provisioners behind it."""
    assert vmforge.run("new", "debian-12", "--output", "web", "--iso", str(medium)).status == 0
    template = vmforge.folder / "web" / "debian-12.pkr.hcl"
    written = template.read_text().replace('["uname -sr", "id"]', json.dumps(SCRIPT))
    template.write_text(written.replace("  post-processor", f"{more}\n  post-processor", 1))
