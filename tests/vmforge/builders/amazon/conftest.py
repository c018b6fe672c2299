"""vmforge against tests/fakes/aws.py: command lines, in this process or in one of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.aws import FakeAws
from tests.fakes.openssh import SSHD, USER
from vmforge.cli.app import run

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    if SSHD is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    with FakeAws() as fake:
        yield fake


@dataclass(frozen=True)
class Finished:
    status: int
    text: str


@dataclass
class Forge:
    """Runs vmforge in `folder`, where templates are written; what they have in common is filled in."""

    folder: Path
    aws: FakeAws
    capsys: pytest.CaptureFixture[str]
    environment: dict[str, str]

    def source(self, options: str = "", *, type: str = "amazon-ebs", login: str = "") -> str:
        """A template with one source, which has what every source needs."""
        login = login or f'ssh_username = "{USER}"\n  ssh_port = {self.aws.guests.port}'
        image = "" if "source_ami" in options else f'source_ami = "{self.aws.base}"'
        kind = "" if "instance_types" in options else 'instance_type = "t3.micro"'
        return f'source "{type}" "web" {{\n  {image}\n  {kind}\n  {login}\n  {options}\n}}\n'

    def template(self, options: str = "", *, inline: str = "true", more: str = "", **source: str) -> str:
        body = f'provisioner "shell" {{ inline = [{inline!r}] }}'.replace("'", '"')
        name = f"{source.get('type', 'amazon-ebs')}.web"
        return f'{self.source(options, **source)}build {{\n  sources = ["{name}"]\n  {body}\n  {more}\n}}\n'

    def write(self, text: str, name: str = "main.pkr.hcl") -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> Finished:
        """In this process."""
        status = run(arguments)
        written = self.capsys.readouterr()
        return Finished(status, written.out + written.err)

    def build(self, options: str = "", *flags: str, **template: str) -> Finished:
        self.write(self.template(options, **template))
        return self.run("build", *flags, "main.pkr.hcl")

    def spawn(self, *arguments: str) -> Running:
        process = subprocess.Popen(
            [sys.executable, "-m", "vmforge", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return Running(process)


class Running:
    """A command in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self._lines.extend(self.process.stdout)

    def kill(self) -> None:
        self.process.kill()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def finish(self) -> Finished:
        try:
            status = self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join()
        return Finished(status, "".join(self._lines))


@pytest.fixture
def forge(
    aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Forge:
    environment = {
        **aws.environment,
        "VMFORGE_STATE_DIR": str(tmp_path / "state"),
        "VMFORGE_CACHE_DIR": str(tmp_path / "cache"),
        "NO_COLOR": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    # a program that was started with Ctrl-C ignored hands that on
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return Forge(folder, aws, capsys, environment)
