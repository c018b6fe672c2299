"""A VNC server (RFC 6143) with a black screen, which writes down the keys pressed; takes any password."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

ROOM = Path(os.environ["MACHINE_ROOM"])
WIDTH, HEIGHT = 64, 48
# The length of each message of a client after its kind's byte, but for those that say it themselves.
FIXED = {0: 19, 3: 9, 4: 7, 5: 5}


def serve(connection: socket.socket, password: bool) -> None:
    stream = connection.makefile("rb")
    connection.sendall(b"RFB 003.008\n")
    stream.read(12)
    connection.sendall(bytes((1, 2 if password else 1)))
    stream.read(1)
    if password:
        connection.sendall(bytes(16))
        stream.read(16)
    connection.sendall(bytes(4))
    stream.read(1)
    pixels = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    connection.sendall(struct.pack(">HH", WIDTH, HEIGHT) + pixels + struct.pack(">I", 4) + b"fake")
    while kind := stream.read(1):
        message(connection, stream, kind[0])


def message(connection: socket.socket, stream, kind: int) -> None:
    if kind == 2:
        _, count = struct.unpack(">BH", stream.read(3))
        stream.read(4 * count)
        return
    body = stream.read(FIXED[kind])
    if kind == 3 and not body[0]:
        header = struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0)
        connection.sendall(header + bytes(4 * WIDTH * HEIGHT))
    elif kind == 4:
        down, keysym = struct.unpack(">B2xI", body)
        with (ROOM / "keys").open("a") as keys:
            keys.write(f"{'+' if down else '-'}{keysym:#x}\n")


with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    print("ready", flush=True)
    while True:
        with listener.accept()[0] as client:
            try:
                serve(client, sys.argv[2] == "password")
            except OSError:
                continue
