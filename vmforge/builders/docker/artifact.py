"""Images as artifacts, with the names that Packer's plugin gives to who made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from vmforge.builders.docker.engine import Choice, open_engine
from vmforge.builders.docker.errors import EngineError
from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, Cancellation

BUILDER_ID: Final = "packer.docker"
IMPORT_ID: Final = "packer.post-processor.docker-import"
TAG_ID: Final = "packer.post-processor.docker-tag"
ARTIFICE_ID: Final = "packer.post-processor.artifice"

TAGS, ENGINE = "docker_tags", "docker_host"


@dataclass(frozen=True)
class ImageArtifact:
    """An image in the engine at `url`; `id` is `sha256:HEX`, or the name that it was last given."""

    builder_id: str
    id: str
    url: str
    tags: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    files: ClassVar[tuple[Path, ...]] = ()

    @property
    def state(self) -> Mapping[str, object]:
        return {**self.values, TAGS: list(self.tags), ENGINE: self.url}

    def __str__(self) -> str:
        names = f" with tags {' '.join(self.tags)}" if self.tags else ""
        return f"Imported Docker image: {self.id}{names}"

    def destroy(self) -> None:
        """Delete the image from the engine, which keeps what containers and other images still use."""
        engine = open_engine(Choice(self.url), Cancellation())
        try:
            engine.call(f"remove the image `{self.id}`", lambda api: api.remove_image(self.id))
        except EngineError as error:
            if not error.is_absence:
                raise
        finally:
            engine.close()


def tags_of(artifact: Artifact) -> tuple[str, ...]:
    found: Any = artifact.state.get(TAGS) or ()
    return tuple(str(tag) for tag in found)


def choice_for(artifact: Artifact, wished: Choice) -> Choice:
    """The engine to go to: the one that has the artifact, unless the user says another."""
    return wished if wished.host else Choice(str(artifact.state.get(ENGINE) or ""), wished.program)


def must_be(artifact: Artifact, makers: tuple[str, ...], doing: str, hint: str) -> None:
    """Raise `VmforgeError` for an artifact of anything else."""
    if artifact.builder_id not in makers:
        raise VmforgeError(f"cannot {doing} what `{artifact.builder_id}` made", hint=hint)
