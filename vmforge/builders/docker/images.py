"""What is done with images: pulled, built, tagged, pushed, saved, imported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmforge.builders.docker import changes as dockerfile
from vmforge.builders.docker.building import build_events
from vmforge.builders.docker.config import DockerfileConfig
from vmforge.builders.docker.engine import Engine, registry_of
from vmforge.builders.docker.errors import EngineError
from vmforge.builders.docker.login import Login, auth_config
from vmforge.builders.docker.transfers import follow_build, follow_transfer, image_id
from vmforge.errors import HostError
from vmforge.sdk import BuildContext
from vmforge.sdk.local_files import Advance, arriving
from vmforge.sdk.network import NetworkRefused, RemoteInput, RemoteKind

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Image:
    """An image of the engine. `digest` is that of the registry it came from (`NAME@sha256:HEX`), if any."""

    id: str
    digest: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Images:
    """The images of one engine, as one build or post-processor uses them."""

    engine: Engine
    context: BuildContext

    def look(self, name: str) -> Image:
        """Raises `EngineError`, also when there is none of this name."""
        found = self.engine.call(f"look at the image `{name}`", lambda api: api.inspect_image(name))
        config = found.get("Config") or {}
        return Image(
            image_id(str(found["Id"])),
            str((found.get("RepoDigests") or [""])[0]),
            _words(config.get("Entrypoint")),
            _words(config.get("Cmd")),
        )

    def pull(self, name: str, platform: str, login: Login | None) -> None:
        """Offline, an image that is there will do."""
        registry, repository, tag = registry_of(name)
        try:
            self.context.network.locate(f"https://{registry}/v2/")
        except NetworkRefused:
            self.look(name)
            self.context.ui.message(f"offline: `{name}` is not asked for anew")
            return
        auth = auth_config(login, name, self.context)
        events = self.engine.stream(
            f"pull `{name}`",
            lambda api: api.pull(
                repository, tag=tag, stream=True, decode=True, auth_config=auth, platform=platform or None
            ),
        )
        try:
            follow_transfer(self.context.ui, f"Pulling {name}", f"pull `{name}`", events)
        except EngineError as error:
            error.hint = error.hint or self._pull_hint(name)
            raise

    def _pull_hint(self, name: str) -> str:
        try:
            self.look(name)
        except EngineError:
            return "check the name; `login = true` for a private registry"
        return "the engine has an image of this name: set `pull = false` to use that"

    def build(self, config: DockerfileConfig) -> str:
        """Build a Dockerfile; returns the image's id."""
        events = self.engine.stream("build the Dockerfile", lambda api: build_events(api, config))
        return self.look(follow_build(self.context.ui, events)).id

    def tag(self, image: str, name: str) -> None:
        """Give an image a name: a repository, with `:TAG` unless it is `latest`."""
        _, repository, tag = registry_of(name)
        self.engine.call(f"tag `{image}` as `{name}`", lambda api: api.tag(image, repository, tag))

    def push(self, name: str, login: Login | None, platform: str) -> str:
        """Returns the digest in the registry, or `""` when the engine does not tell."""
        registry, repository, tag = registry_of(name)
        self.context.network.locate(f"https://{registry}/v2/")
        auth = auth_config(login, name, self.context)
        events = self.engine.stream(f"push `{name}`", lambda api: _push(api, repository, tag, auth, platform))
        return follow_transfer(self.context.ui, f"Pushing {name}", f"push `{name}`", events)

    def save(self, names: Sequence[str], target: Path) -> None:
        """Write images to a tar file, as `docker load` reads it."""
        listed = ", ".join(names)
        chunks = self.engine.stream(f"save `{listed}`", lambda api: _save(api, names))
        self.write(target, f"Saving {listed}", chunks)

    def write(self, target: Path, title: str, chunks: Iterator[bytes]) -> None:
        """Write what comes to a file, which is there when it is complete."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.context.ui.progress(title, None) as progress, arriving(target) as file:
                for chunk in chunks:
                    file.write(chunk)
                    progress.advance(len(chunk))
        except OSError as error:
            raise HostError(f"cannot write `{target}`: {error.strerror}") from error

    def load(self, source: Path, changes: Sequence[str], platform: str) -> str:
        """Make an image of the tar file of a container's files; returns its id."""
        made = dockerfile.for_podman(changes) if self.engine.is_podman else list(changes)
        size = source.stat().st_size if source.is_file() else None
        with self.context.ui.progress(f"Importing {source}", size) as progress:
            answer = self.engine.call(
                f"import `{source}`",
                lambda api: _import(api, _read(source, progress.advance), made, platform),
            )
        for line in filter(None, map(str.strip, answer.splitlines())):
            event = json.loads(line)
            if event.get("error"):
                raise EngineError(f"cannot import `{source}`: {event['error']}")
            if event.get("status"):
                return image_id(str(event["status"]))
        raise EngineError(f"the engine imported `{source}` and did not say what the image is called")

    def remove(self, name: str) -> None:
        """That it is gone already is fine."""
        try:
            self.engine.call(f"remove the image `{name}`", lambda api: api.remove_image(name))
        except EngineError as error:
            if not error.is_absence:
                raise


def input_of(name: str) -> RemoteInput:
    """An image that the engine fetches."""
    return RemoteInput(RemoteKind.PROGRAM, f"the image `{name}`", ())


def _words(value: object) -> list[str]:
    """An entry point or a command: a list, a single text from some engines, or nothing."""
    if isinstance(value, str):
        return [value] if value else []
    return [str(word) for word in value] if isinstance(value, list) else []


def _read(source: Path, advance: Advance) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while data := file.read(_CHUNK):
                yield data
                advance(len(data))
    except OSError as error:
        raise HostError(f"cannot read `{source}`: {error.strerror}") from error


def _import(api: Any, content: Iterator[bytes], changes: Sequence[str], platform: str) -> str:
    """What docker-py's `import_image` does, which knows no platform."""
    url = f"{api.base_url}/v{api.api_version}/images/create"
    params: dict[str, Any] = {"fromSrc": "-", "changes": list(changes)}
    if platform:
        params["platform"] = platform
    headers = {"Content-Type": "application/tar"}
    answer = api.post(url, params=params, data=content, headers=headers, timeout=api.timeout)
    if answer.status_code >= 400:
        raise EngineError(f"cannot import: {_said(answer)}", status=answer.status_code)
    return str(answer.text)


def _push(
    api: Any, repository: str, tag: str, auth: Mapping[str, str] | None, platform: str
) -> Iterator[Mapping[str, Any]]:
    if platform:
        # docker-py has no argument for it, and no other way in than the parameters of each request
        api.params = {**dict(api.params), "platform": _oci_platform(platform)}
    try:
        yield from api.push(repository, tag=tag, stream=True, decode=True, auth_config=auth)
    finally:
        api.params = {}


def _oci_platform(text: str) -> str:
    """`linux/arm64/v8` as the API takes it since version 1.46 (an OCI platform as JSON)."""
    names = ("os", "architecture", "variant")
    return json.dumps(dict(zip(names, text.split("/"), strict=False)))


def _save(api: Any, names: Sequence[str]) -> Iterator[bytes]:
    """One image by docker-py; several by the API's own list of names."""
    if len(names) == 1:
        yield from api.get_image(names[0])
        return
    url = f"{api.base_url}/v{api.api_version}/images/get"
    answer = api.get(url, params={"names": list(names)}, stream=True, timeout=api.timeout)
    if answer.status_code >= 400:
        raise EngineError(f"cannot save: {_said(answer)}", status=answer.status_code)
    yield from answer.iter_content(_CHUNK)


def _said(answer: Any) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return str(answer.text).strip()
