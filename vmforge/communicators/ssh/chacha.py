"""The cipher `chacha20-poly1305@openssh.com`, which paramiko lacks: it costs an emulated processor, or a real
one without instructions for AES, half of what AES does.

Its definition: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.chacha20poly1305
"""

from __future__ import annotations

import os
import struct
import threading
from typing import Any

import paramiko
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.poly1305 import Poly1305
from paramiko.packet import Packetizer

NAME = "chacha20-poly1305@openssh.com"

_BLOCK = 64  # of the key stream: the first one makes the key for the tag
_TAG = 16
_PADDED_TO = 8
_SMALLEST_PADDING = 4
_LARGEST_PACKET = 256 * 1024  # what OpenSSH takes
_REKEY_BYTES = 2**30  # https://datatracker.ietf.org/doc/html/rfc4253#section-9
_SEQUENCE = 2**32


class ChaChaPoly:
    """Seals and opens packets with one direction's key of 64 bytes."""

    def __init__(self, key: bytes) -> None:
        self._payload_key, self._length_key = key[:32], key[32:]

    def seal(self, number: int, length: bytes, body: bytes) -> bytes:
        """The packet with the sequence number `number`: its length and body encrypted, and the tag."""
        stream, tag_key = self._start(number)
        sealed: bytes = self.length(number, length) + stream.update(body)
        return sealed + Poly1305.generate_tag(tag_key, sealed)

    def length(self, number: int, length: bytes) -> bytes:
        """The four bytes of the length, encrypted or decrypted."""
        return bytes(self._stream(self._length_key, number).update(length))

    def open(self, number: int, sealed: bytes) -> bytes:
        """The body of a packet that came as encrypted length, body and tag. Raises `SSHException` for one
        that was tampered with."""
        stream, tag_key = self._start(number)
        view = memoryview(sealed)
        try:
            Poly1305.verify_tag(tag_key, view[:-_TAG], sealed[-_TAG:])
        except InvalidSignature:
            raise paramiko.SSHException("Mismatched MAC") from None
        return bytes(stream.update(view[4:-_TAG]))

    def _start(self, number: int) -> tuple[Any, bytes]:
        """The key stream for a body, and the key for the tag, which stands before it."""
        stream = self._stream(self._payload_key, number)
        return stream, stream.update(bytes(_BLOCK))[:32]

    @staticmethod
    def _stream(key: bytes, number: int) -> Any:
        # the first half counts blocks, the second is the nonce
        return Cipher(ChaCha20(key, struct.pack(">QQ", 0, number)), mode=None).encryptor()


class ChaChaPacketizer(Packetizer):
    """paramiko's packets, with this cipher when it was agreed on."""

    # For AES: a fourth of what https://datatracker.ietf.org/doc/html/rfc4344#section-3.2 allows. paramiko's
    # 512 MiB would hold up every large upload.
    REKEY_BYTES = 2**34

    def __init__(self, socket: Any) -> None:
        super().__init__(socket)
        self._sending = threading.RLock()
        self._sealer: ChaChaPoly | None = None
        self._opener: ChaChaPoly | None = None
        self._sent = self._received = 0  # sequence numbers
        self._moved = 0  # bytes since the keys were agreed on

    def set_outbound_cipher(self, block_engine: Any, *args: Any, **kwargs: Any) -> None:
        self._sealer, self._moved = _ours(block_engine), 0
        super().set_outbound_cipher(block_engine, *args, **kwargs)

    def set_inbound_cipher(self, block_engine: Any, *args: Any, **kwargs: Any) -> None:
        self._opener, self._moved = _ours(block_engine), 0
        super().set_inbound_cipher(block_engine, *args, **kwargs)

    def reset_seqno_out(self) -> None:
        super().reset_seqno_out()
        self._sent = 0

    def reset_seqno_in(self) -> None:
        super().reset_seqno_in()
        self._received = 0

    def send_message(self, data: Any) -> None:
        with self._sending:
            if self._sealer is None:
                super().send_message(data)
            else:
                payload = data.asbytes()
                padding = _SMALLEST_PADDING + -(1 + len(payload) + _SMALLEST_PADDING) % _PADDED_TO
                body = b"".join((bytes((padding,)), payload, os.urandom(padding)))
                sealed = self._sealer.seal(self._sent, struct.pack(">I", len(body)), body)
                self.write_all(memoryview(sealed))
                self._count(len(sealed))
            self._sent = (self._sent + 1) % _SEQUENCE

    def read_message(self) -> tuple[int, paramiko.Message]:
        if self._opener is None:
            kind, message = super().read_message()
        else:
            kind, message = self._open_message(self._opener)
        self._received = (self._received + 1) % _SEQUENCE
        return kind, message

    def _open_message(self, opener: ChaChaPoly) -> tuple[int, paramiko.Message]:
        length = self.read_all(4, check_rekey=True)
        size = int.from_bytes(opener.length(self._received, length), "big")
        if not _PADDED_TO <= size <= _LARGEST_PACKET:
            raise paramiko.SSHException("Invalid packet length")
        body = opener.open(self._received, length + self.read_all(size + _TAG))
        if body[0] + 2 > size:
            raise paramiko.SSHException("Invalid padding")
        self._count(size)
        message = paramiko.Message(body[2 : size - body[0]])
        message.seqno = self._received
        return body[1], message

    def _count(self, amount: int) -> None:
        self._moved += amount
        if self._moved > _REKEY_BYTES and not self.need_rekey():
            self._trigger_rekey()  # type: ignore[attr-defined]  # the stubs leave out what is internal


class ChaChaTransport(paramiko.Transport):
    """paramiko's transport, which can agree on this cipher too, and whose reader never waits for new keys."""

    _cipher_info = paramiko.Transport._cipher_info | {  # type: ignore[attr-defined]
        NAME: {"class": ChaChaPoly, "block-size": _PADDED_TO, "key-size": 64, "iv-size": 0, "is_aead": True}
    }
    _preferred_ciphers = (NAME, *paramiko.Transport._preferred_ciphers)  # type: ignore[attr-defined]

    def __init__(self, sock: Any) -> None:
        super().__init__(sock, packetizer_class=ChaChaPacketizer)
        self._held: list[paramiko.Message] = []

    def _send_user_message(self, data: paramiko.Message) -> None:
        # the reader answers the close of a channel: waiting for new keys would keep it from agreeing on them
        if threading.current_thread() is self and not self.clear_to_send.is_set():
            self._held.append(data)
            return
        super()._send_user_message(data)  # type: ignore[misc]

    def _parse_newkeys(self, m: paramiko.Message) -> None:
        super()._parse_newkeys(m)  # type: ignore[misc]
        held, self._held = self._held, []
        for message in held:
            super()._send_user_message(message)  # type: ignore[misc]


def _ours(engine: Any) -> ChaChaPoly | None:
    return engine if isinstance(engine, ChaChaPoly) else None
