"""`changes`: Dockerfile instructions for a commit, brought into the form that podman takes.

Docker reads them like a line of a Dockerfile (https://docs.docker.com/reference/dockerfile/); podman 4 knows
`ENV` and `LABEL` with `=` only, one pair and one port each.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator

_PAIRS = ("ENV", "LABEL")
_KNOWN = (
    "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "STOPSIGNAL",
    "USER", "VOLUME", "WORKDIR",
)  # fmt: skip


def instruction_of(change: str) -> str:
    """The instruction, in capitals."""
    return (change.split(maxsplit=1) or [""])[0].upper()


def unknown(changes: Iterable[str]) -> list[str]:
    """Those that a commit cannot make."""
    return [change for change in changes if instruction_of(change) not in _KNOWN]


def for_podman(changes: Iterable[str]) -> list[str]:
    """The same, one thing in each."""
    return [one for change in changes for one in _portable(change)]


def _portable(change: str) -> Iterator[str]:
    name, _, rest = change.strip().partition(" ")
    name, rest = name.upper(), rest.strip()
    if name in _PAIRS:
        yield from (f"{name} {key}={value}" for key, value in _pairs(rest))
    elif name == "EXPOSE" or (name == "VOLUME" and not rest.startswith("[")):
        yield from (f"{name} {item}" for item in rest.split())
    elif name == "MAINTAINER":
        yield f"LABEL maintainer={rest}"
    else:
        yield f"{name} {rest}"


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """`KEY value to the end of the line`, or any number of `KEY=VALUE`, quoted as in a shell."""
    first, _, rest = text.partition(" ")
    if "=" not in first:
        yield first, rest.strip()
        return
    for word in shlex.split(text):
        key, _, value = word.partition("=")
        yield key, value


def restored(changes: Iterable[str], entrypoint: list[str], command: list[str]) -> list[str]:
    """The changes, and those that give the image the command and the entry point of the one that it is made
    of, in place of those that kept the container running. What the user changes wins."""
    made = list(changes)
    named = {instruction_of(change) for change in made}
    if "CMD" not in named and (command or "ENTRYPOINT" in named):
        made.append(f"CMD {json.dumps(command)}")
    if "ENTRYPOINT" not in named and entrypoint:
        made.append(f"ENTRYPOINT {json.dumps(entrypoint)}")
    return made
