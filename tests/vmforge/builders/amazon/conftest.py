"""vmforge against tests/fakes/aws.py: command lines, in this process or in one of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.aws import FakeAws
from tests.fakes.openssh import SSHD, USER
from tests.integration.conftest import ROOT, Finished, Running, Vmforge
from vmforge.cli.app import run


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    if SSHD is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    with FakeAws() as fake:
        yield fake


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
        return Finished(status, written.out, written.err)

    def build(self, options: str = "", *flags: str, **template: str) -> Finished:
        self.write(self.template(options, **template))
        return self.run("build", *flags, "main.pkr.hcl")

    def spawn(self, *arguments: str) -> Running:
        """In a process of its own."""
        environment = {**os.environ, **self.environment, "PYTHONPATH": str(ROOT)}
        return Vmforge(self.folder, environment).start(*arguments)


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
    return Forge(folder, aws, capsys, environment)
