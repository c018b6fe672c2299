"""What is known of a machine at one moment, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Control sequences of terminals (ECMA-48), which kernels and boot loaders write to serial lines too.
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
    """`screen` and `serial` are lines from the top, empty where nothing is known.

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

    def text(self, place: Place) -> str:
        """All that is known of a place, as lines."""
        match place:
            case Place.SCREEN:
                return "\n".join(self.screen).rstrip()
            case Place.SERIAL:
                return "\n".join(self.serial)
            case Place.HTTP:
                return "\n".join(self.http)
            case Place.SSH:
                return self.ssh
            case Place.QEMU:
                return self.qemu

    def flat(self, place: Place) -> str:
        """The same in one line, without the frames of dialogs: sentences are whole that were wrapped."""
        return " ".join(_FRAMES.sub(" ", self.text(place)).split())


def terminal_lines(raw: str) -> tuple[str, ...]:
    """The lines of a terminal's log without control sequences and without empty lines."""
    lines = (_CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in raw.split("\n"))
    return tuple(line for line in lines if line)
