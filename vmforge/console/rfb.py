"""The Remote Framebuffer protocol, which VNC speaks (RFC 6143): bytes to messages and back.

Nothing here owns a socket: reading is a function that returns exactly so many bytes or raises
`ConnectionError`, writing one that sends them all. Whatever a server sends against the protocol, or
refuses, is a `MachineError`. Section numbers are the RFC's.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from vmforge.console import des
from vmforge.console.framebuffer import BYTES_PER_PIXEL
from vmforge.errors import MachineError
from vmforge.sdk import Secret

Read: TypeAlias = Callable[[int], bytes]
Write: TypeAlias = Callable[[bytes], None]

_LONGEST_TEXT: Final = 1 << 20
_MOST_PIXELS: Final = 1 << 26


class Encoding(IntEnum):
    """How the pixels of a rectangle come (section 7.7); the order is what the client likes best."""

    RAW = 0
    COPY_RECT = 1
    ZLIB = 6  # registered with the protocol's community specification, not in the RFC
    DESKTOP_SIZE = -223
    KEY_CODES = -258  # QEMU's extended key events, in the community specification too


class _Security(IntEnum):
    NONE = 1
    VNC_AUTHENTICATION = 2


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How a pixel is made of bits (section 7.4)."""

    bits_per_pixel: int
    depth: int
    big_endian: bool
    true_colour: bool
    maxima: tuple[int, int, int]  # red, green, blue
    shifts: tuple[int, int, int]

    def encode(self) -> bytes:
        flags = (self.bits_per_pixel, self.depth, self.big_endian, self.true_colour)
        return struct.pack(">BBBBHHHBBB3x", *flags, *self.maxima, *self.shifts)

    @classmethod
    def decode(cls, data: bytes) -> PixelFormat:
        bits, depth, big_endian, true_colour, *colours = struct.unpack(">BBBBHHHBBB3x", data)
        red, green, blue, *shifts = colours
        return cls(
            bits,
            depth,
            bool(big_endian),
            bool(true_colour),
            (red, green, blue),
            (shifts[0], shifts[1], shifts[2]),
        )


# What a `Framebuffer` holds: blue, green, red, unused. QEMU keeps its screens like this, so that it
# need not convert anything.
BGRX: Final = PixelFormat(32, 24, False, True, (255, 255, 255), (16, 8, 0))


@dataclass(frozen=True, slots=True)
class ServerInit:
    """What the server says of its screen when the connection is made (section 7.3.2)."""

    width: int
    height: int
    pixel_format: PixelFormat
    name: str


@dataclass(frozen=True, slots=True)
class Pixels:
    """A rectangle of new pixels, in the client's format."""

    x: int
    y: int
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Copy:
    """A rectangle that is a copy of another place of the screen."""

    x: int
    y: int
    width: int
    height: int
    from_x: int
    from_y: int


@dataclass(frozen=True, slots=True)
class Resize:
    """The screen has another size; its old contents are void."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class KeyCodes:
    """The server says that it takes `coded_key_event`; no rectangle, though it comes as one."""


Rectangle: TypeAlias = Pixels | Copy | Resize | KeyCodes


@dataclass(frozen=True, slots=True)
class FramebufferUpdate:
    rectangles: tuple[Rectangle, ...]


@dataclass(frozen=True, slots=True)
class ColourMap:
    """Entries of a palette from `first` on; means nothing to a client that asked for true colour."""

    first: int
    colours: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Bell:
    pass


@dataclass(frozen=True, slots=True)
class CutText:
    """The server's clipboard."""

    text: str


ServerMessage: TypeAlias = FramebufferUpdate | ColourMap | Bell | CutText


def handshake(read: Read, write: Write, password: Secret | None = None) -> ServerInit:
    """Make a connection ready for messages: version, security, initialisation (section 7.1 to 7.3).

    Others may stay connected. Only the first 8 bytes of a password count, which is the protocol's.
    """
    version = _negotiate_version(read, write)
    security = _choose_security(read, write, version, password is not None)
    if security is _Security.VNC_AUTHENTICATION:
        write(_answer(read(16), password or Secret("")))
    if security is _Security.VNC_AUTHENTICATION or version >= 8:
        _check_security_result(read, version)
    write(b"\x01")  # a shared connection
    width, height, pixel_format, length = struct.unpack(">HH16sI", read(24))
    _check_size(width, height)
    return ServerInit(width, height, PixelFormat.decode(pixel_format), _text(read, length))


def set_pixel_format(pixel_format: PixelFormat) -> bytes:
    return b"\x00\x00\x00\x00" + pixel_format.encode()


def set_encodings(encodings: Iterable[Encoding]) -> bytes:
    """Tell the server what this client can read, best first (section 7.5.2)."""
    numbers = tuple(encodings)
    return struct.pack(f">BxH{len(numbers)}i", 2, len(numbers), *numbers)


def update_request(width: int, height: int, *, incremental: bool) -> bytes:
    """Ask for the screen from its corner on: what changed since the last update, or all of it."""
    return struct.pack(">BBHHHH", 3, incremental, 0, 0, width, height)


def key_event(keysym: int, down: bool) -> bytes:
    return struct.pack(">BBxxI", 4, down, keysym)


def coded_key_event(keysym: int, down: bool, code: int) -> bytes:
    """A key by its place on the keyboard too: PC/XT's code, bit 7 set for its prefix 0xE0."""
    return struct.pack(">BBHII", 255, 0, down, keysym, code)


def pointer_event(x: int, y: int, buttons: int) -> bytes:
    """`buttons` has a bit for each button that is down: 1 left, 2 middle, 4 right, 8 and 16 the wheel."""
    return struct.pack(">BBHH", 5, buttons, x, y)


class Decoder:
    """Reads a server's messages. One for each connection: compressed rectangles continue each other."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj()

    def message(self, read: Read) -> ServerMessage:
        """The next message, whole."""
        kind = read(1)[0]
        match kind:
            case 0:
                (count,) = struct.unpack(">xH", read(3))
                return FramebufferUpdate(tuple(self._rectangle(read) for _ in range(count)))
            case 1:
                return _colour_map(read)
            case 2:
                return Bell()
            case 3:
                (length,) = struct.unpack(">3xI", read(7))
                return CutText(_text(read, length))
            case _:
                raise _nonsense(f"message type {kind}")

    def _rectangle(self, read: Read) -> Rectangle:
        x, y, width, height, encoding = struct.unpack(">HHHHi", read(12))
        _check_size(width, height)
        match encoding:
            case Encoding.RAW:
                return Pixels(x, y, width, height, read(width * height * BYTES_PER_PIXEL))
            case Encoding.COPY_RECT:
                return Copy(x, y, width, height, *struct.unpack(">HH", read(4)))
            case Encoding.ZLIB:
                (length,) = struct.unpack(">I", read(4))
                return Pixels(x, y, width, height, self._inflated(read(length), width * height))
            case Encoding.DESKTOP_SIZE:
                return Resize(width, height)
            case Encoding.KEY_CODES:
                return KeyCodes()
            case _:
                raise _nonsense(f"a rectangle in encoding {encoding}, which was not asked for")

    def _inflated(self, data: bytes, pixels: int) -> bytes:
        size = pixels * BYTES_PER_PIXEL
        try:
            plain = self._inflate.decompress(data, size + 1)
        except zlib.error as error:
            raise _nonsense(f"pixels that cannot be decompressed ({error})") from error
        if len(plain) != size:
            raise _nonsense("a compressed rectangle of another size than it says")
        return plain


def _negotiate_version(read: Read, write: Write) -> int:
    """Agree on 3.3, 3.7 or 3.8 (section 7.1.1); returns the minor number."""
    greeting = read(12)
    offered = re.fullmatch(rb"RFB (\d{3})\.(\d{3})\n", greeting)
    if offered is None:
        raise _nonsense(f"the greeting `{greeting.decode('latin-1').strip()}`")
    number = int(offered[1]), int(offered[2])
    minor = 8 if number >= (3, 8) else 7 if number == (3, 7) else 3
    write(b"RFB 003.%03d\n" % minor)
    return minor


def _choose_security(read: Read, write: Write, version: int, has_password: bool) -> _Security:
    """Agree on who must prove what (section 7.1.2); before 3.7 the server just says so."""
    if version < 7:
        (decided,) = struct.unpack(">I", read(4))
        offered = bytes([decided]) if 0 < decided < 256 else b""
    else:
        offered = read(read(1)[0])
    if not offered:
        raise MachineError(f"the VNC server refused the connection: {_reason(read)}")
    if _Security.NONE in offered:
        chosen = _Security.NONE
    elif _Security.VNC_AUTHENTICATION in offered:
        chosen = _Security.VNC_AUTHENTICATION
        if not has_password:
            raise MachineError("the VNC server wants a password", hint="set `vnc_password`")
    else:
        kinds = ", ".join(map(str, offered))
        raise MachineError(
            f"the VNC server offers only security types that are not supported: {kinds}",
            hint="let it offer none, or a VNC password",
        )
    if version >= 7:
        write(bytes([chosen]))
    return chosen


def _answer(challenge: bytes, password: Secret) -> bytes:
    """The proof of a password (section 7.2.2): it is the key, each of its bytes read backwards."""
    key = password.value.encode()[: des.BLOCK_BYTES].ljust(des.BLOCK_BYTES, b"\0")
    return des.encrypt(bytes(int(f"{byte:08b}"[::-1], 2) for byte in key), challenge)


def _check_security_result(read: Read, version: int) -> None:
    (result,) = struct.unpack(">I", read(4))
    if result:
        reason = _reason(read) if version >= 8 else "no reason given"
        raise MachineError(f"the VNC server refused the password: {reason}", hint="check `vnc_password`")


def _colour_map(read: Read) -> ColourMap:
    first, count = struct.unpack(">xHH", read(5))
    return ColourMap(first, tuple(struct.iter_unpack(">HHH", read(6 * count))))


def _reason(read: Read) -> str:
    (length,) = struct.unpack(">I", read(4))
    return _text(read, length)


def _text(read: Read, length: int) -> str:
    if length > _LONGEST_TEXT:
        raise _nonsense(f"a text of {length} bytes")
    return read(length).decode("utf-8", errors="replace").rstrip("\0")  # QEMU counts C's final zero in


def _check_size(width: int, height: int) -> None:
    if width * height > _MOST_PIXELS:
        raise _nonsense(f"a screen of {width}x{height}")


def _nonsense(what: str) -> MachineError:
    return MachineError(f"the VNC server sent {what}", hint="is something else listening there?")
