"""Hypervisors' programs on the path, stand-ins with an SSH server for a guest; vmforge as users run it."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openssh import SSHD, USER, OpenSsh, wait_until
from tests.integration.conftest import Finished, Running, Vmforge

QUESTIONS = ("showvminfo", "list", "getGuestIPAddress", "state.ps1", "address.ps1")
STAND_INS = Path(__file__).parent / "stand_ins"


@dataclass
class MachineRoom:
    """The programs of some hypervisors, and what becomes of what they are told."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "bin"

    @property
    def work(self) -> Path:
        """Where vmforge runs."""
        return self.folder / "work"

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PATH": f"{self.path}:{os.environ['PATH']}",
            "MACHINE_ROOM": str(self.folder),
            "PYTHONPATH": str(STAND_INS),
            "VMFORGE_STATE_DIR": str(self.folder / "state"),
            "XDG_STATE_HOME": str(self.folder / "xdg-state"),
            "XDG_CACHE_HOME": str(self.folder / "xdg-cache"),
            "PACKER_CACHE_DIR": str(self.folder / "cache"),
            "HOME": str(self.folder / "home"),
        }

    def install(self, *programs: str) -> None:
        """Put stand-ins on the path."""
        for program in programs:
            target = self.path / program
            text = (STAND_INS / program).read_text()
            target.write_text(f"#!{sys.executable} -S\n{text}")
            target.chmod(target.stat().st_mode | stat.S_IXUSR)

    def break_down(self, **faults: str) -> None:
        """Let calls fail that have a word on their command line, with a text; `hang` never ends."""
        (self.folder / "faults.json").write_text(json.dumps(faults))

    @property
    def state(self) -> dict[str, Any]:
        path = self.folder / "state.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def prepare_state(self, **state: object) -> None:
        (self.folder / "state.json").write_text(json.dumps(state))

    def calls(self) -> list[list[str]]:
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def forget_calls(self) -> None:
        (self.folder / "calls.jsonl").unlink(missing_ok=True)

    def story(self) -> str:
        """All calls, what differs from run to run taken out, and questions asked over and over."""
        lines: list[str] = []
        for call in self.calls():
            line = self.normal(" ".join(_quoted(argument) for argument in call))
            # how often a question is asked depends on how busy this machine is
            if not (line in lines and any(question in call_words(call) for question in QUESTIONS)):
                lines.append(line)
        return "\n".join(lines) + "\n"

    def normal(self, text: str) -> str:
        text = text.replace(str(self.folder), "/ROOM")
        text = re.sub(r"/tmp/[\w./-]*?/(cd\.iso|floppy\.img|screen\.png)", r"/SCRATCH/\1", text)
        text = re.sub(r"/ROOM/[\w./-]*?/(cd\.iso|floppy\.img|screen\.png)", r"/SCRATCH/\1", text)
        text = re.sub(r"127\.0\.0\.1,\d+,", "127.0.0.1,PORT,", text)
        text = re.sub(r"--vrdeport \d+", "--vrdeport PORT", text)
        text = re.sub(r'vnc\.port = "\d+"', 'vnc.port = "PORT"', text)
        text = re.sub(r'vnc\.password = "\w+"', 'vnc.password = "PASSWORD"', text)
        return re.sub(r"vmforge-[0-9a-f]{8}\b", "vmforge-RUN", text)

    def start(self, *arguments: str) -> Running:
        return Vmforge(self.work, self.environment).start(*arguments)

    def vmforge(self, *arguments: str) -> Finished:
        return self.start(*arguments).finish()

    def end_guest(self) -> None:
        pid = self.folder / "pid"
        if pid.exists():
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(pid.read_text()), signal.SIGKILL)

    def wait_for_call(self, word: str, seconds: float = 60.0) -> None:
        wait_until(lambda: any(word in argument for call in self.calls() for argument in call), seconds)


def call_words(call: list[str]) -> list[str]:
    return [argument.rpartition("/")[2] for argument in call]


def _quoted(argument: str) -> str:
    return f"'{argument}'" if " " in argument or not argument else argument


@pytest.fixture
def room(tmp_path: Path) -> Iterator[MachineRoom]:
    if SSHD is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    made = MachineRoom(tmp_path)
    for folder in (made.path, made.work):
        folder.mkdir()
    guest = OpenSsh(tmp_path, settings=(f"Subsystem sftp internal-sftp -d {tmp_path}/home",))
    guest.prepare()
    guest.write_config()
    (made.work / "installer.iso").write_text("an installer's disc")
    yield made
    made.end_guest()


@pytest.fixture
def write_template(room: MachineRoom) -> Callable[..., Path]:
    """Writes a template with one source, which logs into the stand-in's guest and switches it off."""

    def write(builder: str, options: str, *, provision: str = "echo hello > $HOME/provisioned") -> Path:
        path = room.work / "template.pkr.hcl"
        path.write_text(
            f"""
source "{builder}" "base" {{
  ssh_username         = "{USER}"
  ssh_private_key_file = "{room.folder}/user-key"
  ssh_timeout          = "60s"
  shutdown_command     = "touch {room.folder}/off"
{options}
}}

build {{
  sources = ["source.{builder}.base"]
  provisioner "shell" {{
    inline = ["{provision}"]
  }}
}}
"""
        )
        return path

    return write
