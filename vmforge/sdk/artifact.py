"""What a build leaves behind, and what post-processors work on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Artifact(Protocol):
    """The result of a builder or a post-processor."""

    @property
    def builder_id(self) -> str:
        """The name of what made it, as Packer's plugins name it (`transcend.qemu`); stable."""

    @property
    def id(self) -> str:
        """Its identity where it lives (`VM`, an AMI's id)."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it consists of; empty for an artifact that lives elsewhere."""

    @property
    def state(self) -> Mapping[str, object]:
        """What the maker wants post-processors to know (`diskName`, `diskType`, ...)."""

    def __str__(self) -> str:
        """One line for the list of results."""

    def destroy(self) -> None:
        """Delete it."""


@dataclass(frozen=True)
class FileArtifact:
    """An artifact of files. `folder` is deleted with it when the artifact owns that folder."""

    builder_id: str
    id: str
    files: tuple[Path, ...]
    description: str
    folder: Path | None = None
    state: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.description

    def destroy(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for path in self.files:
            path.unlink(missing_ok=True)
