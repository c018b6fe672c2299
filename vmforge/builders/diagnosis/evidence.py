"""What is known of a machine at one moment, as values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Control sequences of terminals (ECMA-48), which kernels and boot loaders write to serial lines too.
# What moves the cursor to another line: CUP, and the end of one.
_MOVE: Final = re.compile(r"\x1b\[([\d;]*)[Hf]|\n")
_CONTROL: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][0-9A-Za-z]|[=>c78])|[\x00-\x08\x0b-\x1f\x7f]")
_FRAMES: Final = re.compile("[\u2500-\u259f\ufffd]")


class Place(StrEnum):
    """Where a sign may be seen."""

    SCREEN = "screen"
    SERIAL = "serial"
    HTTP = "http"
    SSH = "ssh"
    QEMU = "qemu"


@dataclass(frozen=True, slots=True)
class Evidence:
    """`screen` and `serial` are lines from the top, empty where nothing is known. A line of the screen that
    fills its `columns` goes on in the next one.

    `http` has a line for each request of the guest, `PATH STATUS`, followed by ` nearest PATH` where
    another answer file is like it; the one line `nothing was asked for` when there was no request although
    there are answer files. `ssh` is the last answer of the guest's communicator, `qemu` what QEMU itself
    said. `waiting` is whether all has been typed, so that the guest is to go on by itself.
    """

    screen: tuple[str, ...] = ()
    serial: tuple[str, ...] = ()
    http: tuple[str, ...] = ()
    ssh: str = ""
    qemu: str = ""
    waiting: bool = True
    columns: int = 0

    def text(self, place: Place) -> str:
        """All that is known of a place, as lines."""
        match place:
            case Place.SCREEN:
                return "".join(self._unwrapped()).rstrip()
            case Place.SERIAL:
                return "\n".join(self.serial)
            case Place.HTTP:
                return "\n".join(self.http)
            case Place.SSH:
                return self.ssh
            case Place.QEMU:
                return self.qemu

    def _unwrapped(self) -> Iterator[str]:
        for line in self.screen:
            yield line if self.columns and len(line) >= self.columns else f"{line}\n"

    def flat(self, place: Place) -> str:
        """The same in one line, without the frames of dialogs: sentences are whole that were wrapped."""
        return " ".join(_FRAMES.sub(" ", self.text(place)).split())


def terminal_lines(raw: str) -> tuple[str, ...]:
    """The lines of a terminal's log without control sequences and without empty lines; of a line that is
    written again and again at its place the last."""
    lines = (_CONTROL.sub("", _last_written(line)).rstrip() for line in _placed(raw).split("\n"))
    return tuple(line for line in lines if line)


def _placed(raw: str) -> str:
    """What is written to another place is a new line, and to the same place the same line again."""
    last: str | None = None

    def move(moves: re.Match[str]) -> str:
        nonlocal last
        again, last = moves[1] is not None and moves[1] == last, moves[1]
        return "\r" if again else "\n"

    return _MOVE.sub(move, raw)


def _last_written(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
