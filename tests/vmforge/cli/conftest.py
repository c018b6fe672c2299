"""Runs command lines inside the process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from vmforge.cli.app import run


@dataclass(frozen=True)
class Finished:
    """What a command left. `text` is its status and all that it wrote, for goldens."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return f"[{self.status}]\n--- out\n{self.out}--- err\n{self.err}"


@pytest.fixture
def vmforge(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finished]:
    """Runs `vmforge ARGUMENTS...` with `stdin` as its standard input."""

    def finished(*arguments: str, stdin: bytes = b"") -> Finished:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        status = run(arguments)
        written = capsys.readouterr()
        return Finished(status, written.out, written.err)

    return finished
