"""Validators that are programs of this host."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

# None of them does more than parse a small file.
_LIMIT = 20.0


def run_validator(command: Sequence[str], text: str) -> str | None:
    """What a program says of a text: its two outputs, in English. The text is in a file whose path is put
    in place of `{}` in the command. None when the program is not installed, or does not end."""
    program = shutil.which(command[0])
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="vmforge-check-") as folder:
        file = Path(folder) / "answers"
        # an answer file may hold a password
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        argv = [program, *(part.replace("{}", str(file)) for part in command[1:])]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LIMIT,
                env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
                start_new_session=True,
                check=False,
            )
        except (subprocess.TimeoutExpired, OSError):
            return None
    return (done.stderr + done.stdout).replace(str(file), "answers")
