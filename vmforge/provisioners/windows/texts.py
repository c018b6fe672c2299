"""Texts for Windows' shells. A command line must mean the same to `cmd` (WinRM, the guest agent) and to
PowerShell, which an OpenSSH server on Windows may have for its shell."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Where every administrator may write, and nobody's profile is needed.
FOLDER = "c:/Windows/Temp"

_SPECIAL = str.maketrans({character: f"`{character}" for character in "`$\"'"})


def literal(text: str) -> str:
    """A PowerShell string that says exactly `text`. Typographic quotes are quotes there as well."""
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"


def escaped(text: str) -> str:
    """For between PowerShell's double quotes."""
    return text.translate(_SPECIAL)


def script_file(text: str) -> bytes:
    """A PowerShell script's file: Windows PowerShell knows UTF-8 by its mark alone."""
    content = text.replace("\r\n", "\n").replace("\n", "\r\n")
    return content.encode("utf-8" if content.isascii() else "utf-8-sig")


def run_file(path: str, policy: str = "bypass", program: str = "powershell") -> str:
    """The command that runs a PowerShell script: without a character that a shell would take for its own."""
    allowed = f" -executionpolicy {policy}" if policy else ""
    return f'{program}{allowed} -file "{path}"'


def remove_files(paths: Sequence[str]) -> str:
    """The command that removes files, those that are there."""
    return f'cmd /c "del /f /q {" ".join(map(_for_del, paths))}"'


def _for_del(path: str) -> str:
    """`del` takes `/` for the beginning of a switch, and knows `cmd`'s variables alone."""
    path = re.sub(r"\$env:(\w+)", r"%\1%", path, flags=re.IGNORECASE).replace("/", "\\")
    return f'"{path}"' if " " in path else path
