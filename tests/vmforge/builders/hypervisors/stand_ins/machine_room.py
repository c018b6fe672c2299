"""What the stand-ins of hypervisors' programs share: what they remember between calls, the record of what
they were told, and a guest that is a real SSH server."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOM = Path(os.environ["MACHINE_ROOM"])
STATE, CALLS, FAULTS = ROOM / "state.json", ROOM / "calls.jsonl", ROOM / "faults.json"
OFF = Path(os.environ.get("MACHINE_OFF", ROOM / "off"))  # elsewhere for a guest with files of its own


class Room:
    """Held while a program runs: calls come one after the other."""

    def __enter__(self) -> dict[str, Any]:
        self._lock = (ROOM / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        with CALLS.open("a") as calls:
            calls.write(json.dumps([Path(sys.argv[0]).name, *sys.argv[1:]]) + "\n")
        self._state: dict[str, Any] = json.loads(STATE.read_text()) if STATE.exists() else {}
        _fail_if_told()
        return self._state

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        staged = STATE.with_suffix(".new")  # a test may read the state at any time
        staged.write_text(json.dumps(self._state))
        staged.replace(STATE)
        self._lock.close()


def _fail_if_told() -> None:
    """`faults.json` has, by a word of the command line, what to say on standard error."""
    faults = json.loads(FAULTS.read_text()) if FAULTS.exists() else {}
    for word, text in faults.items():
        if any(word in argument for argument in sys.argv[1:]):
            if text == "hang":
                time.sleep(600)
            sys.exit(f"{text}")


def start_guest(port: int) -> None:
    """Let the guest's SSH server listen on this port of this machine."""
    OFF.unlink(missing_ok=True)
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert sshd is not None
    config = ROOM / "sshd_config"
    subprocess.run([sshd, "-f", str(config), "-p", str(port)], check=True, close_fds=True)


def stop_guest() -> None:
    """Cut the guest's power."""
    pid = ROOM / "pid"
    if pid.exists():
        main = int(pid.read_text())
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(main)], check=False, capture_output=True, text=True
        ).stdout.split()
        for number in (main, *map(int, children)):
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass
        pid.unlink(missing_ok=True)
    OFF.touch()


def is_off() -> bool:
    """Whether the guest is off: it powers itself off by making the file `off`."""
    if OFF.exists():
        stop_guest()
        return True
    return False
