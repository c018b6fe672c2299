"""The `file` builder: an artifact that is a file, for trying provision-free pipelines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from vmforge.errors import HostError
from vmforge.sdk import Artifact, BuildContext, Builder, Config, FileArtifact, Problem, option


@dataclass(frozen=True, kw_only=True)
class FileConfig(Config):
    target: Path = option(help="The file to write.", written=True)
    source: Path | None = option(None, help="Copy this file.")
    content: str = option("", help="Write this text.")


class FileBuilder(Builder[FileConfig]):
    config_type = FileConfig
    builder_id = "packer.file"
    uses_communicator = False
    summary = "writes a file: a copy or a text"

    @classmethod
    def check(cls, config: FileConfig) -> Iterable[Problem]:
        if config.source is not None and config.content:
            yield Problem("`source` and `content` are both set", "content", hint="keep one of them")
        if config.source is None and not config.content:
            hint = "set `source` or `content`"
            yield Problem("the file will be empty: there is nothing to write", "target", hint, warning=True)

    def build(self, context: BuildContext) -> Artifact | None:
        context.steps.run("Writing the file", self._write)
        target = self.config.target
        return FileArtifact(self.builder_id, "File", (target,), f"Stored file: {target}")

    def _write(self) -> None:
        target = self.config.target
        staged = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._fill(staged)
                staged.replace(target)
            finally:
                staged.unlink(missing_ok=True)
        except OSError as error:
            raise HostError(f"cannot write `{target}`: {error.strerror}") from None

    def _fill(self, staged: Path) -> None:
        with self._opened() as reading, staged.open("wb") as writing:
            shutil.copyfileobj(reading, writing)
            writing.flush()
            os.fsync(writing.fileno())

    def _opened(self) -> BinaryIO:
        source = self.config.source
        if source is None:
            return BytesIO(self.config.content.encode())
        try:
            return source.open("rb")
        except OSError as error:
            raise HostError(f"cannot read `{source}`: {error.strerror}") from None
