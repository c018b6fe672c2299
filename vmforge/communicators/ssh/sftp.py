"""Moves files through the server's SFTP subsystem, with many requests under way at once.

SFTP version 3: https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import paramiko
from paramiko.sftp import CMD_EXTENDED, SFTPError

from vmforge.communicators.ssh import transfer
from vmforge.communicators.ssh.session import Session, in_packets
from vmforge.errors import CommunicatorError
from vmforge.sdk.local_files import Advance

# What every server takes in one request, and the most that is worth its memory: 8 packets of SSH.
_CHUNK, _LARGEST_CHUNK = 32 * 1024, 255 * 1024

# https://github.com/openssh/openssh-portable/blob/master/PROTOCOL section 4.8
_LIMITS, _EXTENDED_REPLY = "limits@openssh.com", 201

# paramiko makes an OSError of a server's bad answer, without the path and mostly without an errno; others are
# the local file's or the connection's.
_STATUS_ERRNOS = (None, errno.EACCES, errno.ENOENT)

# Read requests under way at once, 8 MiB: paramiko looks only every 10 ms whether more may be sent. That and
# its default window were the fastest of what was tried; larger windows make its buffers slow.
_READS = 256


class _Client(paramiko.SFTPClient):
    """paramiko's, which hands a large request to the channel in packets: the channel would copy all that is
    left for each."""

    def ask(self, extension: str) -> tuple[int, paramiko.Message]:
        answer: tuple[int, paramiko.Message] = self._request(CMD_EXTENDED, extension)  # type: ignore[attr-defined]
        return answer

    def _write_all(self, out: bytes) -> None:
        for piece in in_packets(out):
            super()._write_all(piece)  # type: ignore[misc]


class NoSubsystem(Exception):
    """The server runs commands but has no SFTP subsystem."""


class Sftp:
    """An SFTP channel of a session. Its methods run within the session's guard."""

    def __init__(self, session: Session) -> None:
        """Raises `NoSubsystem`."""
        self._session, self._user = session, session.user
        channel = session.open_channel()
        try:
            channel.invoke_subsystem("sftp")
            self._client = _Client(channel)
        except (paramiko.SSHException, SFTPError, EOFError, OSError) as error:
            if not session.survived():
                raise
            channel.close()
            raise NoSubsystem from error
        self._chunk: int | None = None

    def upload(
        self, source: BinaryIO, destination: str, mode: int | None, advance: Advance, offset: int = 0
    ) -> None:
        size, how = self._largest_write(), "r+" if offset else "w"
        with self._statuses("write", destination), self._client.open(destination, how) as remote:
            if mode is not None:
                remote.chmod(mode)
            remote.seek(offset)
            remote.set_pipelined(True)
            remote.MAX_REQUEST_SIZE = size
            chunk = source.read(size)
            while following := source.read(size):
                remote.write(chunk)
                advance(len(chunk))
                chunk = following
            # no more in advance: the last write waits for the answers to all, and raises if one is bad
            remote.set_pipelined(False)
            remote.write(chunk)
            advance(len(chunk))

    def _largest_write(self) -> int:
        """How much the server takes in one request: an emulated guest takes a large one in less time than
        several small ones."""
        if self._chunk is None:
            self._chunk = _CHUNK
            try:
                kind, answer = self._client.ask(_LIMITS)
            except OSError:
                if not self._session.survived():
                    raise
            else:
                if kind == _EXTENDED_REPLY:
                    _, _, most = (answer.get_int64() for _ in range(3))
                    self._chunk = max(_CHUNK, min(most, _LARGEST_CHUNK))
        return self._chunk

    def size(self, source: str) -> int | None:
        with self._statuses("read", source):
            attributes = self._client.stat(source)
        if attributes.st_mode is not None and stat.S_ISDIR(attributes.st_mode):
            raise transfer.is_folder(source)
        return attributes.st_size

    def download(self, source: str, target: BinaryIO, advance: Advance) -> None:
        expected = self.size(source) or 0
        received = 0
        with self._statuses("read", source), self._client.open(source, "r") as remote:
            if expected:
                remote.prefetch(expected, _READS)
            while data := remote.read(_CHUNK):
                target.write(data)
                received += len(data)
                advance(len(data))
        if received < expected:
            raise CommunicatorError(
                f"`{source}` ended after {received} of {expected} bytes", hint="try again"
            )

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it; harmless when it exists."""
        if self._is_folder(path):
            return
        above = path.rstrip("/").rpartition("/")[0]
        if above:
            self.make_folder(above)
        with self._statuses("write", path):
            self._client.mkdir(path)

    def chmod(self, path: str, mode: int) -> None:
        with self._statuses("write", path):
            self._client.chmod(path, mode)

    def close(self) -> None:
        self._client.close()

    def link(self, target: str, path: str) -> None:
        """Make a symbolic link, in the place of an old one."""
        with self._statuses("write", path):
            try:
                self._client.remove(path)
            except FileNotFoundError:
                pass
            self._client.symlink(target, path)

    def entries(self, folder: str) -> list[paramiko.SFTPAttributes]:
        """What a folder holds, by name."""
        with self._statuses("read", folder):
            return sorted(self._client.listdir_attr(folder), key=lambda entry: entry.filename)

    def target_of(self, link: str) -> str:
        with self._statuses("read", link):
            return self._client.readlink(link) or ""

    def _is_folder(self, path: str) -> bool:
        try:
            mode = self._client.stat(path or ".").st_mode
        except OSError:
            return False
        return mode is not None and stat.S_ISDIR(mode)

    @contextmanager
    def _statuses(self, what: str, path: str) -> Iterator[None]:
        """The server's bad answers become sentences."""
        try:
            yield
        except OSError as error:
            if error.filename or error.errno not in _STATUS_ERRNOS:
                raise
            if error.errno == errno.EACCES:
                raise transfer.refused(what, path, self._user) from error
            if error.errno == errno.ENOENT:
                raise (transfer.no_folder(path) if what == "write" else transfer.no_file(path)) from error
            if not self._session.survived():
                raise
            if self._is_folder(path):
                raise transfer.is_folder(path) from error
            raise CommunicatorError(
                f"the guest could not {what} `{path}`: {error}", hint="is its disk full? see `df -h` there"
            ) from error
