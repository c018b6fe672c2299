"""The `file` builder: an artifact that is a file, for trying provision-free pipelines."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import HostError
from vmforge.sdk import Artifact, BuildContext, Builder, Config, FileArtifact, Problem, option


@dataclass(frozen=True, kw_only=True)
class FileConfig(Config):
    target: Path = option(help="The file to write.")
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
            yield Problem("there is nothing to write", "target", hint="set `source` or `content`")

    def build(self, context: BuildContext) -> Artifact | None:
        context.steps.run("Writing the file", self._write)
        target = self.config.target
        return FileArtifact(self.builder_id, "File", (target,), f"Stored file: {target}")

    def _write(self) -> None:
        target = self.config.target
        staged = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if self.config.source is not None:
                shutil.copyfile(self.config.source, staged)
            else:
                staged.write_text(self.config.content, encoding="utf-8")
            staged.replace(target)
        except OSError as error:
            staged.unlink(missing_ok=True)
            raise HostError(f"cannot write `{target}`: {error.strerror}") from None
