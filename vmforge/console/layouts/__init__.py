"""Keyboard layouts: which keys type a character on a keyboard that is not the US one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from vmforge.console.keys import Key, position_key
from vmforge.diagnostics import did_you_mean

US: Final = "us"
_SPACE: Final = position_key(57, " ")
_DEAD: Final = "dead"
_NOTHING: Final = "none"


@dataclass(frozen=True, slots=True)
class Layout:
    """A guest's keyboard. One without `keys` is the US keyboard, whose keys VNC names by what they type."""

    name: str = US
    keys: Mapping[str, tuple[Key, ...]] | None = None

    def type(self, key: Key) -> tuple[Key, ...]:
        """The keys to press, one after the other, for a key that a boot command names or for one
        character. A character that the layout does not have is left to the hypervisor."""
        if self.keys is None or len(key.name) != 1:
            return (key,)
        return self.keys.get(key.name, (key,))

    def missing(self, text: str) -> str:
        """The characters of a text that the layout cannot type."""
        if self.keys is None:
            return ""
        return "".join(sorted({character for character in text if character not in self.keys}))


@cache
def names() -> tuple[str, ...]:
    """The layouts that there are tables for."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(file.name.removesuffix(".txt") for file in files if file.name.endswith(".txt")))


@cache
def load(name: str) -> Layout:
    """A layout by its name. Raises KeyError when there is none."""
    if name not in names():
        raise KeyError(name)
    return Layout(name) if name == US else Layout(name, _read(name))


def suggestion(name: str) -> str:
    """A hint for someone who named a layout that there is not."""
    return did_you_mean(name, names()) or "choose one of " + ", ".join(f"`{known}`" for known in names())


def _read(name: str) -> dict[str, tuple[Key, ...]]:
    """A table; of several ways to type a character the one with the fewest keys held and pressed."""
    found: dict[str, tuple[Key, ...]] = {" ": (_SPACE,)}
    effort: dict[str, int] = {" ": 0}
    for line in resources.files(__package__).joinpath(f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        code, *levels = line.split(" ")
        for level, text in enumerate(levels):
            if text == _NOTHING:
                continue
            character = text.removeprefix(_DEAD) if len(text) > 1 else text
            key = position_key(int(code), character, shifted=bool(level & 1), third_level=bool(level & 2))
            keys = (key, _SPACE) if text != character else (key,)
            cost = len(keys) * 4 + level
            if cost < effort.get(character, cost + 1):
                found[character], effort[character] = keys, cost
    return found
