"""The client over real sockets: the other end replays what QEMU said (record_rfb.py)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from vmforge.console import rfb
from vmforge.console.framebuffer import Framebuffer
from vmforge.console.vnc import VncClient, VncConsole
from vmforge.errors import Interrupted, MachineError
from vmforge.sdk import Cancellation, Duration, Secret

Connect = Callable[[bytes], tuple[socket.socket, socket.socket]]
RED = b"\0\0\xff\0"
FULL_REQUEST = rfb.update_request(640, 480, incremental=False)
CHANGES_REQUEST = rfb.update_request(640, 480, incremental=True)
FULL_PICTURE = b"\0\0\0\1" + b"\0\0\0\0\x02\x80\x01\xe0\0\0\0\0" + RED * (640 * 480)
ONE_BLACK_PIXEL = b"\0\0\0\1" + b"\0\0\0\0\0\1\0\1\0\0\0\0" + bytes(4)


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make a pair of connected sockets, the client's end and the server's, which says something."""
    with ExitStack() as stack:

        def pair(said: bytes) -> tuple[socket.socket, socket.socket]:
            ours, theirs = socket.socketpair()
            theirs.settimeout(30)
            stack.callback(theirs.close)
            theirs.sendall(said)
            stack.callback(ours.close)
            return ours, theirs

        yield pair


def say(end: socket.socket, data: bytes, *, then_end: bool = False) -> threading.Thread:
    """Send from another thread, because it may be more than a socket holds."""

    def send() -> None:
        end.sendall(data)
        if then_end:
            end.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def answer(end: socket.socket, count: int, data: bytes) -> threading.Thread:
    """Say something once the client has said so many bytes."""

    def wait_and_send() -> None:
        receive(end, count)
        end.sendall(data)

    thread = threading.Thread(target=wait_and_send)
    thread.start()
    return thread


def receive(end: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += end.recv(count - len(data))
    return data


@pytest.fixture
def greeting(recorded: Callable[[str], bytes]) -> bytes:
    return recorded("003.008-none.server.bin")


@pytest.fixture
def introduction(recorded: Callable[[str], bytes]) -> int:
    """How many bytes the client says until the connection is ready."""
    return len(recorded("003.008-none.client.bin"))


@pytest.mark.parametrize("name", ["seabios-raw", "seabios-zlib"])
def test_draws_what_the_server_sends(recorded: Callable[[str], bytes], connect: Connect, name: str) -> None:
    ours, theirs = connect(b"")
    talk = say(theirs, recorded(f"{name}.server.bin"), then_end=True)
    client = VncClient(ours, Cancellation(), compressed=name == "seabios-zlib")
    seen = 0
    with pytest.raises(ConnectionError):
        while True:
            seen = client.wait_for_change(seen, 30)
    assert ppm(client.framebuffer()) == recorded(f"{name}.ppm")
    client.close()
    talk.join()


def ppm(screen: Framebuffer) -> bytes:
    rgb = bytearray(screen.width * screen.height * 3)
    for channel, source in enumerate((2, 1, 0)):
        rgb[channel::3] = screen.pixels[source::4]
    return b"P6\n%d %d\n255\n" % (screen.width, screen.height) + rgb


def test_who_only_types_asks_for_no_pictures(connect: Connect, greeting: bytes, introduction: int) -> None:
    ours, theirs = connect(greeting)
    client = VncClient(ours, Cancellation())
    client.key(0x61, True)
    client.pointer(1, 2)
    client.close()
    receive(theirs, introduction)
    assert theirs.makefile("rb").read() == rfb.key_event(0x61, True) + rfb.pointer_event(1, 2, 0)


@pytest.mark.parametrize("understood", [True, False])
def test_keys_by_their_place(
    connect: Connect, greeting: bytes, introduction: int, understood: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmforge.console.vnc._KEY_CODES_SECONDS", 30.0 if understood else 0.01)
    ours, theirs = connect(greeting)
    asked = rfb.set_encodings(
        (rfb.Encoding.RAW, rfb.Encoding.COPY_RECT, rfb.Encoding.DESKTOP_SIZE, rfb.Encoding.KEY_CODES)
    )
    client = VncClient(ours, Cancellation())
    agreed = b"\0\0\0\1" + bytes(8) + b"\xff\xff\xfe\xfe"
    talk = answer(theirs, introduction + len(asked), agreed if understood else b"")
    client.key(0x7A, True, 44)
    talk.join()
    client.key(0xFFEA, False, 100)
    client.key(0x61, True)
    client.close()
    expected = rfb.key_event(0x7A, True) + rfb.key_event(0xFFEA, False)
    if understood:
        expected = rfb.coded_key_event(0x7A, True, 44) + rfb.coded_key_event(0xFFEA, False, 0xB8)
    assert theirs.makefile("rb").read() == expected + rfb.key_event(0x61, True)


def test_all_is_asked_for_first_and_changes_later(
    connect: Connect, greeting: bytes, introduction: int
) -> None:
    ours, theirs = connect(greeting)
    client = VncClient(ours, Cancellation())
    receive(theirs, introduction)
    assert client.wait_for_change(0, 0.01) == 0
    assert receive(theirs, 10) == FULL_REQUEST
    say(theirs, FULL_PICTURE).join()
    assert client.wait_for_change(0, 30) == 1
    assert client.framebuffer().pixel(0, 0) == (255, 0, 0)
    assert client.wait_for_change(1, 0.01) == 1
    assert receive(theirs, 10) == CHANGES_REQUEST
    theirs.sendall(ONE_BLACK_PIXEL)
    assert client.wait_for_change(1, 30) == 2
    assert client.framebuffer().pixel(0, 0) == (0, 0, 0)
    assert client.framebuffer().pixel(1, 0) == (255, 0, 0)
    client.close()


@pytest.mark.parametrize("stale", [False, True])
def test_a_look_asks_for_all_when_the_last_one_is_old(
    connect: Connect, greeting: bytes, introduction: int, stale: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmforge.console.vnc._STALE_SECONDS", -1.0 if stale else 60.0)
    ours, theirs = connect(greeting)
    client = VncClient(ours, Cancellation())
    talk = answer(theirs, introduction + len(FULL_REQUEST), FULL_PICTURE)
    assert client.look(30).pixel(0, 0) == (255, 0, 0)
    talk.join()
    if stale:
        talk = answer(theirs, len(FULL_REQUEST), FULL_PICTURE)
        assert client.look(0).pixel(0, 0) == (255, 0, 0)
    else:
        talk = answer(theirs, len(CHANGES_REQUEST), ONE_BLACK_PIXEL)
        assert client.look(30).pixel(0, 0) == (0, 0, 0)
        assert client.look(0.01).pixel(0, 0) == (0, 0, 0)
    talk.join()
    client.close()


def test_after_a_resize_all_is_asked_for_again(connect: Connect, greeting: bytes, introduction: int) -> None:
    ours, theirs = connect(greeting)
    client = VncClient(ours, Cancellation())
    client.wait_for_change(0, 0.01)
    assert receive(theirs, introduction + 10).endswith(FULL_REQUEST)
    theirs.sendall(b"\0\0\0\1" + b"\0\0\0\0\0\2\0\1\xff\xff\xff\x21")
    assert client.wait_for_change(0, 30) == 1
    assert client.framebuffer() == Framebuffer(2, 1, bytes(8))
    client.wait_for_change(1, 0.01)
    assert receive(theirs, 10) == rfb.update_request(2, 1, incremental=False)
    theirs.sendall(b"\0\0\0\1" + b"\0\0\0\0\0\2\0\1\0\0\0\0" + RED * 2)
    assert client.wait_for_change(1, 30) == 2
    assert client.framebuffer().pixels == RED * 2
    client.close()


def test_refresh_gives_up(connect: Connect, greeting: bytes) -> None:
    client = VncClient(connect(greeting)[0], Cancellation())
    with pytest.raises(TimeoutError, match="sent no picture for"):
        client.refresh(0.01)
    client.close()


def test_waiting_ends_at_once_when_the_build_does(connect: Connect, greeting: bytes) -> None:
    cancellation = Cancellation()
    client = VncClient(connect(greeting)[0], cancellation)
    threading.Timer(0.05, cancellation.cancel).start()
    with pytest.raises(Interrupted):
        client.wait_for_change(0, 3600)
    with pytest.raises(Interrupted):
        client.key(0x61, True)
    client.close()


def test_a_silent_server_does_not_hold_up_the_end_of_the_build(connect: Connect) -> None:
    cancellation = Cancellation()
    threading.Timer(0.05, cancellation.cancel).start()
    with pytest.raises(Interrupted):
        VncClient(connect(b"RFB 003.008\n")[0], cancellation)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"\x63", "the VNC server sent message type 99"),
        (
            b"\0\0\0\1" + b"\x02\x7f\0\0\0\2\0\1\0\0\0\0" + bytes(8),
            "the VNC server sent a rectangle of 2x1 at 639,0 leaving the screen of 640x480",
        ),
    ],
)
def test_a_broken_server_is_an_error_for_whoever_waits(
    connect: Connect, greeting: bytes, said: bytes, message: str
) -> None:
    client = VncClient(connect(greeting + said)[0], Cancellation())
    with pytest.raises(MachineError) as caught:
        client.wait_for_change(0, 30)
    assert caught.value.message == message
    client.close()


def test_the_console_follows_a_machine_that_restarts(
    connect: Connect, greeting: bytes, introduction: int
) -> None:
    machines = [connect(greeting), connect(greeting)]
    left = iter(machines)
    with VncConsole(lambda: next(left)[0], Cancellation()) as console:
        console.key(0x61, True)
        first, second = (theirs for _, theirs in machines)
        assert receive(first, introduction + 8).endswith(rfb.key_event(0x61, True))
        first.close()
        with pytest.raises(ConnectionError):  # the end of the machine has been noticed
            console.client().wait_for_change(0, 30)
        console.key(0x62, True)
        console.key(0x62, False)
        typed = receive(second, introduction + 16)[introduction:]
    assert typed == rfb.key_event(0x62, True) + rfb.key_event(0x62, False)


def test_the_console_takes_screenshots(connect: Connect, greeting: bytes, introduction: int) -> None:
    ours, theirs = connect(greeting)
    talk = answer(theirs, introduction + len(FULL_REQUEST), FULL_PICTURE)
    with VncConsole(lambda: ours, Cancellation()) as console:
        assert console.screenshot() == Framebuffer(640, 480, RED * (640 * 480))
    talk.join()


def test_a_server_that_comes_up_late_is_waited_for(connect: Connect, greeting: bytes) -> None:
    tries = iter([ConnectionRefusedError(), FileNotFoundError(), None])

    def connect_late() -> socket.socket:
        if failure := next(tries):
            raise failure
        return connect(greeting)[0]

    with VncConsole(connect_late, Cancellation()) as console:
        console.key(0x61, True)
    assert next(tries, "tried three times") == "tried three times"


def refuse() -> socket.socket:
    raise ConnectionRefusedError("connection refused")


def test_patience_ends() -> None:
    console = VncConsole(refuse, Cancellation(), patience=Duration(0))
    with pytest.raises(MachineError) as caught:
        console.key(0x61, True)
    assert caught.value.message == "the machine's screen and keyboard cannot be reached: connection refused"


def test_patience_ends_at_once_when_the_build_does() -> None:
    cancellation = Cancellation()
    threading.Timer(0.05, cancellation.cancel).start()
    with pytest.raises(Interrupted):
        VncConsole(refuse, cancellation, patience=Duration(3600)).key(0x61, True)


def test_a_dead_machine_is_reported_as_such() -> None:
    def dead() -> socket.socket:
        raise MachineError("the machine ended: out of memory")

    with pytest.raises(MachineError, match="out of memory"):
        VncConsole(dead, Cancellation(), patience=Duration(3600)).key(0x61, True)


def test_a_wrong_password_is_not_tried_again(recorded: Callable[[str], bytes], connect: Connect) -> None:
    machine = connect(recorded("003.008-wrong-password.server.bin"))
    left = iter([machine[0]])
    console = VncConsole(lambda: next(left), Cancellation(), password=Secret("guess"))
    with pytest.raises(MachineError, match="refused the password"):
        console.key(0x61, True)
    assert machine[0].fileno() == -1, "the socket was not closed"
