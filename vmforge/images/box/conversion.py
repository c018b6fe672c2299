"""Copies of disks in the formats that boxes are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmforge.hypervisor import disks
from vmforge.sdk import Cancellation, Ui


def convert(
    disk: Path, target: Path, format: str, ui: Ui, cancellation: Cancellation, *, extra: Sequence[str] = ()
) -> None:
    """Copy a disk with everything below it into another format. `extra` are arguments of
    `qemu-img convert`. Raises as `disks.convert`."""
    done = 0
    with ui.progress(f"Converting {disk.name} to {format}", 100, unit="%") as bar:

        def show(percent: float) -> None:
            nonlocal done
            bar.advance(int(percent) - done)
            done = int(percent)

        disks.convert(disk, target, format, progress=show, extra=extra, cancellation=cancellation)
