"""The engine that runs containers, Docker's or podman's. The only module here that knows docker-py
(https://docker-py.readthedocs.io); its exceptions end here."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from vmforge.builders.docker.errors import EngineError
from vmforge.builders.docker.places import DEFAULT_CONTEXT, Place, places
from vmforge.errors import HostError
from vmforge.sdk import Cancellation, patience
from vmforge.sdk.extras import needs

T = TypeVar("T")

_log = logging.getLogger(__name__)

_THREAD = "vmforge-docker"
_ANY_VERSION = "1.41"
_GREETING_SECONDS = 10
# A commit of a large container says nothing until it is done.
_SILENCE_SECONDS = 3600
_PATHS_STATUS = "x-docker-container-path-stat"
_SOCKET_HINTS = (
    "start it (`systemctl start docker`, `systemctl start podman.socket`, or `systemctl --user start "
    "podman.socket`), or say where it listens: `docker_host` or `DOCKER_HOST`"
)


@dataclass(frozen=True)
class Choice:
    """Which engine: `host` is the option `docker_host`, `program` the option `docker_path`."""

    host: str = ""
    program: str = ""


@dataclass(frozen=True)
class Engine:
    """One engine; `api` is docker-py's client. Its calls raise `EngineError`, and `Interrupted` as soon as
    `cancellation` is set."""

    api: Any
    url: str
    version: str
    is_podman: bool
    cancellation: Cancellation

    @property
    def program(self) -> str:
        """What the user would type."""
        return "podman" if self.is_podman else "docker"

    def __str__(self) -> str:
        return f"{self.program} {self.version} at {self.url}"

    def call(self, doing: str, function: Callable[[Any], T]) -> T:
        """What `function` gets from docker-py's `APIClient`. `doing` completes "cannot ..."."""
        with _translated(doing, self.url):
            return patience.call(lambda: function(self.api), self.cancellation, _THREAD)

    def stream(
        self, doing: str, function: Callable[[Any], Iterable[T]], *, timeout: float | None = None
    ) -> Iterator[T]:
        """The items of what `function` gets, as they come; see `patience.iterate`."""
        source: list[Iterable[T]] = []

        def items() -> Iterator[T]:
            source.append(function(self.api))
            yield from source[0]

        with _translated(doing, self.url):
            try:
                yield from patience.iterate(items(), self.cancellation, _THREAD, timeout=timeout)
            finally:
                for opened in source:
                    _close(opened)

    def path_status(self, container: str, path: str) -> Mapping[str, Any]:
        """What a path of a container is: `name`, `size`, `mode` (Go's), `linkTarget`."""

        def ask(api: Any) -> Mapping[str, Any]:
            from docker.utils import decode_json_header

            url = f"{api.base_url}/v{api.api_version}/containers/{container}/archive"
            answer = api.head(url, params={"path": path}, timeout=_SILENCE_SECONDS)
            if answer.status_code >= 400:  # an answer to HEAD has no text
                raise EngineError(f"there is no `{path}` in the container", status=answer.status_code)
            status = decode_json_header(answer.headers[_PATHS_STATUS])
            assert isinstance(status, dict)
            return status

        return self.call(f"look at `{path}`", ask)

    def for_cleanup(self) -> Engine:
        """The same engine for a build that ends, and so is not cancelled any more."""
        return replace(self, cancellation=Cancellation())

    def close(self) -> None:
        self.api.close()


def open_engine(choice: Choice, cancellation: Cancellation) -> Engine:
    """The first engine that answers. Raises `HostError` that says where was looked, and what was there."""
    with needs("docker", "docker"):
        import docker
    tried = []
    for place in _with_context(places(choice.host, choice.program, os.environ)):
        try:
            return patience.call(partial(_reach, docker, place, cancellation), cancellation, _THREAD)
        except (EngineError, HostError) as error:
            tried.append(f"{place.url} ({place.origin}): {error.message}")
    failure = HostError("no engine for containers answers", hint=_SOCKET_HINTS)
    failure.detail = "\n".join(tried)
    raise failure


def registry_of(image: str) -> tuple[str, str, str]:
    """An image's name, taken apart: its registry, its repository (with the registry), its tag or digest."""
    from docker.auth import resolve_repository_name
    from docker.errors import InvalidRepository
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(image)
    try:
        registry, _ = resolve_repository_name(repository)
    except InvalidRepository as error:
        raise EngineError(f"`{image}` is no name of an image: {error}") from None
    return registry, repository, tag or "latest"


def port_bindings(published: Iterable[str]) -> dict[str, Any]:
    """What `-p` of `docker run` means. Raises ValueError."""
    from docker.utils.ports import build_port_bindings

    return dict(build_port_bindings(list(published)))


def _with_context(found: list[Place]) -> Iterator[Place]:
    """The places, with the user's current Docker context before those that nobody has named."""
    named = found[0].context or ("" if found[0].origin != "its usual place" else _current_context())
    if named in ("", DEFAULT_CONTEXT):
        yield from (place for place in found if place.url)
        return
    from docker.context import ContextAPI

    context = ContextAPI.get_context(named)
    if context is None or not context.Host:
        raise HostError(f"there is no Docker context `{named}`", hint="`docker context ls` lists them")
    yield Place(context.Host, f"the Docker context `{named}`", named)


def _current_context() -> str:
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    name = config.get("currentContext", "") if isinstance(config, dict) else ""
    return str(name or "")


def _reach(docker: Any, place: Place, cancellation: Cancellation) -> Engine:
    """Raises `HostError` when there is plainly nothing, and `EngineError` when nobody answers."""
    if place.url.startswith("unix://") and not Path(place.url.removeprefix("unix://")).exists():
        raise HostError("there is no socket")
    with _translated("reach it", place.url):
        tls = docker.utils.kwargs_from_env().get("tls") if place.url.startswith("tcp://") else None
        if place.context:
            tls = docker.context.ContextAPI.get_context(place.context).TLSConfig
        # any engine answers a ping, and says which version it speaks; podman takes a second to tell more
        asking = docker.APIClient(
            place.url, version=_ANY_VERSION, timeout=_GREETING_SECONDS, tls=tls or False
        )
        answer = asking.get(f"{asking.base_url}/_ping", timeout=_GREETING_SECONDS)
        answer.raise_for_status()
        asking.close()
        speaks = answer.headers.get("Api-Version", _ANY_VERSION)
        api = docker.APIClient(place.url, version=speaks, timeout=_SILENCE_SECONDS, tls=tls or False)
    version = answer.headers.get("Server", "").partition(" ")[0].partition("/")[2]
    return Engine(api, place.url, version, "Libpod-API-Version" in answer.headers, cancellation)


@contextmanager
def _translated(doing: str, url: str) -> Iterator[None]:
    import http.client

    import urllib3
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        said = _plain(error.explanation) or str(error)
        raise EngineError(f"cannot {doing}: {said}", status=int(error.status_code or 0)) from error
    except TimeoutError:
        raise  # of `patience.iterate`: whoever asked for it knows what it means
    except (DockerException, OSError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
        _log.debug("%s: %r", url, error)
        raise EngineError(f"cannot {doing}: {_reason(error)}") from error


def _plain(explanation: object) -> str:
    text = (
        explanation.decode("utf-8", "replace") if isinstance(explanation, bytes) else str(explanation or "")
    )
    return " ".join(text.split())


def _reason(error: BaseException) -> str:
    """The innermost reason: what the libraries wrap it in says little to a person."""
    inner = error
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    if isinstance(inner, PermissionError):
        return "permission denied (is this user in the engine's group?)"
    return str(getattr(inner, "strerror", None) or inner)


def _close(opened: object) -> None:
    """Let go of a stream that may not have been read to its end."""
    try:
        close = getattr(opened, "close", None)
        if close is not None:
            close()
    except (OSError, ValueError):  # a generator that runs in the other thread, a socket that is closed
        return
