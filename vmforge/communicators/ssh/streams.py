"""Moves files through commands in the guest: `cat` where there is no SFTP, `tar` for whole folders."""

from __future__ import annotations

import shlex
from types import TracebackType
from typing import BinaryIO

from vmforge.communicators.ssh import transfer
from vmforge.communicators.ssh.ending import end_input
from vmforge.communicators.ssh.session import PACKET, Session, in_packets, lost
from vmforge.sdk.local_files import Advance

_CHUNK = 32 * 1024

# Eight packets.
_LARGE = 8 * PACKET


class Pipe:
    """A command in the guest as a file: what is written goes to its standard input, what is read is its
    standard output. Runs within the session's guard."""

    def __init__(self, session: Session, command: str) -> None:
        self._session, self._command = session, command
        self._channel = session.open_channel()
        self._channel.exec_command(command)
        self._complaint = bytearray()

    def __enter__(self) -> Pipe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def write(self, data: bytes) -> int:
        for piece in in_packets(data):
            self._channel.sendall(piece)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        self._take_complaint()
        return self._channel.recv(size if size > 0 else _CHUNK)

    def end(self) -> None:
        """There is no more input."""
        end_input(self._channel)

    def read_all(self) -> bytes:
        """All that is left of the output."""
        return b"".join(iter(self.read, b""))

    def finish(self) -> int:
        """End the input, wait for the command to end, and return its exit status (negative when it was
        killed). Raises `CommunicatorError` if the connection breaks."""
        self.end()
        while self._channel.recv(_CHUNK):
            pass
        status = self._channel.recv_exit_status()
        self._take_complaint()
        if status < 0 and not self._session.survived():
            raise lost(f"`{self._command}` ran")
        return status

    @property
    def complaint(self) -> str:
        """The last line that the command wrote to standard error."""
        lines = self._complaint.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def _take_complaint(self) -> None:
        while self._channel.recv_stderr_ready():
            self._complaint += self._channel.recv_stderr(_CHUNK)
            del self._complaint[:-_CHUNK]


class Cat:
    """Single files through `cat`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def upload(
        self, source: BinaryIO, destination: str, mode: int | None, advance: Advance, offset: int = 0
    ) -> None:
        path = _quoted(destination)
        # made empty and restricted before anything is in it
        restrict = "" if mode is None else f": > {path} && chmod {mode:o} {path} && "
        command = f"{restrict}cat > {path}"
        if offset:
            # at a place of its own, not at the end: a `cat` of the broken connection may still be writing
            blocks = f"ibs={transfer.BLOCK} obs={transfer.BLOCK} seek={offset // transfer.BLOCK}"
            command = f"dd of={path} {blocks} conv=notrunc"
        with Pipe(self._session, command) as pipe:
            try:
                while data := source.read(_LARGE):
                    pipe.write(data)
                    advance(len(data))
            except OSError as error:
                # the command ended early; its status and last words say why
                if error.errno is not None or not self._session.survived():
                    raise
            self._check(pipe, "write", destination)

    def size(self, source: str) -> int | None:
        path = _quoted(source)
        with Pipe(self._session, f"[ -d {path} ] && exit 21; wc -c < {path}") as pipe:
            text = pipe.read(64)
            status = self._check(pipe, "read", source, also=21)
        if status == 21:
            raise transfer.is_folder(source)
        return int(text) if text.strip().isdigit() else None

    def download(self, source: str, target: BinaryIO, advance: Advance) -> None:
        with Pipe(self._session, f"cat < {_quoted(source)}") as pipe:
            while data := pipe.read(_CHUNK):
                target.write(data)
                advance(len(data))
            self._check(pipe, "read", source)

    def chmod(self, path: str, mode: int) -> None:
        with Pipe(self._session, f"chmod {mode:o} {_quoted(path)}") as pipe:
            self._check(pipe, "write", path)

    def close(self) -> None:
        return None  # each command has a channel of its own

    def _check(self, pipe: Pipe, what: str, path: str, also: int = 0) -> int:
        status = pipe.finish()
        if status in (0, also):
            return status
        raise transfer.complained(what, path, self._session.user, pipe.complaint or f"status {status}")


def has_tar(session: Session) -> bool:
    """Whether folders can travel as one stream."""
    with Pipe(session, "command -v tar") as pipe:
        return pipe.finish() == 0


def size_and_digest(session: Session, path: str) -> tuple[int, str] | None:
    """A regular file's size and SHA-256; None where the guest cannot tell."""
    quoted = _quoted(path)
    with Pipe(session, f"[ -f {quoted} ] && wc -c < {quoted} && sha256sum < {quoted}") as pipe:
        words = pipe.read_all().decode("ascii", "replace").split()
        if pipe.finish() != 0 or len(words) < 2 or not words[0].isdigit():
            return None
    return int(words[0]), words[1]


def open_unpacker(session: Session, destination: str) -> Pipe:
    """Takes a tar stream, and unpacks it into a folder that is made if need be. GNU tar would give folders
    that exist the modes of the sender's, of `/tmp` too."""
    path = _quoted(destination)
    command = (
        f"mkdir -p {path} && cd {path} && "
        "if tar --no-overwrite-dir --version >/dev/null 2>&1; then exec tar --no-overwrite-dir -xpf -; "
        "else exec tar -xpf -; fi"
    )
    return Pipe(session, command)


def open_packer(session: Session, source: str) -> Pipe:
    """Gives a folder's contents as a tar stream."""
    return Pipe(session, f"cd {_quoted(source)} && exec tar -cf - .")


def _quoted(path: str) -> str:
    """A path that no command takes for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)
