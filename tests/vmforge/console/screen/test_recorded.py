"""The screens of real machines are read right, nearly to the last character."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmforge.console.framebuffer import Framebuffer
from vmforge.console.screen import UNKNOWN, ScreenReader, Source

SCREENS = Path(__file__).parents[3] / "golden/screens"
GRAPHICS = {"debian-menu"}
# Names of languages in their own scripts: wide characters are unknown, a Cyrillic "a" looks like a Latin one.
SCRIPTS = {"debian-fb-language": 0.95}
TEXTS = sorted({path.stem for path in SCREENS.glob("*.png")} - GRAPHICS)

Load = Callable[[str], Framebuffer]


def test_there_are_enough() -> None:
    assert len(TEXTS) >= 15


@pytest.mark.parametrize("name", TEXTS)
def test_text(name: str, screen: Load, text_on: Callable[[str], str]) -> None:
    read = ScreenReader().read(screen(name))
    assert read is not None
    assert read.source is Source.GLYPHS
    lines = text_on(name).split("\n")
    assert len(read.text.split("\n")) == len(lines)
    cells = [
        (is_, should)
        for line, true in zip(read.lines, lines, strict=False)
        for is_, should in zip(line.ljust(200), true.ljust(200), strict=True)
        if should != " " or is_ != " "
    ]
    right = sum(is_ == should != UNKNOWN for is_, should in cells)
    assert right >= SCRIPTS.get(name, 0.99) * len(cells), read.text


@pytest.mark.parametrize("name", sorted(GRAPHICS))
def test_graphics_have_no_text(name: str, screen: Load) -> None:
    assert ScreenReader().read(screen(name)) is None
