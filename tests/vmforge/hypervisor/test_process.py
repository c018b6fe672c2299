"""The edges of this process: orphans that it collects, descriptions that name it, pictures that it reads."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from vmforge.errors import MachineError
from vmforge.hypervisor import owners
from vmforge.hypervisor.screenshot import as_png

# A process that has the reaper, starts a daemon as libvirt does, ends it, and tells whether it is gone.
ORPHAN = """
import os, pathlib, signal, subprocess, sys, time
from vmforge.hypervisor.reaper import Reaper

reaper = Reaper()
with reaper.attending():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        daemon = os.fork()
        if daemon == 0:
            os.execv(sys.argv[1], [sys.argv[1], "60"])
        os.write(writing, str(daemon).encode())
        os._exit(0)
    os.wait()
    daemon = int(os.read(reading, 20))
    other = subprocess.Popen(["true"])
    name = pathlib.Path(f"/proc/{daemon}/comm")
    while not name.read_text().startswith("qemu-system"):
        pass
    os.kill(daemon, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while name.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    print("gone" if not name.exists() else "there", other.wait())
"""


def test_orphans_are_collected_and_nobody_elses_children(tmp_path: Path) -> None:
    program = tmp_path / "qemu-system-test"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    told = subprocess.run(
        [sys.executable, "-c", ORPHAN, program],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "gone 0\n"


def test_an_orphan_is_a_machine_of_a_process_that_is_gone() -> None:
    mine = owners.describe("here")
    assert not owners.is_orphan(mine, "here")
    assert not owners.is_orphan("a machine of somebody else", "here")
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    theirs = mine.replace(f"process {os.getpid()},", f"process {process.pid},")
    # ended, but not collected: gone all the same
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert owners.is_orphan(theirs, "here")
    assert not owners.is_orphan(theirs, socket.gethostname() + "-other")
    process.wait()
    assert owners.is_orphan(theirs, "here")


def test_a_screenshot_in_ppm_becomes_png() -> None:
    png = as_png(b"P6\n2 2\n255\n" + bytes(range(12)))
    assert png.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x02\x00\x00\x00\x02\x08\x02")
    start = png.index(b"IDAT")
    length = int.from_bytes(png[start - 4 : start], "big")
    assert zlib.decompress(png[start + 4 : start + 4 + length]) == (
        b"\0" + bytes(range(6)) + b"\0" + bytes(range(6, 12))
    )
    assert as_png(png) is png
    with pytest.raises(MachineError, match="unknown format"):
        as_png(b"GIF89a")
