"""Writes a plugin to begin with: the example in `plugin_skeleton`, under another name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vmforge.errors import HostError, UsageError

if TYPE_CHECKING:
    from vmforge.sdk.registry import Registry

# The example's name. It is a word that stands for nothing else in its files.
_EXAMPLE: Final = "acme"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME: Final = 40
# What working on the example leaves in its folder.
_LITTER: Final = ("__pycache__", "build", ".*", "*.egg-info")


def write_plugin(name: str, folder: Path, registry: Registry) -> list[Path]:
    """Write a plugin whose components have that name to a folder that is not there yet; returns its files.

    Raises `UsageError` for a name that cannot be, and `HostError` when the files cannot be written.
    """
    _check_name(name, registry)
    texts = {Path(folder, place): text for place, text in plugin_files(name).items()}
    if folder.exists():
        raise HostError(f"`{folder}` is there already", hint="give another folder with `--output`")
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        reason = (error.strerror or str(error)).lower()
        raise HostError(f"`{folder}` cannot be written: {reason}") from error
    return list(texts)


def plugin_files(name: str) -> Mapping[str, str]:
    """The texts of the plugin's files, by their paths in it."""
    example = files("vmforge.cli") / "plugin_skeleton"
    found = {_renamed(place, name): _renamed(text, name) for place, text in _walk(example)}
    return dict(sorted(found.items()))


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if any(Path(entry.name).match(pattern) for pattern in _LITTER):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_text(encoding="utf-8")


def _renamed(text: str, name: str) -> str:
    class_name = "".join(part.capitalize() for part in name.split("-"))
    text = text.replace(f"vmforge_{_EXAMPLE}", f"vmforge_{name.replace('-', '_')}")
    return text.replace(_EXAMPLE.capitalize(), class_name).replace(_EXAMPLE, name)


def _check_name(name: str, registry: Registry) -> None:
    from vmforge.sdk.registry import Kind

    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        hint = f"write lower-case letters, digits and single `-`, {_LONGEST_NAME} at most, as in `my-cloud`"
        raise UsageError(f"`{name}` cannot be the name of a plugin", hint=hint)
    for kind in (Kind.BUILDER, Kind.PROVISIONER, Kind.POST_PROCESSOR, Kind.DATA_SOURCE):
        if name in registry.built_in(kind):
            raise UsageError(
                f"there is a built-in {kind} `{name}`", hint="choose a name that no component has"
            )
