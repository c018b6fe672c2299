"""Reads a disk over the Network Block Device protocol, many requests at a time.

The protocol is that of https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md: the fixed newstyle
handshake, structured replies, and the metadata context `base:allocation`, which says where zeros are.
All numbers on the wire are big-endian.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_NBDMAGIC, _IHAVEOPT = 0x4E42444D41474943, 0x49484156454F5054
_OPTION_REPLY_MAGIC = 0x3E889045565A9
_REQUEST_MAGIC, _STRUCTURED_REPLY_MAGIC = 0x25609513, 0x668E33EF
_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_OPT_GO, _OPT_STRUCTURED_REPLY, _OPT_SET_META_CONTEXT = 7, 8, 10
_REP_ACK, _REP_INFO, _REP_META_CONTEXT, _REP_FLAG_ERROR = 1, 3, 4, 1 << 31
_INFO_EXPORT = 0
_CMD_READ, _CMD_BLOCK_STATUS = 0, 7
# one piece of data per request: without it qemu-nbd answers, and decompresses, cluster by cluster
_CMD_FLAG_DF = 1 << 2
_FLAG_SEND_DF = 1 << 7
_REPLY_FLAG_DONE = 1
_CHUNK_OFFSET_DATA, _CHUNK_OFFSET_HOLE, _CHUNK_BLOCK_STATUS = 1, 2, 5
_CHUNK_ERROR_BIT = 1 << 15
_STATE_ZERO = 1 << 1
_ALLOCATION = b"base:allocation"

_REQUEST = struct.Struct(">IHHQQI")
_CHUNK = struct.Struct(">IHHQI")
_STATUS_STEP = 1 << 30


class NbdError(Exception):
    """The server refused something, or what it sends is not the protocol."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of the disk, in bytes; `zero` when it is known to hold nothing but zeros."""

    length: int
    zero: bool


class NbdClient:
    """One connection to a server's default export, ready to read.

    Not safe for use by several threads. Raises `NbdError`, and OSError or EOFError when the connection
    breaks; closing the socket from elsewhere wakes whoever waits.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._cookie = 0
        self._awaited: set[int] = set()
        self._answers: dict[int, bytes] = {}
        self.size = self._shake_hands()

    def request_read(self, offset: int, length: int) -> int:
        """Ask for bytes; the result is what `answer` takes."""
        return self._request(_CMD_READ, offset, length, flags=_CMD_FLAG_DF)

    def extents(self) -> Iterator[Extent]:
        """The whole disk in order, asked for piece by piece, also while reads are under way."""
        position = 0
        while position < self.size:
            wanted = min(_STATUS_STEP, self.size - position)
            answer = self.answer(self._request(_CMD_BLOCK_STATUS, position, wanted))
            for told, flags in struct.iter_unpack(">II", answer[4:]):
                length = min(told, self.size - position)
                position += length
                yield Extent(length, bool(flags & _STATE_ZERO))

    def answer(self, cookie: int) -> bytes:
        """Wait for the answer to a request."""
        while cookie in self._awaited:
            self._receive_reply()
        return self._answers.pop(cookie)

    def forget(self) -> None:
        """Drop the answers to all requests that were not waited for."""
        self._awaited.clear()
        self._answers.clear()

    def _request(self, command: int, offset: int, length: int, *, flags: int = 0) -> int:
        self._cookie += 1
        self._connection.sendall(_REQUEST.pack(_REQUEST_MAGIC, flags, command, self._cookie, offset, length))
        self._awaited.add(self._cookie)
        return self._cookie

    def _receive_reply(self) -> None:
        """Take the next chunk of the next structured reply, whichever request it belongs to."""
        magic, flags, kind, cookie, length = _CHUNK.unpack(self._receive(_CHUNK.size))
        if magic != _STRUCTURED_REPLY_MAGIC:
            raise NbdError(f"a reply begins with {magic:#x}")
        if kind & _CHUNK_ERROR_BIT:
            raise NbdError(_error_text(self._receive(length)))
        content: bytes | None = None
        if kind == _CHUNK_OFFSET_DATA:
            self._receive(8)
            content = self._receive(length - 8)
        elif kind == _CHUNK_OFFSET_HOLE:
            content = bytes(struct.unpack(">QI", self._receive(length))[1])
        elif length:
            content = self._receive(length)
        if cookie in self._awaited:
            if content is not None:
                self._answers[cookie] = content
            if flags & _REPLY_FLAG_DONE:
                self._awaited.discard(cookie)

    def _shake_hands(self) -> int:
        """The handshake; returns the export's size."""
        magic, version, flags = struct.unpack(">QQH", self._receive(18))
        if (magic, version) != (_NBDMAGIC, _IHAVEOPT) or not flags & _FIXED_NEWSTYLE:
            raise NbdError("the server does not speak the fixed newstyle protocol")
        self._connection.sendall(struct.pack(">I", _FIXED_NEWSTYLE | flags & _NO_ZEROES))
        self._negotiate(_OPT_STRUCTURED_REPLY, b"")
        export = struct.pack(">I", 0)  # the length of its name
        query = struct.pack(">II", 1, len(_ALLOCATION)) + _ALLOCATION
        if not self._negotiate(_OPT_SET_META_CONTEXT, export + query).get(_REP_META_CONTEXT):
            raise NbdError("the server does not tell where zeros are")
        for information in self._negotiate(_OPT_GO, export + struct.pack(">H", 0))[_REP_INFO]:
            if struct.unpack_from(">H", information)[0] == _INFO_EXPORT:
                _, size, features = struct.unpack(">HQH", information)
                if not features & _FLAG_SEND_DF:
                    raise NbdError("the server cannot answer in one piece")
                return int(size)
        raise NbdError("the server does not tell the disk's size")

    def _negotiate(self, option: int, data: bytes) -> dict[int, list[bytes]]:
        """Send an option; returns the server's replies by type."""
        self._connection.sendall(struct.pack(">QII", _IHAVEOPT, option, len(data)) + data)
        replies: dict[int, list[bytes]] = {}
        while _REP_ACK not in replies:
            magic, echoed, kind, length = struct.unpack(">QIII", self._receive(20))
            content = self._receive(length)
            if (magic, echoed) != (_OPTION_REPLY_MAGIC, option):
                raise NbdError(f"the server's answer to option {option} is not one")
            if kind & _REP_FLAG_ERROR:
                raise NbdError(content.decode(errors="replace") or f"option {option} was refused")
            replies.setdefault(kind, []).append(content)
        return replies

    def _receive(self, count: int) -> bytes:
        pieces, missing = [], count
        while missing:
            piece = self._connection.recv(missing, socket.MSG_WAITALL)
            if not piece:
                raise EOFError("the server closed the connection")
            pieces.append(piece)
            missing -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _error_text(content: bytes) -> str:
    number, length = struct.unpack_from(">IH", content)
    words = content[6 : 6 + length].decode(errors="replace")
    return words or f"error {number}"
