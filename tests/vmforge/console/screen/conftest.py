"""What the tests of the reader share: recorded screens (record_screens.py) and machines' text memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmforge.console.framebuffer import Framebuffer
from vmforge.console.png import read_png
from vmforge.console.screen.codepage import CP437

SCREENS = Path(__file__).parents[3] / "golden/screens"


@pytest.fixture(scope="session")
def screen() -> Callable[[str], Framebuffer]:
    """A recorded screen."""
    pictures: dict[str, Framebuffer] = {}

    def load(name: str) -> Framebuffer:
        if name not in pictures:
            pictures[name] = read_png((SCREENS / f"{name}.png").read_bytes())
        return pictures[name]

    return load


@pytest.fixture(scope="session")
def text_on() -> Callable[[str], str]:
    """The text that is on a recorded screen."""
    return lambda name: (SCREENS / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n")


@pytest.fixture
def memory_with() -> Callable[..., bytes]:
    """32 KiB of text memory in which a text's screen begins at a line."""

    def make(text: str, line: int = 0) -> bytes:
        memory = bytearray(b" \7" * 0x4000)
        for number, row in enumerate(text.split("\n"), line):
            codes = bytes(CP437.index(character) for character in row)
            memory[number * 160 : number * 160 + 2 * len(codes) : 2] = codes
        return bytes(memory)

    return make
