"""The `file` provisioner: copies files and folders into the guest, or out of it."""

from __future__ import annotations

import io
import posixpath
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.errors import CommunicatorError, VmforgeError
from vmforge.sdk import BuildContext, Communicator, Config, Machine, Problem, Provisioner, option
from vmforge.sdk.values import can_be_path


class Direction(StrEnum):
    UPLOAD = "upload"
    DOWNLOAD = "download"


@dataclass(frozen=True, kw_only=True)
class FileConfig(Config):
    """The options of the `file` provisioner."""

    source: str = option("", help="The file or folder to copy; of a folder given as `DIR/`, its contents.")
    sources: tuple[str, ...] = option((), help="Several of them, copied into `destination`.")
    content: str = option(
        "", help="A text to upload in place of a file; only the user that vmforge logs in as may read it."
    )
    destination: str = option(
        help="Where to copy to; ends with `/` when it is a folder, which must exist in the guest."
    )
    direction: Direction = option(Direction.UPLOAD, help="Into the guest or out of it.")
    generated: bool = option(
        False, help="The source comes into being during the build, so `validate` does not ask for it."
    )

    @property
    def all_sources(self) -> tuple[str, ...]:
        return (*self.sources, *([self.source] if self.source else []))


class FileProvisioner(Provisioner[FileConfig]):
    """Copies files and folders into the guest, or out of it."""

    config_type = FileConfig
    summary = "copies files and folders into the guest, or out of it"

    @classmethod
    def check(cls, config: FileConfig) -> Iterable[Problem]:
        if not config.destination:
            yield Problem("`destination` is empty", option="destination")
        if config.content:
            yield from _check_content(config)
        elif not config.all_sources:
            yield Problem("there is nothing to copy", hint="set `source`, `sources` or `content`")
        if config.direction is Direction.UPLOAD and not config.generated:
            yield from _check_existence(config)
        files = [source for source in config.all_sources if not source.endswith("/")]
        if len(files) > 1 and not config.destination.endswith("/"):
            summary = f"{len(files)} sources would be copied to the one file `{config.destination}`"
            hint = f"if it is a folder, write `{config.destination}/`"
            only_warn = config.direction is Direction.DOWNLOAD or not all(
                Path(file).is_file() for file in files
            )
            yield Problem(summary, option="destination", hint=hint, warning=only_warn)

    def input_files(self) -> Iterable[Path]:
        if self.config.direction is Direction.DOWNLOAD:
            return ()
        return tuple(Path(source) for source in self.config.all_sources)

    @property
    def cacheable(self) -> bool:
        """A download leaves something here as well."""
        return self.config.direction is not Direction.DOWNLOAD

    def provision(self, context: BuildContext, machine: Machine) -> None:
        config, communicator = self.config, machine.communicator
        if config.content:
            context.ui.message(f"uploading `content` to `{config.destination}`")
            self._upload_content(communicator)
        for source in config.all_sources:
            context.cancellation.check()
            if config.direction is Direction.DOWNLOAD:
                context.ui.message(f"downloading `{source}` to `{config.destination}`")
                _download(communicator, source, config.destination)
            else:
                context.ui.message(f"uploading `{source}` to `{config.destination}`")
                _upload(communicator, source, config.destination)

    def _upload_content(self, communicator: Communicator) -> None:
        content = io.BytesIO(self.config.content.encode())
        try:
            communicator.upload(content, self.config.destination, mode=0o600)
        except CommunicatorError as error:
            raise _upload_failed("`content`", self.config.destination, error) from error


def _check_content(config: FileConfig) -> Iterator[Problem]:
    if config.all_sources:
        both = "source" if config.source else "sources"
        yield Problem(f"`content` and `{both}` are set, but only one of them can be", option="content")
    if config.direction is Direction.DOWNLOAD:
        yield Problem(
            "`content` can only be uploaded", option="content", hint="set `source` to download a file"
        )
    if config.destination.endswith("/"):
        summary = f"`content` needs the path of a file to become, not the folder `{config.destination}`"
        yield Problem(summary, option="destination")


def _check_existence(config: FileConfig) -> Iterator[Problem]:
    for source in config.all_sources:
        if not (can_be_path(source) and Path(source).exists()):
            start = "" if Path(source).is_absolute() else f"relative paths start at `{Path.cwd()}`; "
            hint = f"{start}if the file comes into being during the build, set `generated = true`"
            yield Problem(f"source `{source}` does not exist", option=_option_of(config, source), hint=hint)
        elif source.endswith("/") and not Path(source).is_dir():
            yield Problem(f"source `{source}` is not a folder", option=_option_of(config, source))


def _option_of(config: FileConfig, source: str) -> str:
    return "source" if source == config.source else "sources"


def _upload(communicator: Communicator, source: str, destination: str) -> None:
    """One file or folder, named in the guest as rsync would name it."""
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise VmforgeError(f"source `{source}` cannot be read: {error.strerror}") from error
    try:
        if stat.S_ISDIR(mode):
            communicator.upload_directory(path, upload_folder(source, destination))
        else:
            target = destination + path.name if destination.endswith("/") else destination
            communicator.upload(path, target, mode=stat.S_IMODE(mode))
    except CommunicatorError as error:
        raise _upload_failed(f"`{source}`", destination, error) from error


def upload_folder(source: str, destination: str) -> str:
    """The guest's folder that a folder's contents go to: `DIR/` means its contents, `DIR` itself."""
    if source.endswith("/"):
        return destination
    return posixpath.join(destination, Path(source).absolute().name)


def _upload_failed(what: str, destination: str, error: CommunicatorError) -> CommunicatorError:
    hint = error.hint or (
        "the folder must exist in the guest and belong to the user that vmforge logs in as; for other "
        "places, upload to `/tmp/` and move it with a `shell` provisioner that uses `sudo`"
    )
    return CommunicatorError(f"{what} could not be uploaded to `{destination}`: {error.message}", hint=hint)


def _download(communicator: Communicator, source: str, destination: str) -> None:
    """One file, or the contents of a folder given as `DIR/`."""
    is_folder = source.endswith("/")
    target = Path(destination)
    if destination.endswith("/") and not is_folder:
        target /= posixpath.basename(source)
    folder = target if is_folder else target.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VmforgeError(f"folder `{folder}` cannot be made: {error.strerror}") from error
    try:
        if is_folder:
            communicator.download_directory(source, target)
        else:
            communicator.download(source, target)
    except CommunicatorError as error:
        hint = (
            error.hint or "a folder to download ends with `/`; only what the user may read can be downloaded"
        )
        raise CommunicatorError(f"`{source}` could not be downloaded: {error.message}", hint=hint) from error
