"""The open connection to a guest, as provisioners use it."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import BinaryIO

from vmforge.communicators.ssh import folders, streams, terminal
from vmforge.communicators.ssh.commands import run_command
from vmforge.communicators.ssh.config import SshConfig
from vmforge.communicators.ssh.dialer import Dialer
from vmforge.communicators.ssh.discretion import Discretion
from vmforge.communicators.ssh.file_channels import FileChannels
from vmforge.communicators.ssh.resuming import Upload
from vmforge.communicators.ssh.session import Session
from vmforge.communicators.ssh.sftp import Sftp
from vmforge.communicators.ssh.transfer import Transfer
from vmforge.errors import CommunicatorError, HostError, Interrupted
from vmforge.sdk import BuildContext, Cancellation, Output
from vmforge.sdk.local_files import arriving, opened, shown, size_left
from vmforge.sdk.values import format_bytes

# How long a guest that is about to restart may take to end the old connection. Until it does, the old
# server may still let us in.
_LAST_OF_OLD = 30.0

# How long an upload whose connection broke waits for the guest to come back.
_COME_BACK = 60.0


class SshCommunicator:
    """A connection over SSH. Several threads may use it at once, as far as the guest's server allows
    (`MaxSessions`, 10 as a rule). `close` ends what they do, and `reconnect` opens it again for all.

    An upload outlives its connection: it waits for the guest and goes on where it was.
    """

    kind = "ssh"

    def __init__(self, config: SshConfig, context: BuildContext, dialer: Dialer, session: Session) -> None:
        self._config, self._ui, self._cancellation = config, context.ui, context.cancellation
        self._dialer, self._session = dialer, session
        self._channels = FileChannels(config.ssh_file_transfer_method, context.ui)
        self._tar: bool | None = None
        self._discretion = Discretion(context.hide)
        self._dialing = threading.Lock()
        self._closed = threading.Event()
        self._stop = Cancellation()

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        return run_command(
            self._session,
            command,
            output,
            timeout=timeout,
            pty=self._config.ssh_pty,
            forward_agent=not self._config.ssh_disable_agent_forwarding,
            discretion=self._discretion,
        )

    def interact(self) -> int:
        """See `sdk.communicator.InteractiveCommunicator`."""
        return terminal.interact(self._session)

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        """Without `mode`, a local file's permissions go with it, as far as the guest allows that."""
        if isinstance(source, Path):
            with opened(source) as file:
                self._upload(file, destination, mode)
                if mode is None:
                    self._adopt_mode(destination, os.fstat(file.fileno()).st_mode)
        else:
            self._upload(source, destination, mode)

    def _upload(self, file: BinaryIO, destination: str, mode: int | None) -> None:
        with shown(self._ui, f"Uploading {destination}", size_left(file)) as advance:
            upload = Upload(file, destination, mode, advance)
            again = False
            while True:
                session = self._session
                try:
                    self._send(upload, session, again)
                    return
                except CommunicatorError as error:
                    if session.alive or self._closed.is_set() or not upload.may_go_on():
                        raise
                    self._come_back(session, error)
                    again = True

    def _send(self, upload: Upload, session: Session, again: bool) -> None:
        doing = f"uploading `{upload.destination}`"
        with session.guard(doing), self._channels.borrow(session) as files:
            there = upload.send(files, session, again=again)
        if again:
            how = f"went on after its first {format_bytes(there)}" if there else "was made from the beginning"
            self._ui.message(f"SSH: the upload of `{upload.destination}` {how}")

    def _come_back(self, broken: Session, error: CommunicatorError) -> None:
        """Connect anew after the connection broke by itself. Raises `error`, or one that says more, when
        that is in vain."""
        with self._dialing:
            if self._session is not broken:
                return  # another thread has done it
            self._ui.message(f"SSH: {error.message}; it goes on as soon as the guest answers")
            broken.close()
            self._stop = Cancellation()
            if self._closed.is_set():
                raise error
            try:
                with self._cancellation.on_cancel(self._stop.cancel):
                    session = self._dialer.dial(_COME_BACK * self._dialer.time_scale, self._stop)
            except Interrupted:
                self._cancellation.check()
                raise error from None  # `close` was called
            except CommunicatorError as failure:
                message = f"{error.message}, and the guest did not come back: {failure.message}"
                raise CommunicatorError(message, hint=failure.hint) from error
            self._session = session
            if self._closed.is_set():
                session.close()
                raise error

    def _adopt_mode(self, destination: str, mode: int) -> None:
        session = self._session
        with session.guard(f"uploading `{destination}`"):
            try:
                with self._channels.borrow(session) as files:
                    files.chmod(destination, stat.S_IMODE(mode) & 0o777)
            except CommunicatorError:
                # another user's file, or a file system without modes: the content is there all the same
                if not session.alive:
                    raise

    def download(self, source: str, destination: Path) -> None:
        session = self._session
        with (
            session.guard(f"downloading `{source}`"),
            self._channels.borrow(session) as files,
            shown(self._ui, f"Downloading {source}", files.size(source)) as advance,
            arriving(destination) as file,
        ):
            files.download(source, file, advance)

    def upload_directory(self, source: Path, destination: str) -> None:
        """Copy what is in `source` into the guest's folder `destination`, which is made if need be."""
        if not source.is_dir():
            raise HostError(f"there is no folder `{source}`")
        session = self._session
        with session.guard(f"uploading `{destination}`"):
            entries = list(folders.walk(source))
            total = sum(e.status.st_size for e in entries if not e.link and not e.is_folder)
            with shown(self._ui, f"Uploading {destination}", total) as advance:
                if self._has_tar(session):
                    folders.send_as_tar(session, entries, destination, advance)
                else:
                    with self._channels.borrow(session) as files:
                        folders.send_by_sftp(_sftp(files, "upload"), entries, destination, advance)

    def download_directory(self, source: str, destination: Path) -> None:
        session = self._session
        with session.guard(f"downloading `{source}`"):
            destination.mkdir(parents=True, exist_ok=True)
            with shown(self._ui, f"Downloading {source}", None) as advance:
                if self._has_tar(session):
                    folders.fetch_as_tar(session, source, destination, advance)
                else:
                    with self._channels.borrow(session) as files:
                        folders.fetch_by_sftp(_sftp(files, "download"), source, destination, advance)

    def reconnect(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the guest lets the user in anew.

        A connection that still stands is given up to half of that (30 s at most) to break by itself: a guest
        that is about to restart answers for a while longer.
        """
        with self._dialing:
            if self._session.alive:
                self._session.wait_for_end(min(_LAST_OF_OLD, timeout / 2))
            self._session.close()
            self._session = self._dialer.dial(timeout)
            self._closed.clear()

    def forget_host_key(self) -> None:
        """See `sdk.communicator.PinningCommunicator`."""
        self._dialer.forget_host_key()

    def close(self) -> None:
        self._closed.set()
        self._stop.cancel()
        self._session.close()
        self._dialer.close()

    def _has_tar(self, session: Session) -> bool:
        if self._tar is None:
            self._tar = streams.has_tar(session)
        return self._tar


def _sftp(files: Transfer, what: str) -> Sftp:
    if not isinstance(files, Sftp):
        raise CommunicatorError(
            f"cannot {what} a folder: the guest has neither `tar` nor an SFTP server",
            hint="install `tar` in the guest first",
        )
    return files
