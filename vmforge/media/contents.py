"""Which files of this machine go where on a medium, from the lists that templates hold."""

from __future__ import annotations

import glob
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from vmforge.errors import VmforgeError
from vmforge.sdk.ui import Ui

# From paths with slashes, relative to the medium's root, to a file of this machine or to bytes. A path
# that ends with a slash is a folder, needed only where that is empty.
Contents: TypeAlias = Mapping[str, Path | bytes]


def named_trees(entries: Sequence[str], base_dir: Path, ui: Ui) -> dict[str, Path | bytes]:
    """Files at the root, folders with all that is in them under their names (`cd_files`, `floppy_dirs`)."""
    found: dict[str, Path | bytes] = {}
    for path in _expand(entries, base_dir, ui):
        name = path.name if path.name not in ("", "..") else path.resolve().name
        if not path.is_dir():
            _add(found, name, path, ui)
            continue
        for inner, file in _tree(path):
            _add(found, posixpath.join(name, inner), file, ui)
    return found


def flat_files(entries: Sequence[str], base_dir: Path, ui: Ui) -> dict[str, Path | bytes]:
    """Files at the root, and those of folders, however deep, there too (`floppy_files`)."""
    found: dict[str, Path | bytes] = {}
    for path in _expand(entries, base_dir, ui):
        files = (file for _, file in _tree(path)) if path.is_dir() else [path]
        for file in files:
            if isinstance(file, Path):
                _add(found, file.name, file, ui)
    return found


def texts(content: Mapping[str, str | bytes]) -> dict[str, Path | bytes]:
    """Contents given in the template itself. Raises VmforgeError for a path that leads out of the medium."""
    found: dict[str, Path | bytes] = {}
    for name, body in content.items():
        path = posixpath.normpath(name.replace("\\", "/").lstrip("/"))
        if path == "." or path.startswith(".."):
            raise VmforgeError(f"`{name}` is not the path of a file on a medium")
        found[path] = body.encode() if isinstance(body, str) else body
    return found


def _expand(entries: Sequence[str], base_dir: Path, ui: Ui) -> Iterator[Path]:
    """The files and folders that the entries name. An entry may be a pattern (`*`, `?`, `[...]`)."""
    for entry in filter(None, entries):
        path = base_dir / entry
        if path.exists():
            yield path
        elif glob.has_magic(entry):
            # Path.glob refuses absolute patterns
            matches = sorted(glob.glob(entry, root_dir=base_dir, include_hidden=True))  # noqa: PTH207
            if not matches:
                ui.warn(f"`{entry}` matches no file")
            yield from (base_dir / match for match in matches)
        else:
            raise VmforgeError(f"there is no file or folder `{path}`")


def _tree(folder: Path, inside: frozenset[Path] = frozenset()) -> Iterator[tuple[str, Path | bytes]]:
    """What is in a folder, with its path relative to that. Links are followed, but not in circles."""
    real = folder.resolve()
    if real in inside:
        raise VmforgeError(f"`{folder}` is a link to a folder that it is in")
    children = sorted(folder.iterdir())
    if not children:
        yield "", b""
    for child in children:
        if child.is_dir():
            for inner, file in _tree(child, inside | {real}):
                yield posixpath.join(child.name, inner), file
        else:
            yield child.name, child


def _add(found: dict[str, Path | bytes], name: str, file: Path | bytes, ui: Ui) -> None:
    if found.get(name, file) != file:
        ui.warn(f"`{name}` is on the medium twice; `{file!s}` is used")
    found[name] = file
