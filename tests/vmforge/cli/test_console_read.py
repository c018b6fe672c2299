"""`vmforge console-read`: a picture's text on standard output."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.console.framebuffer import Framebuffer, png

SCREENS = Path(__file__).parents[2] / "golden/screens"
Run = Callable[..., Any]


def test_the_text(vmforge: Run) -> None:
    done = vmforge("console-read", str(SCREENS / "login.png"))
    assert (done.status, done.err) == (0, "")
    assert done.out == (SCREENS / "login.txt").read_text(encoding="utf-8")


def test_json_from_standard_input(vmforge: Run) -> None:
    done = vmforge("console-read", "--json", "-", stdin=(SCREENS / "seabios.png").read_bytes())
    assert done.status == 0
    summary = json.loads(done.out)
    assert summary["lines"][7] == "No bootable device."
    assert len(summary.pop("lines")) == 25
    assert summary == {
        "source": "glyphs",
        "columns": 80,
        "rows": 25,
        "cursor": {"row": 8, "column": 0},
        "unknown": 0,
    }


def test_graphics_without_ocr(vmforge: Run, tmp_path: Path) -> None:
    noise = zlib.compress(bytes(range(256)) * 40) * 500
    (tmp_path / "shot.png").write_bytes(png(Framebuffer(64, 64, noise[: 64 * 64 * 4])))
    done = vmforge("console-read", "--no-ocr", str(tmp_path / "shot.png"))
    assert (done.status, done.out) == (1, "")
    assert "no text is known on" in done.err
    assert "(64x64)" in done.err


@pytest.mark.parametrize(
    ("content", "words"), [(b"BM not a PNG", "is not a PNG file"), (None, "No such file or directory")]
)
def test_what_is_no_picture(vmforge: Run, tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "shot.png").write_bytes(content)
    done = vmforge("console-read", str(tmp_path / "shot.png"))
    assert done.status == 2
    assert words in done.err
