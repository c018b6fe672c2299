"""What became of a script whose connection broke, in a guest whose processes are this machine's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vmforge.errors import CommunicatorError, Interrupted
from vmforge.provisioners.fate import fate_of
from vmforge.sdk.testing import FakeCommunicator


def execute(command: str) -> tuple[int, str]:
    done = subprocess.run(["/bin/sh", "-c", command], check=False, stdout=subprocess.PIPE, text=True)
    return done.returncode, done.stdout


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script_0001.sh"
    path.write_text("#!/bin/sh\necho up\nread line\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux' /proc")
def test_script_that_runs_and_then_does_not(script: Path) -> None:
    guest = FakeCommunicator(Path("/"), execute)
    with subprocess.Popen([script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        assert fate_of(str(script), guest) == "it still runs in the guest"
        process.stdin.close()
        process.wait()
    ended = "it no longer runs in the guest, and with which status it ended is not known"
    assert fate_of(str(script), guest) == ended
    assert guest.reconnects == 2


def test_guest_without_proc() -> None:
    guest = FakeCommunicator(Path("/"), lambda command: (3, ""))
    assert fate_of("/tmp/script_0001.sh", guest) == "whether it still runs in the guest is not known"


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(CommunicatorError("no answer"), "is not known (no answer)"), (Interrupted(), None)],
)
def test_guest_that_does_not_come_back(failure: Exception, expected: str | None) -> None:
    class Gone(FakeCommunicator):
        def reconnect(self, timeout: float) -> None:
            raise failure

    if expected is None:
        with pytest.raises(Interrupted):
            fate_of("/tmp/script_0001.sh", Gone(Path("/"), execute))
    else:
        assert fate_of("/tmp/script_0001.sh", Gone(Path("/"), execute)).endswith(expected)
