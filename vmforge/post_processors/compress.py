"""The `compress` post-processor: makes one compressed file of an artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vmforge.errors import VmforgeError
from vmforge.images.blocks import read_blocks, total_size
from vmforge.images.compression.archives import tar_blocks
from vmforge.images.compression.formats import (
    KNOWN_FORMATS,
    Archive,
    Format,
    detect_format,
)
from vmforge.images.compression.stream import write_compressed
from vmforge.images.compression.zip import write_zip
from vmforge.images.staging import StagedFile
from vmforge.post_processors.output import check_output, output_fields
from vmforge.sdk import (
    Artifact,
    BuildContext,
    Config,
    FileArtifact,
    PostProcessor,
    Problem,
    Processed,
    Progress,
    option,
)
from vmforge.sdk.values import format_bytes

BUILDER_ID = "packer.post-processor.compress"
_DEFAULT_LEVEL, _BEST_LEVEL = 6, 9


@dataclass(frozen=True, kw_only=True)
class CompressConfig(Config):
    """The options of the `compress` post-processor."""

    output: str = option(
        "packer_{{.BuildName}}_{{.BuilderType}}",
        help="The file to make; its extension says how, and without one it is a gzipped tar archive. "
        "Knows `{{ .BuildName }}` and `{{ .BuilderType }}`.",
        late=True,
    )
    format: str = option("", help="How to make the file, whatever its extension: `zip`, `tar.gz`, `xz` ...")
    compression_level: int = option(
        _DEFAULT_LEVEL, help="From 1, the fastest, to 9, the smallest; `zip` and all compressions heed it."
    )


class CompressPostProcessor(PostProcessor[CompressConfig]):
    """Makes one compressed file of an artifact."""

    config_type = CompressConfig
    summary = "makes one compressed file of an artifact"

    @classmethod
    def check(cls, config: CompressConfig) -> Iterable[Problem]:
        yield from check_output(config.output)
        if config.format and config.format not in KNOWN_FORMATS:
            known = ", ".join(f"`{name}`" for name in KNOWN_FORMATS)
            yield Problem(f"`{config.format}` is not a format", option="format", hint=f"known are {known}")
        if not 1 <= config.compression_level <= _BEST_LEVEL:
            summary = f"`compression_level` is {config.compression_level}, so {_level(config)} is used"
            yield Problem(summary, option="compression_level", hint="levels go from 1 to 9", warning=True)

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        if not artifact.files:
            # templates of clouds have this all the same; Packer makes an empty archive and deletes the image
            context.ui.warn(f"nothing is compressed: the artifact has no files here ({artifact})")
            return Processed(artifact, must_keep=True)
        target = Path(context.render(self.config.output, output_fields(context)))
        format = detect_format(str(target), self.config.format)
        _check_input(artifact.files, target, format)
        size = total_size(artifact.files)
        with (
            context.ui.progress(f"Compressing to {target}", size) as progress,
            StagedFile(target, "compress") as file,
        ):
            self._write(file, artifact.files, format, _ticker(context, progress))
        context.ui.message(f"`{target}`: {format_bytes(size)} became {format_bytes(target.stat().st_size)}")
        return Processed(FileArtifact(BUILDER_ID, "", (target,), f"compressed artifacts in: {target}"))

    def _write(
        self, file: BinaryIO, files: Sequence[Path], format: Format, on_block: Callable[[int], None]
    ) -> None:
        level = _level(self.config)
        if format.archive is Archive.ZIP:
            write_zip(file, files, level, on_block)
            return
        blocks = (
            tar_blocks(files, on_block) if format.archive is Archive.TAR else read_blocks(files[0], on_block)
        )
        write_compressed(blocks, file, format.algorithm, level)


def _level(config: CompressConfig) -> int:
    """The level in use: what is not a level means the default, what is too high the best (as Packer)."""
    return min(config.compression_level, _BEST_LEVEL) if config.compression_level > 0 else _DEFAULT_LEVEL


def _ticker(context: BuildContext, progress: Progress) -> Callable[[int], None]:
    def tick(size: int) -> None:
        context.cancellation.check()
        progress.advance(size)

    return tick


def _check_input(files: Sequence[Path], target: Path, format: Format) -> None:
    if format.archive is Archive.NONE and len(files) > 1:
        message = f"`{target}` can hold one file, but the artifact has {len(files)}"
        raise VmforgeError(message, hint="set `output` to a name that ends with `.tar.gz` or `.zip`")
    if any(target.absolute() == path.absolute() for path in files):
        raise VmforgeError(
            f"`output` is the artifact's own file `{target}`", hint="set `output` to another name"
        )
