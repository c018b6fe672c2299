"""The open connection to a guest, as provisioners use it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vmforge.communicators.ssh import folders, streams, terminal
from vmforge.communicators.ssh.commands import run_command
from vmforge.communicators.ssh.config import FileTransfer, SshConfig
from vmforge.communicators.ssh.dialer import Dialer
from vmforge.communicators.ssh.session import Session
from vmforge.communicators.ssh.sftp import NoSubsystem, Sftp
from vmforge.communicators.ssh.streams import Cat
from vmforge.communicators.ssh.transfer import Advance, Transfer, arriving
from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import BuildContext, Output

# Transfers larger than this show their progress.
_WORTH_SHOWING = 1024 * 1024

# How long a guest that is about to restart may take to end the old connection. Until it does, the old
# server may still let us in.
_LAST_OF_OLD = 30.0


class SshCommunicator:
    """A connection over SSH. One thread uses it; `close` may be called from another, and `reconnect`
    opens it again."""

    kind = "ssh"

    def __init__(self, config: SshConfig, context: BuildContext, dialer: Dialer, session: Session) -> None:
        self._config, self._ui = config, context.ui
        self._dialer, self._session = dialer, session
        self._transfer: Transfer | None = None
        self._tar: bool | None = None

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        return run_command(
            self._session,
            command,
            output,
            timeout=timeout,
            pty=self._config.ssh_pty,
            forward_agent=not self._config.ssh_disable_agent_forwarding,
        )

    def interact(self) -> int:
        """See `sdk.communicator.InteractiveCommunicator`."""
        return terminal.interact(self._session)

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        """Without `mode`, a local file's permissions go with it, as far as the guest allows that."""
        if isinstance(source, Path):
            with _opened(source) as file:
                self._upload(file, destination, mode)
                if mode is None:
                    self._adopt_mode(destination, os.fstat(file.fileno()).st_mode)
        else:
            self._upload(source, destination, mode)

    def _upload(self, file: BinaryIO, destination: str, mode: int | None) -> None:
        with (
            self._session.guard(f"uploading `{destination}`"),
            self._progress(f"Uploading {destination}", _size_left(file)) as advance,
        ):
            self._files().upload(file, destination, mode, advance)

    def _adopt_mode(self, destination: str, mode: int) -> None:
        with self._session.guard(f"uploading `{destination}`"):
            try:
                self._files().chmod(destination, stat.S_IMODE(mode) & 0o777)
            except CommunicatorError:
                # another user's file, or a file system without modes: the content is there all the same
                if not self._session.alive:
                    raise

    def download(self, source: str, destination: Path) -> None:
        with self._session.guard(f"downloading `{source}`"):
            files = self._files()
            with (
                self._progress(f"Downloading {source}", files.size(source)) as advance,
                arriving(destination) as file,
            ):
                files.download(source, file, advance)

    def upload_directory(self, source: Path, destination: str) -> None:
        """Copy what is in `source` into the guest's folder `destination`, which is made if need be."""
        if not source.is_dir():
            raise HostError(f"there is no folder `{source}`")
        with self._session.guard(f"uploading `{destination}`"):
            entries = list(folders.walk(source))
            total = sum(e.status.st_size for e in entries if not e.link and not e.is_folder)
            with self._progress(f"Uploading {destination}", total) as advance:
                if self._has_tar():
                    folders.send_as_tar(self._session, entries, destination, advance)
                else:
                    folders.send_by_sftp(self._sftp("upload"), entries, destination, advance)

    def download_directory(self, source: str, destination: Path) -> None:
        with self._session.guard(f"downloading `{source}`"):
            destination.mkdir(parents=True, exist_ok=True)
            with self._progress(f"Downloading {source}", None) as advance:
                if self._has_tar():
                    folders.fetch_as_tar(self._session, source, destination, advance)
                else:
                    folders.fetch_by_sftp(self._sftp("download"), source, destination, advance)

    def reconnect(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the guest lets the user in anew.

        A connection that still stands is given up to half of that (30 s at most) to break by itself: a guest
        that is about to restart answers for a while longer.
        """
        if self._session.alive:
            self._session.wait_for_end(min(_LAST_OF_OLD, timeout / 2))
        self.close()
        self._session = self._dialer.dial(timeout)
        self._transfer = None

    def close(self) -> None:
        self._session.close()

    def _files(self) -> Transfer:
        """The way to move single files, found out at the first use."""
        if self._transfer is None:
            self._transfer = self._choose_transfer()
        return self._transfer

    def _choose_transfer(self) -> Transfer:
        if self._config.ssh_file_transfer_method is FileTransfer.SCP:
            return Cat(self._session)
        try:
            return Sftp(self._session)
        except NoSubsystem:
            self._ui.message("SSH: the guest has no SFTP server; files travel through `cat`")
            return Cat(self._session)

    def _sftp(self, what: str) -> Sftp:
        files = self._files()
        if not isinstance(files, Sftp):
            raise CommunicatorError(
                f"cannot {what} a folder: the guest has neither `tar` nor an SFTP server",
                hint="install `tar` in the guest first",
            )
        return files

    def _has_tar(self) -> bool:
        if self._tar is None:
            self._tar = streams.has_tar(self._session)
        return self._tar

    @contextmanager
    def _progress(self, title: str, total: int | None) -> Iterator[Advance]:
        if total is not None and total <= _WORTH_SHOWING:
            yield _unseen
            return
        with self._ui.progress(title, total) as progress:
            yield progress.advance


def _unseen(amount: int) -> None:
    return None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise HostError(f"cannot read `{path}`: {error.strerror}") from error
    with file:
        yield file


def _size_left(file: BinaryIO) -> int | None:
    """How much there is to read, where that can be told without reading."""
    try:
        if not file.seekable():
            return None
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except OSError:
        return None
    return end - here
