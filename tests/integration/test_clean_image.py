"""An image without what belongs to the one machine that it was made on: `generalize` and `minimise`."""

from __future__ import annotations

import re

import pytest

from tests.integration.conftest import Vmforge

pytestmark = pytest.mark.machine

# Writes what has to go, says what the guest is known by, and leaves unused blocks behind.
_USED = """\
echo 0123456789abcdef0123456789abcdef | sudo tee /etc/machine-id >/dev/null
echo secret | sudo tee /var/log/messages /tmp/left /root/.ash_history >/dev/null
echo "key $(sudo dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key | grep -o 'AAAA[^ ]*')"
dd if=/dev/urandom of=large bs=1M count=64 2>/dev/null
sync
rm large
"""

_LOOK = """\
echo "key $(sudo dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key | grep -o 'AAAA[^ ]*')"
[ ! -e /etc/machine-id ] && [ ! -e /tmp/left ] && [ ! -s /var/log/messages ] && echo gone
sudo [ ! -e /root/.ash_history ] && echo forgotten
cat /etc/hostname
"""

_BOOT_AGAIN = """
source "qemu" "again" {
  iso_url          = "output-tiny/packer-tiny"
  iso_checksum     = "none"
  disk_image       = true
  use_backing_file = true
  skip_resize_disk = true
  headless         = true
  ssh_username     = "forge"
  ssh_password     = "secret-of-forge"
  shutdown_command = "sudo poweroff"
}

build {
  sources = ["qemu.again"]
  provisioner "shell" {
    script = "look.sh"
  }
}
"""


def test_a_copy_is_a_machine_of_its_own(tiny: Vmforge) -> None:
    (tiny.folder / "used.sh").write_text(_USED)
    template = tiny.folder / "tiny.pkr.hcl"
    scripts = 'provisioner "shell" {\n    script = "used.sh"\n  }\n'
    generalize = 'provisioner "generalize" {\n    hostname = "copy"\n  }\n'
    text = template.read_text()
    before, after = text.split('provisioner "shell" {\n    inline = [var.script]\n  }\n')
    template.write_text(before + scripts + generalize + after)
    made = tiny.run("build", "--set", "minimise=true", "tiny.pkr.hcl")
    assert made.status == 0, made.out + made.err
    said = re.search(r"generalized Tiny Linux 1: (.*)", made.out)
    assert said is not None, made.out
    for removed in ("machine-id", "2 SSH host keys", "temporary files (1)", "logs (", "histories (1)"):
        assert removed in said[1]
    saved = re.search(r"discarded ([\d.]+) MiB of unused blocks", made.out)
    assert saved is not None, made.out
    assert float(saved[1]) >= 50

    (tiny.folder / "look.sh").write_text(_LOOK)
    (tiny.folder / "again.pkr.hcl").write_text(_BOOT_AGAIN)
    again = tiny.run("build", "again.pkr.hcl")
    assert again.status == 0, again.out + again.err
    lines = [line.removeprefix("    qemu.again: ") for line in again.out.splitlines()]
    assert {"gone", "forgotten", "copy"} <= set(lines)
    assert _key(made.out) != _key(again.out)


def _key(output: str) -> str:
    found = re.search(r": key (AAAA\S+)", output)
    assert found is not None, output
    return found[1]


@pytest.mark.slow
def test_zeros(tiny: Vmforge) -> None:
    script = "dd if=/dev/urandom of=large bs=1M count=64 2>/dev/null; sync; rm large"
    for layers, said in (
        ("off", r"discarded [\d.]+ MiB of unused blocks"),
        ("all", "which the copy leaves out"),
    ):
        settings = ("--set", "minimise=zero", "--set", f"layers={layers}", "--set", f"vm_name={layers}")
        made = tiny.run("build", "-force", "-var", f"script={script}", *settings, "tiny.pkr.hcl")
        assert made.status == 0, made.out + made.err
        assert re.search(said, made.out), made.out
        image = tiny.folder / "output-tiny" / layers
        assert image.stat().st_blocks * 512 < 60 * 1024**2
