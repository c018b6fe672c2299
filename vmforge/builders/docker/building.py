"""The build of a Dockerfile: the folder that is sent, and the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from vmforge.builders.docker.config import DockerfileConfig
from vmforge.errors import HostError

_IGNORED = ".dockerignore"


def build_events(api: Any, config: DockerfileConfig) -> Iterator[Mapping[str, Any]]:
    """What the engine tells while it builds. Raises `HostError` for files that are not there."""
    name, content = _context(config)
    # docker-py's own way to send a folder names a Dockerfile outside of it so that podman does not find it
    with content:
        yield from api.build(
            fileobj=content,
            custom_context=True,
            encoding="gzip" if config.compress else None,
            dockerfile=name,
            buildargs=dict(config.arguments),
            pull=config.pull,
            platform=config.platform or None,
            rm=True,
            forcerm=True,
            decode=True,
        )


def _context(config: DockerfileConfig) -> tuple[str, IO[bytes]]:
    """The folder as a tar file without what its `.dockerignore` names, and the Dockerfile's name in there."""
    from docker.utils import tar

    folder, path = config.build_dir.expanduser().resolve(), config.path.expanduser().resolve()
    if not folder.is_dir():
        raise HostError(f"there is no folder `{folder}`", hint="set `build_dir`")
    try:
        inside = path.is_relative_to(folder)
        name = str(path.relative_to(folder)) if inside else f".dockerfile.{token_hex(8)}"
        text = path.read_text(encoding="utf-8")
        packed = tar(
            str(folder),
            exclude=_ignored(folder),
            dockerfile=(name, None if inside else text),
            gzip=config.compress,
        )
    except OSError as error:
        place = error.filename or folder
        raise HostError(f"cannot read `{place}`: {error.strerror or error}", hint="see `build`") from error
    return name, packed


def _ignored(folder: Path) -> list[str]:
    file = folder / _IGNORED
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
