"""The `checksum` post-processor: writes the digests of an artifact's files."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.images.blocks import read_blocks, total_size
from vmforge.images.staging import write_failed
from vmforge.post_processors.output import check_output, output_fields
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

BUILDER_ID = "packer.post-processor.checksum"


class ChecksumType(StrEnum):
    MD5 = "md5"
    SHA1 = "sha1"
    SHA224 = "sha224"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


@dataclass(frozen=True, kw_only=True)
class ChecksumConfig(Config):
    """The options of the `checksum` post-processor."""

    checksum_types: tuple[ChecksumType, ...] = option((ChecksumType.MD5,), help="The kinds of digests.")
    output: str = option(
        "packer_{{.BuildName}}_{{.BuilderType}}_{{.ChecksumType}}.checksum",
        help="The file that the digests are appended to. Knows `{{ .BuildName }}`, `{{ .BuilderType }}` "
        "and `{{ .ChecksumType }}`.",
        late=True,
    )


class ChecksumPostProcessor(PostProcessor[ChecksumConfig]):
    """Writes the digests of an artifact's files."""

    config_type = ChecksumConfig
    summary = "writes the digests of an artifact's files"

    @classmethod
    def check(cls, config: ChecksumConfig) -> Iterable[Problem]:
        yield from check_output(config.output, ["ChecksumType"])
        if not config.checksum_types:
            yield Problem("`checksum_types` is empty", option="checksum_types")

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        types = tuple(dict.fromkeys(self.config.checksum_types))
        lines: dict[ChecksumType, list[str]] = {kind: [] for kind in types}
        with context.ui.progress("Summing the artifact's files", total_size(artifact.files)) as progress:

            def tick(size: int) -> None:
                context.cancellation.check()
                progress.advance(size)

            for path in artifact.files:
                for kind, digest in digests(path, types, tick).items():
                    lines[kind].append(f"{digest}\t{path.name}\n")
        outputs = self._append(context, lines) if artifact.files else []
        files = (*artifact.files, *(path for path in outputs if path not in artifact.files))
        named = ", ".join(map(str, files))
        made = FileArtifact(BUILDER_ID, "", files, f"Created artifact from files: {named}")
        return Processed(made, keep_input=True, must_keep=True)

    def _append(self, context: BuildContext, lines: Mapping[ChecksumType, Sequence[str]]) -> list[Path]:
        """Append the lines to their files, which may be one file; returns the files."""
        texts: dict[Path, str] = {}
        for kind, own in lines.items():
            path = Path(
                context.render(self.config.output, output_fields(context) | {"ChecksumType": kind.value})
            )
            texts[path] = texts.get(path, "") + "".join(own)
        for path, text in texts.items():
            append(path, text.encode())
            context.ui.message(f"wrote `{path}`")
        return list(texts)


def digests(
    path: Path, types: Sequence[ChecksumType], on_block: Callable[[int], None]
) -> dict[ChecksumType, str]:
    """All digests of a file, which is read once; the hashes of a block are computed side by side."""
    hashers = {kind: hashlib.new(kind.value, usedforsecurity=False) for kind in types}
    with ThreadPoolExecutor(len(hashers), thread_name_prefix="checksum") as pool:
        for block in read_blocks(path, on_block):
            # hashlib lets go of Python's lock for large blocks
            list(pool.map(lambda hasher, block=block: hasher.update(block), hashers.values()))
    return {kind: hasher.hexdigest() for kind, hasher in hashers.items()}


def append(path: Path, text: bytes) -> None:
    """Append to a file, all or nothing, also when several builds append to it at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file.fileno()).st_size
            try:
                if file.write(text) != len(text):
                    file.write(text)  # raises the error that cut the first write short
                os.fsync(file.fileno())
            except BaseException:
                _cut(file.fileno(), size)
                raise
    except OSError as error:
        raise write_failed(path, "checksum", error) from error


def _cut(descriptor: int, size: int) -> None:
    try:
        os.ftruncate(descriptor, size)
    except OSError:
        pass  # what went wrong before says more
