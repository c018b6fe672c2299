"""The `acme` post-processor: lists the files of an image, with their digests."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.sdk import (
    Artifact,
    BuildContext,
    Config,
    FileArtifact,
    PostProcessor,
    Problem,
    Processed,
    option,
)
from vmforge.sdk.late import check_late


@dataclass(frozen=True, kw_only=True)
class AcmeConfig(Config):
    """The options of `post-processor "acme"`."""

    output: str = option(
        "{{ .BuildName }}.files.txt", help="The list to write. Knows `{{ .BuildName }}`.", late=True
    )


class AcmePostProcessor(PostProcessor[AcmeConfig]):
    config_type = AcmeConfig
    summary = "lists the files of an image, with their digests"
    sdk_version = "1.0"

    @classmethod
    def check(cls, config: AcmeConfig) -> Iterable[Problem]:
        yield from check_late(config.output, ["BuildName"], "output")

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        archives = [path for path in artifact.files if tarfile.is_tarfile(path)]
        if not archives:
            hint = "it works on images of the builder `acme`"
            raise VmforgeError(f"there is no archive in `{artifact}`", hint=hint)
        output = Path(context.render(self.config.output, {"BuildName": context.name}))
        lines = [line for archive in archives for line in _lines_of(archive, context)]
        context.steps.run("Listing the files", lambda: _write(output, lines), quiet=True)
        listing = FileArtifact("vmforge.acme.files", output.name, (output,), f"a list of files: {output}")
        return Processed(listing, keep_input=True)


def _lines_of(path: Path, context: BuildContext) -> Iterator[str]:
    with tarfile.open(path) as archive:
        for member in archive:
            context.cancellation.check()
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                digest = hashlib.sha256()
                while block := file.read(1024**2):
                    digest.update(block)
                yield f"{digest.hexdigest()}  {member.name}\n"


def _write(output: Path, lines: Iterable[str]) -> None:
    staged = output.with_name(f".{output.name}.part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text("".join(lines), encoding="utf-8")
        staged.replace(output)
    except OSError as error:
        raise VmforgeError(f"`{output}` cannot be written: {error.strerror}") from error
    finally:
        staged.unlink(missing_ok=True)
