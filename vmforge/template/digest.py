"""What a template's text is told by: a digest that `sha256sum` can repeat."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vmforge.template.files import find_files


def digest(path: Path) -> str:
    """The SHA-256 of a template's file; of a folder's templates, the one of the list that `sha256sum`
    prints of them in there. Empty for what is no file (standard input)."""
    if path.is_dir():
        lines = [f"{_sha256(file)}  {file.name}\n" for file in find_files(path).templates]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    return _sha256(path) if path.is_file() else ""


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
