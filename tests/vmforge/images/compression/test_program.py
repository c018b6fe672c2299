"""Compression by programs, when they are missing or fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vmforge.errors import HostError
from vmforge.images.compression.formats import Algorithm
from vmforge.images.compression.program import ProgramCompressor


def test_a_program_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        (tmp_path / "o").open("wb") as file,
        pytest.raises(HostError, match="`lz4` is not installed") as caught,
        ProgramCompressor(file, Algorithm.LZ4, 6),
    ):
        pass
    assert "`apt install lz4`" in caught.value.hint


def test_a_program_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zstd").write_text("#!/bin/sh\nexec >/dev/null\ncat >/dev/null\necho broken >&2\nexit 9\n")
    (tmp_path / "zstd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with (
        (tmp_path / "o").open("wb") as file,
        pytest.raises(HostError, match="`zstd` failed with status 9: broken"),
        ProgramCompressor(file, Algorithm.ZSTD, 6) as compressor,
    ):
        compressor.write(b"x")
