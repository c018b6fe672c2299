"""This machine's end of a transfer: the file that is read or arrives, and how far it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vmforge.errors import HostError
from vmforge.sdk.ui import Ui

# Called with the number of bytes that have just been moved.
Advance = Callable[[int], None]

# Transfers larger than this show their progress.
_WORTH_SHOWING = 1024 * 1024


@contextmanager
def opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """A file to read; one that is open already stays so. Raises `HostError` when it cannot be read."""
    if not isinstance(source, Path):
        yield source
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise HostError(f"cannot read `{source}`: {error.strerror}") from error
    with file:
        yield file


def size_left(file: BinaryIO) -> int | None:
    """How much there is to read, where that can be told without reading."""
    try:
        if not file.seekable():
            return None
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except OSError:
        return None
    return end - here


@contextmanager
def shown(ui: Ui, title: str, total: int | None) -> Iterator[Advance]:
    """Show how far a transfer of `total` bytes is (None: not known), unless it is small."""
    if total is not None and total <= _WORTH_SHOWING:
        yield lambda amount: None
        return
    with ui.progress(title, total) as progress:
        yield progress.advance


@contextmanager
def arriving(destination: Path) -> Iterator[BinaryIO]:
    """A local file that replaces `destination` when the block ends well, and is gone when it does not."""
    part = destination.with_name(f".{destination.name}.part")
    part.unlink(missing_ok=True)
    try:
        # "x" does not follow a link of this name, which a guest might have sent before
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(destination)
    finally:
        part.unlink(missing_ok=True)
