"""The guest of the `acme` builder: a folder of this machine, and the way into it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from vmforge.errors import CommunicatorError
from vmforge.sdk import Cancellation, Communicator, Output


@dataclass(frozen=True)
class FolderGuest:
    """What provisioners get to see."""

    root: Path
    cancellation: Cancellation

    @property
    def communicator(self) -> Communicator:
        return FolderCommunicator(self.root, self.cancellation)


@dataclass(frozen=True)
class FolderCommunicator:
    """Files land below `root`. Commands run on this machine, with `root` as their current folder: nothing
    keeps them from the rest of it, so relative paths are in the image, and absolute ones are not."""

    root: Path
    cancellation: Cancellation
    kind: str = "acme"

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        self.cancellation.check()
        with subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # so that all that it starts can be ended with it
        ) as process:
            readers = [_Reader(process.stdout, output, False), _Reader(process.stderr, output, True)]
            with self.cancellation.on_cancel(lambda: _kill(process)):
                try:
                    status = process.wait(timeout)
                except subprocess.TimeoutExpired:
                    _kill(process)
                    raise CommunicatorError(f"`{command}` took longer than {timeout} s") from None
                finally:
                    for reader in readers:
                        reader.join()
        self.cancellation.check()
        return status

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        target = self._inside(destination)
        with _told(f"cannot write `{destination}`"):
            if isinstance(source, Path):
                shutil.copyfile(source, target)
            else:
                with target.open("wb") as file:
                    shutil.copyfileobj(source, file)
            if mode is not None:
                target.chmod(mode)

    def upload_directory(self, source: Path, destination: str) -> None:
        with _told(f"cannot write `{destination}`"):
            shutil.copytree(source, self._inside(destination), symlinks=True, dirs_exist_ok=True)

    def download(self, source: str, destination: Path) -> None:
        staged = destination.with_name(f".{destination.name}.part")
        with _told(f"cannot fetch `{source}`"):
            try:
                shutil.copyfile(self._inside(source), staged)
                staged.replace(destination)
            finally:
                staged.unlink(missing_ok=True)

    def download_directory(self, source: str, destination: Path) -> None:
        with _told(f"cannot fetch `{source}`"):
            shutil.copytree(self._inside(source), destination, symlinks=True, dirs_exist_ok=True)

    def reconnect(self, timeout: float) -> None:
        """There is no connection that could break."""

    def close(self) -> None:
        """Nothing is open between two calls."""

    def _inside(self, path: str) -> Path:
        if ".." in Path(path).parts:
            raise CommunicatorError(f"`{path}` leads out of the image")
        return self.root / path.lstrip("/")


class _Reader(threading.Thread):
    """Hands on what a command prints, line by line."""

    def __init__(self, stream: IO[str] | None, output: Output | None, is_error: bool) -> None:
        super().__init__(daemon=True)
        self._stream, self._output, self._is_error = stream, output, is_error
        self.start()

    def run(self) -> None:
        for line in self._stream or ():
            if self._output is not None:
                self._output(line.rstrip("\n"), self._is_error)


def _kill(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has ended by itself
        pass


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommunicatorError(f"{what}: {error.strerror or error}") from error
