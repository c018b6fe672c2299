"""Layers as a builder sees them: machines frozen after a step, to begin the next build from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from vmforge.sdk.context import Machine


class LayerPolicy(StrEnum):
    """After which steps a machine is kept: every one, the installation alone, or none."""

    ALL = "all"
    INSTALL = "install"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class HostTrait:
    """What is particular to the machine that builds (its emulator, its processor): a frozen guest goes on
    only where it is the same. `text` is no secret; `shown`, where that is long, is what people call it."""

    text: str
    shown: str = ""

    def __str__(self) -> str:
        return self.shown or self.text


# What decides how a machine is, by the name that a user knows it by: a text, a file or folder, or what the
# machine that builds is.
Inputs = Mapping[str, str | Path | HostTrait]


@dataclass(frozen=True, slots=True)
class FrozenMachine:
    """A machine as a layer holds it: after `step`, its disks (to be used behind overlays, never written),
    what else the builder put into `folder`, its memory as the hypervisor wrote it, and the build's values
    that belong to it (the key that the guest knows, say). `open_memory` is None where the guest was
    switched off."""

    step: str
    folder: Path
    disks: tuple[Path, ...]
    open_memory: Callable[[], BinaryIO] | None
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a build begins: from `frozen`, or, when that is None, from nothing. `folder` is where the
    disks in use belong from now on."""

    folder: Path
    frozen: FrozenMachine | None = None


@runtime_checkable
class FreezableMachine(Machine, Protocol):
    """A running machine of which layers can be made."""

    def freeze(self, layer: Path, onward: Path) -> tuple[str, ...]:
        """Freeze the disks, which are in the folder `layer`, write there what else makes the machine, and
        let it go on with disks in the folder `onward`. Returns the names of the frozen disks, the first
        one first. Raises `VmforgeError` when that cannot be done; the machine then goes on as it was."""


class Layers(Protocol):
    """The layers of one build."""

    def begin(self, inputs: Inputs) -> Beginning | None:
        """Where to begin. `inputs` are what the machine depends on when it is first reached, besides the
        options that are declared to affect the image. Waits while another build makes a layer that this
        one can begin from. None when the build is to have no layers."""

    def cut(self, machine: FreezableMachine) -> None:
        """The machine is installed and can be reached: keep it as the first layer."""
