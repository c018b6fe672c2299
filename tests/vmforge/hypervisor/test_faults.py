"""What libvirt and QEMU say, as messages for a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.hypervisor import faults
from vmforge.hypervisor.library import libvirt

LOG = """\
2026-11-20 08:37:04.668+0000: starting up libvirt version: 9.0.0, qemu version: 7.2.22, hostname: vm
LC_ALL=C \\
PATH=/usr/bin \\
/usr/bin/qemu-system-x86_64 \\
-name guest=t1,debug-threads=on \\
-msg timestamp=on
2026-11-20 08:37:04.668+0000: Domain id=1 is tainted: high-privileges
2026-11-20T08:37:06.001458Z qemu-system-x86_64: warning: TCG doesn't support requested feature
KVM internal error. Suberror: 1
2026-11-20T08:37:06.001458Z qemu-system-x86_64: terminating on signal 15 from pid 7930 (python)
2026-11-20 08:37:07.804+0000: shutting down, reason=destroyed
"""
WORDS = """\
warning: TCG doesn't support requested feature
KVM internal error. Suberror: 1
terminating on signal 15 from pid 7930 (python)"""


class Said(libvirt.libvirtError):  # type: ignore[misc]
    """An error of libvirt with the given words."""

    def __init__(self, text: str) -> None:
        Exception.__init__(self, text)
        self.text = text

    def get_error_message(self) -> str:
        return self.text


def test_qemus_own_words() -> None:
    assert faults.qemu_words(LOG) == WORDS


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier run\n" + LOG)
    assert faults.log_tail(log, len("of an earlier run\n")) == WORDS
    assert faults.log_tail(tmp_path / "missing", 0) == ""


@pytest.mark.parametrize(
    ("said", "meaning", "remedy"),
    [
        ("Failed to parse user 'libvirt-qemu'", "wants the system user `libvirt-qemu`", "useradd --system"),
        ("no connection driver available for qemu:///embed", "driver is not installed", "apt install"),
        (
            "Failed to connect socket to '/run/libvirt/libvirt-sock': Permission denied",
            "may not use the libvirt daemon",
            "usermod -aG libvirt",
        ),
        (
            "Failed to connect socket to '/run/libvirt/libvirt-sock': No such file or directory",
            "daemon does not run (`/run/libvirt/libvirt-sock`",
            "systemctl start libvirtd",
        ),
        (
            "Cannot recv data: Host key verification failed.",
            "remote libvirt cannot",
            "virsh -c qemu:///x version",
        ),
        ("something new", "cannot connect to libvirt at `qemu:///x`: something new", "vmforge doctor"),
    ],
)
def test_why_a_connection_cannot_be_opened(said: str, meaning: str, remedy: str) -> None:
    error = faults.connecting(Said(said), "qemu:///x")
    assert meaning in error.message
    assert remedy in error.hint


def test_why_a_machine_does_not_start() -> None:
    said = (
        "internal error: process exited while connecting to monitor: 2026-11-20T08:56:58.316981Z "
        "qemu-system-x86_64: -device nosuch: 'nosuch' is not a valid device model name"
    )
    error = faults.starting(Said(said), "m")
    assert error.message == (
        "the machine `m` could not be started: -device nosuch: 'nosuch' is not a valid device model name"
    )
    assert "-device help" in error.hint


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("KVM internal error. Suberror: 1", "accelerator=tcg"),
        ("Could not access KVM kernel module: Permission denied", "accelerator=tcg"),
        ('Failed to get "write" lock', "another machine"),
        ("cannot set up guest memory 'pc.ram': Cannot allocate memory", "memory"),
        ("TPM version '2.0' is not supported", "swtpm"),
        ("unsupported machine type\nUse -machine help", "-machine help"),
        ("Could not open '/srv/iso': Permission denied", "read and write"),
        ("all is well", ""),
    ],
)
def test_hints(words: str, hint: str) -> None:
    assert hint in faults.hint(words)
    assert bool(faults.hint(words)) is bool(hint)


def test_how_machines_die(tmp_path: Path) -> None:
    died = faults.died("m", "", WORDS, tmp_path / "log")
    assert died.message == "the machine `m` died: terminating on signal 15 from pid 7930 (python)"
    silent = faults.died("m", "host-error", "", tmp_path / "log")
    assert silent.message == "the machine `m` died (host-error)"
    assert str(tmp_path / "log") in silent.hint
    paused = faults.stopped("m", "VM status: paused (internal-error)", "KVM internal error. Suberror: 1")
    assert "KVM internal error" in paused.message
    assert "accelerator=tcg" in paused.hint
    assert "Input/output error" in faults.disk_failed("m", Path("/x"), "Input/output error").message
