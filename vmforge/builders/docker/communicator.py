"""The communicator `docker`: commands by the engine's `exec`, files by its archives. It needs no network."""

from __future__ import annotations

import stat
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import BinaryIO, cast

from vmforge.builders.docker.config import DockerConfig
from vmforge.builders.docker.container import Container
from vmforge.builders.docker.errors import EngineError
from vmforge.builders.docker.execution import Execution
from vmforge.builders.docker.reading import StreamReader
from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import BuildContext, Output, tarfiles
from vmforge.sdk.local_files import Advance, arriving, opened, shown, size_left
from vmforge.sdk.tarfiles import Owner

KIND = "docker"
_LINUX_SHELL, _WINDOWS_SHELL = ("/bin/sh", "-c"), ("powershell", "-Command")
_PAUSE = 0.2
_LINKS = 16
_FILE_MODE = 0o644
# Of Go's `os.FileMode`, which the engine tells modes in (https://pkg.go.dev/io/fs#FileMode).
_GO_FOLDER = 1 << 31
_MAKE_FOLDER = '[ -d "$0" ] || { mkdir -p "$0" && chown "$1" "$0"; }'


class DockerCommunicator:
    """Commands and files in one container. One thread uses it."""

    kind = KIND

    def __init__(self, context: BuildContext, container: Container, config: DockerConfig) -> None:
        self._ui, self._cancellation = context.ui, context.cancellation
        self._container, self._config = container, config
        shell = _WINDOWS_SHELL if config.windows_container else _LINUX_SHELL
        self._execution = Execution(container, context.cancellation, shell, config.exec_user, config.pty)
        self._known_owner: Owner | None = None

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        """See `Communicator.run`."""
        with self._told():
            status = self._execution.run(command, output or _ignore, timeout)
            if status and not (state := self._container.state()).running:
                raise self._container.failure(state, "while the command ran")
            return status

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        """Without `mode`, a local file's permissions go with it."""
        place = self._absolute(destination)
        with opened(source) as file, _sized(file) as (content, size), self._told():
            self._must_be_folder(str(place.parent))
            member = tarfile.TarInfo(place.name)
            member.size, member.mtime = size, int(time.time())
            member.mode = _mode(source) if mode is None else mode
            owner = self._owner(source)
            member.uid, member.gid = owner.user, owner.group
            with shown(self._ui, f"Uploading {destination}", size) as advance:
                self._put(str(place.parent), tarfiles.pack_file(content, member, self._watched(advance)))

    def upload_directory(self, source: Path, destination: str) -> None:
        """Copy what is in `source` into the container's folder `destination`."""
        if not source.is_dir():
            raise HostError(f"there is no folder `{source}`")
        place = str(self._absolute(destination))
        with self._told():
            owner = self._owner(source)
            self._make_folder(place, owner)
            with shown(self._ui, f"Uploading {destination}", None) as advance:
                self._put(place, tarfiles.pack(source, owner, self._watched(advance)))

    def download(self, source: str, destination: Path) -> None:
        """Fetch one file; a link is followed."""
        place = str(self._absolute(source))
        with self._told():
            for _ in range(_LINKS):
                status = self._container.engine.path_status(self._container.id, place)
                if status["mode"] & _GO_FOLDER:
                    raise CommunicatorError(f"`{source}` is a folder of the container, not a file")
                with self._archive(place) as stream, self._first(stream) as (archive, member):
                    if not member.issym():
                        self._receive(archive, member, source, destination)
                        return
                    place = str(PurePosixPath(place).parent / member.linkname)
            raise CommunicatorError(f"`{source}` is a link that leads nowhere")

    def download_directory(self, source: str, destination: Path) -> None:
        place = str(self._absolute(source))
        with self._told():
            status = self._container.engine.path_status(self._container.id, place)
            place = str(status.get("linkTarget") or place)  # of a link: that of anything else is itself
            if not self._is_folder(place):
                raise CommunicatorError(f"`{source}` is no folder of the container")
            with (
                self._archive(place) as stream,
                shown(self._ui, f"Downloading {source}", None) as advance,
            ):
                tarfiles.unpack(stream, destination, strip=1, advance=advance)

    def reconnect(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the container runs; one that has ended is started again."""
        deadline = time.monotonic() + timeout
        with self._told():
            while not (state := self._container.state()).running:
                if time.monotonic() >= deadline:
                    raise self._container.failure(state, "and does not start again")
                self._container.start()
                self._cancellation.wait(_PAUSE)

    def close(self) -> None:
        """There is nothing to end: each command has a connection of its own."""

    def _absolute(self, path: str) -> PurePosixPath:
        """A path of the container; a relative one begins where commands do."""
        if path.startswith("/") or self._config.windows_container:
            return PurePosixPath(path.replace("\\", "/"))
        folder = self._container.inspect()["Config"].get("WorkingDir") or "/"
        return PurePosixPath(folder, path)

    def _put(self, folder: str, content: Iterator[bytes]) -> None:
        self._container.engine.call(
            f"write into `{folder}`",
            lambda api: api.put_archive(self._container.id, folder, content),
        )

    def _watched(self, advance: Advance) -> Advance:
        def count(amount: int) -> None:  # runs in the thread that sends
            self._cancellation.check()
            advance(amount)

        return count

    def _must_be_folder(self, folder: str) -> None:
        """Podman would make it."""
        if not self._is_folder(folder):
            hint = "make it first, with a `shell` provisioner"
            raise CommunicatorError(f"there is no folder `{folder}` in the container", hint=hint)

    def _is_folder(self, place: str) -> bool:
        """Also of a link to one."""
        engine, container = self._container.engine, self._container.id
        try:
            status = engine.path_status(container, place)
            target = status.get("linkTarget") or place
            if target != place and not status["mode"] & _GO_FOLDER:
                status = engine.path_status(container, target)
        except EngineError as error:
            if not error.is_absence:
                raise
            return False
        return bool(status["mode"] & _GO_FOLDER)

    def _make_folder(self, folder: str, owner: Owner) -> None:
        if self._config.windows_container:
            arguments = ["powershell", "-Command", f'New-Item -ItemType Directory -Force "{folder}"']
            status, said = self._execution.ask(arguments, "")
        else:
            arguments = ["/bin/sh", "-c", _MAKE_FOLDER, folder, f"{owner.user}:{owner.group}"]
            status, said = self._execution.ask(arguments, "0")
        if status:
            raise CommunicatorError(f"cannot make the folder `{folder}` in the container: {said}")

    def _owner(self, source: Path | BinaryIO) -> Owner:
        """Whose an upload is to be."""
        if self._config.windows_container:
            return Owner()
        if not self._config.fix_upload_owner:
            status = source.stat() if isinstance(source, Path) else None
            return Owner(status.st_uid, status.st_gid) if status is not None else Owner()
        if self._known_owner is None:
            self._known_owner = self._container_user()
        return self._known_owner

    def _container_user(self) -> Owner:
        user = str(self._container.inspect()["Config"].get("User") or "")
        if user in ("", "root", "0", "0:0"):
            return Owner()
        status, said = self._execution.ask(["/bin/sh", "-c", "id -u && id -g"], "")
        numbers = said.split()
        if status or len(numbers) != 2:
            raise CommunicatorError(f"cannot find out who `{user}` is in the container: {said}")
        return Owner(int(numbers[0]), int(numbers[1]))

    @contextmanager
    def _archive(self, place: str) -> Iterator[BinaryIO]:
        chunks = self._container.engine.stream(
            f"read `{place}`", lambda api: api.get_archive(self._container.id, place)[0]
        )
        yield cast("BinaryIO", StreamReader(chunks))

    @contextmanager
    def _first(self, stream: BinaryIO) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            member = archive.next()
            if member is None:
                raise CommunicatorError("the engine sent an empty archive")
            yield archive, member

    def _receive(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, source: str, destination: Path
    ) -> None:
        content = archive.extractfile(member)
        if content is None:
            raise CommunicatorError(f"`{source}` is no file of the container")
        title = f"Downloading {source}"
        with shown(self._ui, title, member.size) as advance, arriving(destination) as file:
            while data := content.read(256 * 1024):
                file.write(data)
                advance(len(data))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The engine's failures as those of a connection."""
        try:
            yield
        except EngineError as error:
            raise self._ended() or CommunicatorError(error.message, hint=error.hint) from error
        except tarfile.TarError as error:
            raise CommunicatorError(f"what the engine sent cannot be unpacked: {error}") from error

    def _ended(self) -> CommunicatorError | None:
        """The reason behind most failures: the container does not run any more."""
        try:
            state = self._container.state()
        except EngineError:
            return None
        return None if state.running else self._container.failure(state, "before that")


@contextmanager
def _sized(file: BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    """A file whose size is known: a stream is written down first, as an archive says sizes in advance."""
    size = size_left(file)
    if size is not None:
        yield file, size
        return
    with tempfile.TemporaryFile() as copy:
        copyfileobj(file, copy)
        size = copy.tell()
        copy.seek(0)
        yield cast("BinaryIO", copy), size


def _mode(source: Path | BinaryIO) -> int:
    return stat.S_IMODE(source.stat().st_mode) & 0o777 if isinstance(source, Path) else _FILE_MODE


def _ignore(line: str, error: bool) -> None:
    return None
