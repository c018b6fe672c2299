"""The protocol, against bytes that QEMU 7.2 sent (record_rfb.py) and, where it sends no such thing, bytes
made after RFC 6143."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.console import rfb
from vmforge.console.framebuffer import Canvas
from vmforge.errors import MachineError
from vmforge.sdk import Secret


def reader(data: bytes) -> rfb.Read:
    stream = io.BytesIO(data)

    def read(count: int) -> bytes:
        got = stream.read(count)
        if len(got) < count:
            raise ConnectionResetError("the recording ends here")
        return got

    return read


def shake(server: bytes, password: str | None = None) -> tuple[rfb.ServerInit, bytes]:
    said = bytearray()
    started = rfb.handshake(reader(server), said.extend, Secret(password) if password else None)
    return started, bytes(said)


@pytest.mark.parametrize("version", ["003.003", "003.007", "003.008"])
@pytest.mark.parametrize(("security", "password"), [("none", None), ("password", "secret-and-longer")])
def test_handshake(
    recorded: Callable[[str], bytes], version: str, security: str, password: str | None
) -> None:
    name = f"{version}-{security}"
    started, said = shake(recorded(f"{name}.server.bin"), password)
    assert (started.width, started.height, started.name) == (640, 480, "QEMU")
    assert started.pixel_format == rfb.BGRX
    encodings = [rfb.Encoding.RAW, rfb.Encoding.COPY_RECT, rfb.Encoding.DESKTOP_SIZE]
    expected = said + rfb.set_pixel_format(rfb.BGRX) + rfb.set_encodings(encodings)
    assert expected == recorded(f"{name}.client.bin")


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("003.003", "no reason given"),
        ("003.007", "no reason given"),
        ("003.008", "Authentication failed"),
    ],
)
def test_wrong_password(recorded: Callable[[str], bytes], version: str, reason: str) -> None:
    with pytest.raises(MachineError) as caught:
        shake(recorded(f"{version}-wrong-password.server.bin"), "guess")
    assert caught.value.message == f"the VNC server refused the password: {reason}"
    assert "guess" not in repr(caught.value)


def test_password_wanted(recorded: Callable[[str], bytes]) -> None:
    with pytest.raises(MachineError) as caught:
        shake(recorded("003.008-password.server.bin"))
    assert (caught.value.message, caught.value.hint) == (
        "the VNC server wants a password",
        "set `vnc_password`",
    )


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (b"SSH-2.0-OpenS", "the VNC server sent the greeting `SSH-2.0-Open`"),
        (
            b"RFB 003.008\n\0\0\0\0\x04full",
            "the VNC server refused the connection: full",
        ),
        (
            b"RFB 003.003\n\0\0\0\0\0\0\0\x04full",
            "the VNC server refused the connection: full",
        ),
        (
            b"RFB 003.008\n\x02\x13\x12",
            "the VNC server offers only security types that are not supported: 19, 18",
        ),
        (
            b"RFB 003.008\n\x01\x01\0\0\0\0\x02\x80\x01\xe0" + bytes(16) + b"\xff\xff\xff\xff",
            "the VNC server sent a text of 4294967295 bytes",
        ),
        (
            b"RFB 003.008\n\x01\x01\0\0\0\0\xff\xff\xff\xff" + bytes(20),
            "the VNC server sent a screen of 65535x65535",
        ),
    ],
)
def test_refused_handshakes(server: bytes, message: str) -> None:
    with pytest.raises(MachineError) as caught:
        shake(server)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("offered", "answered"),
    [(b"003.005", b"003.003"), (b"003.889", b"003.008"), (b"004.001", b"003.008"), (b"003.007", b"003.007")],
)
def test_odd_versions(offered: bytes, answered: bytes) -> None:
    said = bytearray()
    with pytest.raises(ConnectionError):
        rfb.handshake(reader(b"RFB " + offered + b"\n"), said.extend)
    assert bytes(said) == b"RFB " + answered + b"\n"


@pytest.mark.parametrize("name", ["seabios-raw", "seabios-zlib"])
def test_pictures(recorded: Callable[[str], bytes], name: str) -> None:
    read = reader(recorded(f"{name}.server.bin"))
    started = rfb.handshake(read, lambda data: None)
    canvas, decoder, sizes = Canvas(started.width, started.height), rfb.Decoder(), []
    with pytest.raises(ConnectionResetError, match="ends here"):
        while True:
            update = decoder.message(read)
            assert isinstance(update, rfb.FramebufferUpdate)
            for rectangle in update.rectangles:
                if isinstance(rectangle, rfb.Resize):
                    canvas.resize(rectangle.width, rectangle.height)
                    sizes.append((rectangle.width, rectangle.height))
                else:
                    assert isinstance(rectangle, rfb.Pixels)
                    canvas.paint(rectangle.x, rectangle.y, rectangle.width, rectangle.height, rectangle.data)
    assert sizes[-1] == (720, 400)
    screen = canvas.snapshot()
    rgb = bytearray(720 * 400 * 3)
    rgb[0::3], rgb[1::3], rgb[2::3] = screen.pixels[2::4], screen.pixels[1::4], screen.pixels[0::4]
    assert b"P6\n720 400\n255\n" + rgb == recorded(f"{name}.ppm")


def update(encoding: int, body: bytes, place: tuple[int, int, int, int] = (1, 2, 3, 4)) -> bytes:
    return b"\0\0\0\1" + struct.pack(">HHHHi", *place, encoding) + body


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x02", rfb.Bell()),
        (b"\x03\0\0\0\0\0\0\x05hello", rfb.CutText("hello")),
        (
            b"\x01\0\0\x07\0\x02" + struct.pack(">6H", 1, 2, 3, 65535, 5, 6),
            rfb.ColourMap(7, ((1, 2, 3), (65535, 5, 6))),
        ),
        (b"\0\0\0\0", rfb.FramebufferUpdate(())),
        (update(1, struct.pack(">HH", 5, 6)), rfb.FramebufferUpdate((rfb.Copy(1, 2, 3, 4, 5, 6),))),
        (update(-223, b"", (0, 0, 720, 400)), rfb.FramebufferUpdate((rfb.Resize(720, 400),))),
        (update(0, bytes(48)), rfb.FramebufferUpdate((rfb.Pixels(1, 2, 3, 4, bytes(48)),))),
    ],
)
def test_server_messages(data: bytes, message: rfb.ServerMessage) -> None:
    assert rfb.Decoder().message(reader(data)) == message


def squeezed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x63", "the VNC server sent message type 99"),
        (update(16, b""), "the VNC server sent a rectangle in encoding 16, which was not asked for"),
        (
            update(6, squeezed(b"rubbish!")),
            "the VNC server sent pixels that cannot be decompressed"
            " (Error -3 while decompressing data: incorrect header check)",
        ),
        (
            update(6, squeezed(zlib.compress(bytes(49)))),
            "the VNC server sent a compressed rectangle of another size than it says",
        ),
        (
            update(6, squeezed(zlib.compress(bytes(47)))),
            "the VNC server sent a compressed rectangle of another size than it says",
        ),
        (update(0, b"", (0, 0, 65535, 65535)), "the VNC server sent a screen of 65535x65535"),
        (b"\x03\0\0\0\x7f\xff\xff\xff", "the VNC server sent a text of 2147483647 bytes"),
    ],
)
def test_broken_server_messages(data: bytes, message: str) -> None:
    with pytest.raises(MachineError) as caught:
        rfb.Decoder().message(reader(data))
    assert caught.value.message == message


@given(st.binary(max_size=64))
def test_no_bytes_are_worse_than_an_error(data: bytes) -> None:
    for read_something in (rfb.Decoder().message, lambda read: rfb.handshake(read, lambda data: None)):
        try:
            read_something(reader(data))
        except (MachineError, ConnectionError):
            pass


def test_client_messages() -> None:
    assert rfb.key_event(0xFFE1, True).hex() == "040100000000ffe1"
    assert rfb.key_event(0x0100_20AC, False).hex() == "04000000010020ac"
    assert rfb.pointer_event(258, 3, 5).hex() == "050501020003"
    assert rfb.update_request(720, 400, incremental=True).hex() == "03010000000002d00190"
    assert rfb.update_request(720, 400, incremental=False).hex() == "03000000000002d00190"
    assert rfb.PixelFormat.decode(rfb.BGRX.encode()) == rfb.BGRX
