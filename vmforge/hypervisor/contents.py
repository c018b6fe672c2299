"""What the guest sees on a disk, whatever the image's format, as a stream, without a copy on disk.

Raw images are read as they are. For all others a `qemu-nbd` of our own serves the image, read-only, on a
connection that nobody else can have; it ends with that connection, even if this process is killed.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from vmforge.errors import CommandFailed, HostError, VmforgeError
from vmforge.hypervisor import disks
from vmforge.hypervisor.nbd import NbdClient, NbdError
from vmforge.sdk.cancellation import Cancellation

BLOCK_SIZE: Final = 1024 * 1024
# What `blocks` gives for every whole block of zeros that is known without reading it.
ZERO_BLOCK: Final = bytes(BLOCK_SIZE)

PROGRAM = "qemu-nbd"
_SECTOR = 512
# qemu-nbd works on as many requests of one connection at a time; each is decompressed by several threads
_WINDOW = 16
_LOCKED = "Failed to get"

OnBlock = Callable[[int], None]


class DiskContents(ABC):
    """A disk to be read inside a `with` block. `size` is what the guest sees, in bytes, and a multiple
    of 512."""

    size: int

    @abstractmethod
    def blocks(self, on_block: OnBlock = lambda size: None) -> Iterator[bytes]:
        """The contents in blocks of `BLOCK_SIZE`, the last one smaller if need be.

        A whole block in a hole is `ZERO_BLOCK` itself. `on_block` is called with each block's size;
        what it raises ends the reading. Raises `VmforgeError` when the image cannot be read, and
        `Interrupted`. Calling it again starts from the beginning and ends an earlier iteration.
        """

    @abstractmethod
    def __enter__(self) -> DiskContents: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_contents(image: Path, cancellation: Cancellation, *, format: str = "") -> DiskContents:
    """The contents of an image with everything below it; `format` is qemu-img's name of its format,
    found out when empty.

    Entering raises `HostError` without qemu-utils, `CommandFailed` when it is no image or is in use.
    """
    found = format or disks.info(image, cancellation).format
    if found == "raw":
        return _RawContents(image, cancellation)
    return _ServedContents(image, found, cancellation)


class _RawContents(DiskContents):
    """A raw image: a file whose bytes are the disk's."""

    def __init__(self, image: Path, cancellation: Cancellation) -> None:
        self._image = image
        self._cancellation = cancellation

    def __enter__(self) -> DiskContents:
        self._cancellation.check()
        try:
            self._file = os.open(self._image, os.O_RDONLY | os.O_CLOEXEC)
            self._length = os.lseek(self._file, 0, os.SEEK_END)
        except OSError as error:
            raise self._unreadable(error) from error
        self.size = self._length + -self._length % _SECTOR
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def blocks(self, on_block: OnBlock = lambda size: None) -> Iterator[bytes]:
        position = data = 0
        while position < self.size:
            self._cancellation.check()
            count = min(BLOCK_SIZE, self.size - position)
            if data <= position:
                data = self._next_data(position)
            whole_hole = count == BLOCK_SIZE and data >= position + count
            block = ZERO_BLOCK if whole_hole else self._read(position, count)
            position += count
            on_block(count)
            yield block

    def _next_data(self, position: int) -> int:
        try:
            return os.lseek(self._file, position, os.SEEK_DATA)
        except OSError as error:
            # there is none up to the end; or the file system cannot tell
            return self.size if error.errno == errno.ENXIO else position

    def _read(self, position: int, count: int) -> bytes:
        pieces, missing = [], min(count, self._length - position)
        while missing > 0:
            try:
                piece = os.pread(self._file, missing, position)
            except OSError as error:
                raise self._unreadable(error) from error
            if not piece:
                raise VmforgeError(f"the image `{self._image}` was cut off while it was read")
            pieces.append(piece)
            position, missing, count = position + len(piece), missing - len(piece), count - len(piece)
        if count:
            pieces.append(bytes(count))  # the last sector, which the guest sees whole
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _unreadable(self, error: OSError) -> VmforgeError:
        return VmforgeError(f"the image `{self._image}` cannot be read: {error.strerror}")


class _ServedContents(DiskContents):
    """An image of any format, through qemu-nbd."""

    def __init__(self, image: Path, format: str, cancellation: Cancellation) -> None:
        self._image = image
        self._format = format
        self._cancellation = cancellation
        self._stack = ExitStack()

    def __enter__(self) -> DiskContents:
        self._cancellation.check()
        with ExitStack() as stack:
            self._said: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            self._connection, self._server = self._start(stack)
            stack.enter_context(self._cancellation.on_cancel(self._hang_up))
            try:
                self._client = NbdClient(self._connection)
            except (NbdError, EOFError, OSError) as error:
                raise self._failure(error) from error
            self.size = self._client.size
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def blocks(self, on_block: OnBlock = lambda size: None) -> Iterator[bytes]:
        try:
            self._client.forget()
            for block in self._read_ahead():
                self._cancellation.check()
                on_block(len(block))
                yield block
        except (NbdError, EOFError, OSError) as error:
            raise self._failure(error) from error

    def _read_ahead(self) -> Iterator[bytes]:
        """The blocks, with a window of requests under way. Those of zeros take no request."""
        window: deque[tuple[int, bytes]] = deque()
        for position, has_data in enumerate(self._data_by_block()):
            offset = position * BLOCK_SIZE
            count = min(BLOCK_SIZE, self.size - offset)
            if has_data:
                window.append((self._client.request_read(offset, count), b""))
            else:
                window.append((0, ZERO_BLOCK if count == BLOCK_SIZE else bytes(count)))
            if len(window) == _WINDOW:
                yield self._take(window)
        while window:
            yield self._take(window)

    def _take(self, window: deque[tuple[int, bytes]]) -> bytes:
        cookie, zeros = window.popleft()
        return self._client.answer(cookie) if cookie else zeros

    def _data_by_block(self) -> Iterator[bool]:
        """For every block whether anything in it may be other than zero."""
        position, has_data = 0, False
        for extent in self._client.extents():
            end = position + extent.length
            while position < end:
                has_data = has_data or not extent.zero
                position = min(end, position - position % BLOCK_SIZE + BLOCK_SIZE)
                if position % BLOCK_SIZE == 0 or position == self.size:
                    yield has_data
                    has_data = False

    def _start(self, stack: ExitStack) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Start the server on a socket that we are already connected to, so that there is nothing to
        wait for: its first bytes come when it is ready, the end of the stream when it failed."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise HostError(f"`{PROGRAM}` is not installed", hint="`apt install qemu-utils`")
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        # the socket is handed over as systemd does (sd_listen_fds(3)): number 3, and LISTEN_PID its reader
        script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 </dev/null'
        options = ["--read-only", f"--format={self._format}", str(self._image.absolute())]
        with (
            tempfile.TemporaryDirectory(prefix="vmforge-") as folder,
            socket.socket(socket.AF_UNIX) as listener,
        ):
            listener.bind(f"{folder}/nbd")
            listener.listen(1)
            connection.connect(f"{folder}/nbd")
            # a session of its own: Ctrl-C reaches it through the cancellation, not past it
            server = subprocess.Popen(
                ["/bin/sh", "-c", script, "sh", program, *options],
                stdin=listener.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        stack.callback(_end, server)
        return connection, server

    def _hang_up(self) -> None:
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server was faster

    def _failure(self, error: Exception) -> VmforgeError:
        self._cancellation.check()
        _end(self._server)
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip()
        words = said.splitlines()[0].removeprefix("qemu-nbd: ") if said else str(error)
        hint = "another machine uses this image; end it first" if _LOCKED in said else ""
        message = f"`{PROGRAM}` cannot read `{self._image}`: {words}"
        return CommandFailed(message, status=self._server.returncode, hint=hint)


def _end(server: subprocess.Popen[bytes]) -> None:
    """It only reads: there is nothing that a kill could leave half done."""
    server.kill()
    server.wait()
