"""Text memory: what is shown of it, and what it adds to what was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from vmforge.console.screen import UNKNOWN, Colours, ScreenText, Source, memory

MemoryWith = Callable[..., bytes]

SCREEN = "login: alice\nPassword:\n\nalice@tiny:~$ ls -l /etc\n├── café"


def seen(text: str) -> ScreenText:
    lines = text.split("\n")
    return ScreenText(tuple(lines + [""] * (25 - len(lines))), cursor=(3, 14))


@pytest.mark.parametrize("line", [0, 7, 179])
def test_the_part_that_is_shown(line: int, memory_with: MemoryWith) -> None:
    assert memory.locate(memory_with(SCREEN, line), seen(SCREEN)) == line * 160


def test_characters_and_colours(memory_with: MemoryWith) -> None:
    content = bytearray(memory_with(SCREEN))
    content[1] = 0x1E  # yellow on blue
    read = memory.decode(bytes(content))
    assert read.text == SCREEN
    assert read.source is Source.MEMORY
    assert read.colours[0][:2] == (Colours(0xFFFF55, 0x0000AA), Colours(0xAAAAAA, 0x000000))


def test_another_screen_is_not_found(memory_with: MemoryWith) -> None:
    content = memory_with("something else\nentirely")
    assert memory.locate(content, seen(SCREEN)) is None
    assert memory.locate(content, seen("")) is None
    assert memory.locate(memory_with(SCREEN), replace(seen(SCREEN), columns=160)) is None


def test_unknown_cells_get_ascii_only(memory_with: MemoryWith) -> None:
    partly = seen(SCREEN.replace("alice", UNKNOWN * 5).replace("├", UNKNOWN))
    complete = memory.complete(partly, memory_with(SCREEN, 12))
    assert complete.text == SCREEN.replace("├", UNKNOWN)
    assert complete.cursor == (3, 14)
    assert complete.source is Source.MEMORY


def test_what_cannot_be_found_stays_as_it_was(memory_with: MemoryWith) -> None:
    partly = seen(SCREEN.replace("alice", UNKNOWN * 5))
    assert memory.complete(partly, memory_with("quite another screen")) == partly
