"""Channels for moving files: one for each thread that moves some, kept for the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vmforge.communicators.ssh.config import FileTransfer
from vmforge.communicators.ssh.session import Session
from vmforge.communicators.ssh.sftp import NoSubsystem, Sftp
from vmforge.communicators.ssh.streams import Cat
from vmforge.communicators.ssh.transfer import Transfer
from vmforge.sdk import Ui


class FileChannels:
    """Gives each thread a way to move files of its own: an SFTP channel serves one at a time."""

    def __init__(self, method: FileTransfer, ui: Ui) -> None:
        self._method, self._ui = method, ui
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._idle: list[Transfer] = []
        self._told = False

    @contextmanager
    def borrow(self, session: Session) -> Iterator[Transfer]:
        """A way to move files over this session; within its guard. One that failed is not used again."""
        files = self._take(session) or self._open(session)
        try:
            yield files
        except BaseException:
            files.close()
            raise
        with self._lock:
            if session is self._session:
                self._idle.append(files)

    def _take(self, session: Session) -> Transfer | None:
        with self._lock:
            if session is not self._session:
                self._session = session
                session.make_room = self._close_idle
                self._idle.clear()
            return self._idle.pop() if self._idle else None

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for files in idle:
            files.close()

    def _open(self, session: Session) -> Transfer:
        if self._method is FileTransfer.SCP:
            return Cat(session)
        try:
            return Sftp(session)
        except NoSubsystem:
            if not self._told:
                self._ui.message("SSH: the guest has no SFTP server; files travel through `cat`")
            self._told = True
            return Cat(session)
