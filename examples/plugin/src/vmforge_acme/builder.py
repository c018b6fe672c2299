"""The `acme` builder: makes an image that is the archive of a folder."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from vmforge.errors import HostError
from vmforge.sdk import Artifact, BuildContext, Builder, Config, FileArtifact, Problem, option

from vmforge_acme.guest import FolderGuest


@dataclass(frozen=True, kw_only=True)
class AcmeConfig(Config):
    """The options of `source "acme" "..."`."""

    base: Path | None = option(None, help="A folder whose contents the image starts with.")
    directories: tuple[str, ...] = option(("etc", "tmp"), help="Folders that the image has from the start.")
    output: Path = option(
        Path("image.tar.gz"),
        help="The archive to write; it is compressed when it ends with `.gz`.",
        written=True,
        affects_image=False,
    )


class AcmeBuilder(Builder[AcmeConfig]):
    config_type = AcmeConfig
    builder_id = "vmforge.acme"
    summary = "makes an image that is the archive of a folder"
    sdk_version = "1.0"
    uses_communicator = False  # the guest is reached in a way of its own

    @classmethod
    def check(cls, config: AcmeConfig) -> Iterable[Problem]:
        if not config.output.name.endswith((".tar", ".tar.gz")):
            hint = "let it end with `.tar` or `.tar.gz`"
            yield Problem(f"`{config.output}` is no name of an archive", option="output", hint=hint)
        for name in config.directories:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                hint = "write it as it is in the image, as in `etc/app`"
                yield Problem(f"`{name}` is outside of the image", option="directories", hint=hint)
        if config.base is not None and not config.base.is_dir():
            yield Problem(f"there is no folder `{config.base}`", option="base")

    def build(self, context: BuildContext) -> Artifact | None:
        context.steps.run("Looking for an older image", lambda: self._refuse_to_overwrite(context))
        folder = context.steps.enter("Preparing the folder", _ImageFolder(self.config, context))
        context.provision(FolderGuest(folder, context.cancellation))
        size = context.steps.run("Packing the image", lambda: self._pack(folder, context))
        output = self.config.output
        return FileArtifact(self.builder_id, output.name, (output,), f"an archive of {size} bytes: {output}")

    def find_artifact(self, context: BuildContext) -> Artifact | None:
        output = self.config.output
        if not output.is_file():
            return None
        return FileArtifact(self.builder_id, output.name, (output,), f"an archive: {output}")

    def _refuse_to_overwrite(self, context: BuildContext) -> None:
        if self.config.output.exists() and not context.force:
            hint = "`vmforge build -force` replaces it"
            raise HostError(f"`{self.config.output}` is there already", hint=hint)

    def _pack(self, folder: Path, context: BuildContext) -> int:
        """Write the archive beside its final place, and move it there when it is whole."""
        output = self.config.output
        staged = output.with_name(f".{output.name}.part")
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("wb") as file:
                _write_archive(folder, file, compress=output.suffix == ".gz", context=context)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(output)
            return output.stat().st_size
        except OSError as error:
            raise HostError(f"`{output}` cannot be written: {error.strerror}") from error
        finally:
            staged.unlink(missing_ok=True)


class _ImageFolder:
    """The folder that becomes the image, in the build's scratch folder."""

    def __init__(self, config: AcmeConfig, context: BuildContext) -> None:
        self._config = config
        self._folder = context.scratch / "image"

    def __enter__(self) -> Path:
        try:
            if self._config.base is not None:
                shutil.copytree(self._config.base, self._folder, symlinks=True)
            for name in self._config.directories:
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise HostError(f"the image's folder cannot be made: {error}") from error
        return self._folder

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder)


def _write_archive(folder: Path, file: BinaryIO, *, compress: bool, context: BuildContext) -> None:
    """The same folder makes the same archive: names in order, no times, no owners."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    # mode `w:gz` would write the time and the file's name down
    packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) if compress else None
    with packed or contextlib.nullcontext(), tarfile.open(fileobj=packed or file, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            context.cancellation.check()
            archive.add(path, path.relative_to(folder), recursive=False, filter=plain)
