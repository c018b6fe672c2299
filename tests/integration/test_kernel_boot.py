"""An installer that is booted by its kernel: nothing is typed, the disk boots afterwards, layers are kept."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.conftest import Traces, Vmforge

pytestmark = pytest.mark.machine

CONSOLES = "console=ttyS0 console=tty0"


def build(
    tiny: Vmforge, *arguments: str, line: str = "ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg"
) -> str:
    ended = tiny.run(
        "build",
        "-force",
        "--timings=times.json",
        *("--set", "boot_method=kernel", "--set", "boot_command=[]"),
        *("--set", f"kernel_cmdline={CONSOLES} {line}"),
        *arguments,
        "tiny.pkr.hcl",
    )
    assert ended.status == 0, ended.out + ended.err
    return ended.out


def test_nothing_is_typed_and_the_disk_boots(tiny: Vmforge, traces: Traces) -> None:
    out = build(tiny, "-var", "script=cat /proc/cmdline")
    assert re.search(rf"booting boot/vmlinuz with `{CONSOLES} ks=http://10\.0\.2\.2:\d+/tiny\.cfg`", out)
    assert out.count("installer fetched /tiny.cfg") == 1
    titles = [row["title"] for row in json.loads((tiny.folder / "times.json").read_text())]
    assert "Reading the kernel" in titles
    assert "Typing the boot command" not in titles
    # what the script printed: the disk's own boot loader has said nothing of an answer file
    (line,) = re.findall(r"^ +qemu.tiny: (.*root=.*)$", out, re.MULTILINE)
    assert "ks=" not in line

    again = build(tiny, "-var", "script=echo from-a-layer")
    assert "from-a-layer" in again
    assert "installer fetched" not in again
    titles = [row["title"] for row in json.loads((tiny.folder / "times.json").read_text())]
    assert "Restoring the machine" in titles
    assert "Reading the kernel" not in titles
    kept = ("output-tiny", "tiny.sha256", "times.json")
    assert [path for path in traces.left() if not any(name in path for name in kept)] == []


def test_an_iso_whose_kernel_is_not_known(tiny: Vmforge) -> None:
    ended = tiny.run(
        "build",
        *("--set", "boot_method=kernel", "--set", "boot_command=[]", "--set", "kernel_path=boot/linux"),
        "tiny.pkr.hcl",
    )
    assert ended.status == 1
    assert "`kernel_path`: there is no file `boot/linux`" in ended.err
    assert "the ISO has `boot/vmlinuz`" in ended.err
