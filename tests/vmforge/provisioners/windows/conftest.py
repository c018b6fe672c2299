"""A Windows guest that is played: it keeps what is uploaded, and writes down what is run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from vmforge.errors import CommunicatorError
from vmforge.sdk import Output, Provisioner
from vmforge.sdk.testing import FakeMachine, RecordingUi, configure, fake_context

# What differs in each run, for texts that are compared.
_NAMES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=-)[0-9a-f]{12}(?=\b)")


@dataclass
class WindowsGuest:
    """`respond` gets the command and returns (exit status, output)."""

    scratch: Path
    kind: str = "winrm"
    respond: Callable[[str], tuple[int, str]] = lambda command: (0, "")
    files: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    reconnects: int = 0
    ui: RecordingUi = field(default_factory=RecordingUi)
    secrets: list[str] = field(default_factory=list)

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        if command.startswith('cmd /c "del /f /q '):
            for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', command[18:-1]):
                path = quoted or plain
                self.files.pop(path.replace("\\", "/").lower(), None)
            return 0
        self.commands.append(command)
        status, text = self.respond(command)
        if output is not None:
            for line in text.splitlines():
                output(line, False)
        return status

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        content = source.read_bytes() if isinstance(source, Path) else source.read()
        self.files[destination.lower()] = self.uploads[destination] = content

    def upload_directory(self, source: Path, destination: str) -> None:
        raise AssertionError

    def download(self, source: str, destination: Path) -> None:
        raise AssertionError

    def download_directory(self, source: str, destination: Path) -> None:
        raise AssertionError

    def reconnect(self, timeout: float) -> None:
        self.reconnects += 1

    def close(self) -> None:
        return None

    def provision(self, component: Any, data: dict[str, str] | None = None, **options: Any) -> None:
        made = configure(component, options)
        assert isinstance(made, Provisioner)
        self.context = fake_context(
            self.scratch, communicator=self, ui=self.ui, data=data or {}, redact=self.secrets.extend
        )
        made.provision(self.context, FakeMachine(self))

    @property
    def transcript(self) -> str:
        """All that reached the guest, names that change from run to run taken out."""
        parts = [f"=== file {path}\n{content.decode('utf-8-sig')}" for path, content in self.uploads.items()]
        parts += [f"=== command\n{command}\n" for command in self.commands]
        return _NAMES.sub("ID", "".join(parts)).replace("\r\n", "\n")


@pytest.fixture
def guest(tmp_path: Path) -> WindowsGuest:
    return WindowsGuest(tmp_path)


def lost(command: str) -> tuple[int, str]:
    raise CommunicatorError("the connection to the guest broke")


@pytest.fixture
def breaks() -> Callable[[str], tuple[int, str]]:
    """A guest whose connection breaks when a command is run."""
    return lost
