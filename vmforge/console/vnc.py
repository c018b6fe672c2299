"""VNC clients: one connection, and a console that outlives its connections.

Whoever makes a `VncConsole` owns it and closes it; it owns the sockets that `connect` gives it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeVar

from vmforge.console.framebuffer import Canvas, Framebuffer
from vmforge.console.keys import xt_code
from vmforge.console.rfb import (
    BGRX,
    Copy,
    Decoder,
    Encoding,
    FramebufferUpdate,
    KeyCodes,
    Pixels,
    Rectangle,
    Resize,
    coded_key_event,
    handshake,
    key_event,
    pointer_event,
    set_encodings,
    set_pixel_format,
    update_request,
)
from vmforge.errors import MachineError
from vmforge.sdk import Cancellation, Duration, Secret

T = TypeVar("T")

_HANDSHAKE_SECONDS: Final = 30.0
_PICTURE_SECONDS: Final = 10.0
# Nobody has asked for changes for so long: what was drawn last may be old.
_STALE_SECONDS: Final = 0.4
# QEMU says at once that it takes the codes of keys; other servers never do.
_KEY_CODES_SECONDS: Final = 2.0
_RECONNECT_SECONDS: Final = 0.05
_PATIENCE: Final = Duration(30.0)
_LOCAL: Final = (Encoding.RAW, Encoding.COPY_RECT, Encoding.DESKTOP_SIZE)
_REMOTE: Final = (Encoding.COPY_RECT, Encoding.ZLIB, Encoding.RAW, Encoding.DESKTOP_SIZE)


class VncClient:
    """One connection to a VNC server. Safe to use from several threads.

    A thread reads what the server sends and draws it. The server sends pictures only when asked, so
    a client that only types costs nothing. Methods raise `ConnectionError` once the connection is
    gone, `MachineError` when the server breaks the protocol, and `Interrupted` when the build is told to
    stop while they wait.
    """

    def __init__(
        self,
        connection: socket.socket,
        cancellation: Cancellation,
        *,
        password: Secret | None = None,
        compressed: bool = False,
    ) -> None:
        """Take over a connected socket and shake hands. `compressed` trades the server's CPU time for
        bytes, for a server that is not on this machine."""
        self._socket = connection
        self._cancellation = cancellation
        self._sending = threading.Lock()
        self._news = threading.Condition()  # guards everything below
        self._failure: Exception | None = None
        self._changes = 0
        self._seen, self._looked = 0, 0.0  # up to which change `look` has shown, and when
        self._drawn = False  # whether the canvas shows the whole screen
        self._asked = False  # whether a request waits for its update
        self._takes_codes: bool | None = None  # None before it was asked
        self._encodings = _REMOTE if compressed else _LOCAL
        try:
            self.name, self._canvas = self._introduce(password)
        except BaseException:
            connection.close()
            raise
        self._reader = threading.Thread(target=self._read_messages, name="vnc-reader", daemon=True)
        self._reader.start()

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        """Press or release one key; `code` as in `Keyboard.key`, for servers that understand it."""
        if code and self._understands_codes():
            self._send(coded_key_event(keysym, down, xt_code(code)))
        else:
            self._send(key_event(keysym, down))

    def pointer(self, x: int, y: int, buttons: int = 0) -> None:
        """Move the pointer; `buttons` as in `rfb.pointer_event`."""
        self._send(pointer_event(x, y, buttons))

    @property
    def changes(self) -> int:
        """How many updates have changed the picture; says nothing new unless someone waits for one."""
        with self._news:
            return self._changes

    def wait_for_change(self, after: int, timeout: float) -> int:
        """Wait up to `timeout` seconds for `changes` to exceed `after`; returns what it is then."""
        self._wait_until(lambda: self._changes > after, timeout)
        return self.changes

    def framebuffer(self) -> Framebuffer:
        """The picture as last drawn; all black before the first `refresh` or `wait_for_change`."""
        with self._news:
            return self._canvas.snapshot()

    def look(self, seconds: float) -> Framebuffer:
        """The picture after the next change that nobody has looked at; as it is when there is none within
        so many seconds, or when the last look was a while ago. Raises TimeoutError when there is none."""
        if not self._drawn or time.monotonic() - self._looked > _STALE_SECONDS:
            self.refresh(_PICTURE_SECONDS)
            self._seen = self.changes
        else:
            self._seen = self.wait_for_change(self._seen, seconds)
        self._looked = time.monotonic()
        return self.framebuffer()

    def refresh(self, timeout: float) -> Framebuffer:
        """The whole screen as it is now. Raises TimeoutError."""
        with self._news:
            self._drawn = self._asked = False
        if not self._wait_until(lambda: self._drawn, timeout):
            raise TimeoutError(f"the VNC server sent no picture for {timeout:g} s")
        return self.framebuffer()

    def close(self) -> None:
        """End the connection and the reader; harmless when it is gone already."""
        self._hang_up()
        self._reader.join()
        self._socket.close()

    def _introduce(self, password: Secret | None) -> tuple[str, Canvas]:
        self._socket.settimeout(_HANDSHAKE_SECONDS)
        try:
            with self._cancellation.on_cancel(self._hang_up):
                server = handshake(self._read, self._socket.sendall, password)
                self._socket.sendall(set_pixel_format(BGRX) + set_encodings(self._encodings))
        except OSError:
            self._cancellation.check()
            raise
        self._socket.settimeout(None)
        return server.name, Canvas(server.width, server.height)

    def _understands_codes(self) -> bool:
        if self._takes_codes is None:
            self._takes_codes = False
            self._send(set_encodings((*self._encodings, Encoding.KEY_CODES)))
            with self._cancellation.on_cancel(self._wake), self._news:
                self._news.wait_for(
                    lambda: self._takes_codes or self._failure or self._cancellation.cancelled,
                    _KEY_CODES_SECONDS,
                )
        return self._takes_codes

    def _hang_up(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is not connected any more

    def _read(self, count: int) -> bytes:
        data = bytearray(count)
        rest = memoryview(data)
        while rest:
            received = self._socket.recv_into(rest)
            if not received:
                raise ConnectionResetError("the VNC server closed the connection")
            rest = rest[received:]
        return bytes(data)

    def _send(self, message: bytes) -> None:
        with self._news:
            self._check()
        try:
            with self._cancellation.on_cancel(self._hang_up), self._sending:
                self._socket.sendall(message)
        except OSError:
            self._cancellation.check()
            raise

    def _check(self) -> None:
        self._cancellation.check()
        if isinstance(self._failure, OSError):
            raise ConnectionResetError(str(self._failure)) from self._failure
        if self._failure is not None:
            raise self._failure

    def _wait_until(self, reached: Callable[[], bool], timeout: float) -> bool:
        """Keep asking for updates until `reached`; False when it is not within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._cancellation.on_cancel(self._wake):
            while True:
                with self._news:
                    self._check()
                    if reached():
                        return True
                    remaining = deadline - time.monotonic()
                    if remaining <= 0:
                        return False
                    if self._asked:
                        self._news.wait(remaining)
                        continue
                    request = self._next_request()
                self._send(request)

    def _next_request(self) -> bytes:
        self._asked = True
        return update_request(self._canvas.width, self._canvas.height, incremental=self._drawn)

    def _wake(self) -> None:
        with self._news:
            self._news.notify_all()

    def _read_messages(self) -> None:
        decoder = Decoder()
        try:
            while True:
                message = decoder.message(self._read)
                if isinstance(message, FramebufferUpdate):
                    self._draw(message)
        except Exception as error:  # whoever waits must learn of it, whatever it is
            with self._news:
                self._failure = error
                self._news.notify_all()

    def _draw(self, update: FramebufferUpdate) -> None:
        resized = any(isinstance(rectangle, Resize) for rectangle in update.rectangles)
        with self._news:
            if update.rectangles == (KeyCodes(),):
                self._takes_codes = True
                self._news.notify_all()
                return
            try:
                for rectangle in update.rectangles:
                    _apply(rectangle, self._canvas)
            except ValueError as error:
                raise MachineError(f"the VNC server sent {error}") from error
            if resized:
                self._drawn = False  # what was there is void, so all of it is asked for again
            elif update.rectangles:
                self._drawn = True
            self._asked = False
            self._changes += 1
            self._news.notify_all()


def _apply(rectangle: Rectangle, canvas: Canvas) -> None:
    match rectangle:
        case Pixels(x, y, width, height, data):
            canvas.paint(x, y, width, height, data)
        case Copy(x, y, width, height, from_x, from_y):
            canvas.copy(x, y, width, height, from_x, from_y)
        case Resize(width, height):
            canvas.resize(width, height)


class VncConsole:
    """A machine's screen and keyboard, across its restarts.

    `connect` gives a new connected socket, or raises `MachineError` when the machine will not come
    back. An `OSError` of it, or of the connection, means "not now": it is tried again for as long as
    `patience`, because a guest that reboots may end its QEMU and with it the server. No connection
    is made before it is needed.
    """

    def __init__(
        self,
        connect: Callable[[], socket.socket],
        cancellation: Cancellation,
        *,
        password: Secret | None = None,
        compressed: bool = False,
        patience: Duration = _PATIENCE,
    ) -> None:
        self._connect = connect
        self._cancellation = cancellation
        self._password = password
        self._compressed = compressed
        self._patience = patience
        self._client: VncClient | None = None
        self._connecting = threading.Lock()

    def __enter__(self) -> VncConsole:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        """See `Keyboard.key`."""
        self._persist(lambda client: client.key(keysym, down, code))

    def look(self, seconds: float) -> Framebuffer:
        """The screen after its next change, or as it still is after so many seconds. Raises `MachineError`
        when the machine is gone."""
        return self._persist(lambda client: client.look(seconds))

    def screenshot(self) -> Framebuffer:
        """The whole screen as it is now. Raises `MachineError` when the machine is gone."""
        return self._persist(lambda client: client.refresh(_PICTURE_SECONDS))

    def client(self) -> VncClient:
        """The connection that is open, or a new one. Raises OSError when there is none just now."""
        with self._connecting:
            if self._client is None:
                self._client = VncClient(
                    self._connect(), self._cancellation, password=self._password, compressed=self._compressed
                )
            return self._client

    def close(self) -> None:
        """End the connection, if there is one; a later use makes another."""
        with self._connecting:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _persist(self, work: Callable[[VncClient], T]) -> T:
        """Do something with the machine's console, on a new connection when the old one is gone."""
        deadline = time.monotonic() + self._patience.seconds
        while True:
            try:
                return work(self.client())
            except OSError as error:
                self.close()
                self._cancellation.check()
                if time.monotonic() >= deadline:
                    raise MachineError(
                        f"the machine's screen and keyboard cannot be reached: {error}",
                        hint="see the machine's own log for why it ended",
                    ) from error
            self._cancellation.wait(_RECONNECT_SECONDS)
