"""Writes the text files that the commands about templates make."""

from __future__ import annotations

import os
from pathlib import Path

from vmforge.errors import HostError


def replace_file(path: Path, content: bytes, *, hint: str = "") -> None:
    """Write a file, over one that is there, in one step: after a crash there is all of the new one or all of
    the old one. Raises `HostError`, with the hint, when it cannot be written."""
    from vmforge.cache.durable import move_durably

    final = path.resolve()  # a symbolic link stays one
    staged = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    try:
        try:
            with staged.open("xb") as file:
                file.write(content)
            if final.exists():
                staged.chmod(final.stat().st_mode & 0o7777)
            move_durably(staged, final)
        finally:
            staged.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise HostError(f"`{path}` cannot be written: {reason}", hint=hint) from error
