"""Where an engine may listen: the places of Docker and podman, in the order in which they are tried."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_CONTEXT = "default"


@dataclass(frozen=True, slots=True)
class Place:
    """A URL (`unix://`, `tcp://`, `ssh://`), and who says that an engine is there. `context` is the Docker
    context to ask for the URL."""

    url: str
    origin: str
    context: str = ""


def places(wanted: str, program: str, environment: Mapping[str, str]) -> list[Place]:
    """Where to look. What the user names (`wanted`, the environment, a Docker context) is the only place.

    `program` is the one that the template would run: `podman` prefers podman's own places.
    """
    if wanted:
        return [Place(_url(wanted), "`docker_host`")]
    podman = Path(program).name.startswith("podman")
    names = ("CONTAINER_HOST", "DOCKER_HOST") if podman else ("DOCKER_HOST", "CONTAINER_HOST")
    for name in names:
        if environment.get(name):
            return [Place(_url(environment[name]), f"`{name}`")]
    if context := environment.get("DOCKER_CONTEXT", ""):
        return [Place("", "`DOCKER_CONTEXT`", context)]
    sockets = [*_podman(environment), *_docker(environment)]
    if not podman:
        sockets = [*_docker(environment), *_podman(environment)]
    return [Place(f"unix://{path}", "its usual place") for path in dict.fromkeys(sockets)]


def _url(text: str) -> str:
    return f"unix://{text}" if text.startswith("/") else text


def _docker(environment: Mapping[str, str]) -> Iterator[Path]:
    yield Path("/var/run/docker.sock")
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "docker.sock")
    if home := environment.get("HOME"):
        yield Path(home, ".docker/run/docker.sock")


def _podman(environment: Mapping[str, str]) -> Iterator[Path]:
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "podman/podman.sock")
    if os.getuid():
        yield Path(f"/run/user/{os.getuid()}/podman/podman.sock")
    yield Path("/run/podman/podman.sock")
