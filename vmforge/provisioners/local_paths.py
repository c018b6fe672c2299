"""Whether the files and folders of this machine that a provisioner names are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vmforge.sdk import Config, Problem
from vmforge.sdk.values import expand_home


def check_files(config: Config, *names: str) -> Iterator[Problem]:
    """That the options name files that exist."""
    return _check(config, names, "file", Path.is_file)


def check_folders(config: Config, *names: str) -> Iterator[Problem]:
    """That the options name folders that exist."""
    return _check(config, names, "folder", Path.is_dir)


def check_paths(config: Config, *names: str) -> Iterator[Problem]:
    """That the options name files or folders that exist."""
    return _check(config, names, "file or folder", Path.exists)


def paths_of(config: Config, *names: str) -> Iterator[Path]:
    """The paths that the options hold, those that are not set left out."""
    for name in names:
        value = getattr(config, name)
        for path in value if isinstance(value, tuple) else (value,):
            if path is not None and str(path):
                yield Path(path)


def _check(config: Config, names: tuple[str, ...], what: str, is_there: object) -> Iterator[Problem]:
    assert callable(is_there)
    for name in names:
        for path in paths_of(config, name):
            if not is_there(expand_home(path)):
                hint = (
                    ""
                    if path.is_absolute()
                    else f"relative paths start at the current folder, `{Path.cwd()}`"
                )
                yield Problem(f"`{name}`: there is no {what} `{path}`", name, hint=hint)
