"""Ansible's `--extra-vars` out of sight: everybody on this machine may read a command line."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_FLAGS = ("--extra-vars", "-e")


def out_of_sight(arguments: Sequence[str], hide: Callable[[str], str], folder: Path) -> list[str]:
    """The arguments, with variables that hold a secret in files in `folder` that only the user may read."""
    return list(_hidden(list(arguments), hide, folder))


def _hidden(arguments: list[str], hide: Callable[[str], str], folder: Path) -> Iterator[str]:
    after_flag = False
    for number, argument in enumerate(arguments):
        flag, value = ("", argument) if after_flag else _split(argument)
        is_value = after_flag or bool(flag)
        after_flag = argument in _FLAGS and not after_flag
        text = _as_document(value) if is_value and hide(value) != value else None
        if text is None:
            yield argument
            continue
        path = folder / f"secrets-{number}.json"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        yield f"{flag}@{path}"


def _split(argument: str) -> tuple[str, str]:
    """The flag and its value, of an argument that holds both."""
    if argument.startswith("--extra-vars="):
        return "--extra-vars=", argument.removeprefix("--extra-vars=")
    if argument.startswith("-e") and len(argument) > 2:
        return "-e", argument[2:]
    return "", argument


def _as_document(value: str) -> str | None:
    """What the value becomes as a file: JSON and YAML as they are, `name=value ...` as JSON. None for what is
    a file already, or neither."""
    if value.lstrip()[:1] in ("{", "["):
        return value
    try:
        pairs = [part.partition("=") for part in shlex.split(value)]
    except ValueError:
        return None
    if value.startswith("@") or not all(name and equals for name, equals, _ in pairs):
        return None
    return json.dumps({name: text for name, _, text in pairs})
