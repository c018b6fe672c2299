"""What the guest sees on a disk, read from real images through the real qemu-nbd."""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmforge.errors import CommandFailed, HostError, Interrupted, VmforgeError
from vmforge.hypervisor import contents as module
from vmforge.hypervisor.contents import BLOCK_SIZE, ZERO_BLOCK, open_contents
from vmforge.hypervisor.nbd import Extent, NbdClient, NbdError
from vmforge.sdk import Cancellation

FOREVER = Cancellation()
NOISE = random.Random(4).randbytes(3 * BLOCK_SIZE)


def qemu_img(*arguments: object) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


def sparse_raw(path: Path, size: int) -> Path:
    """Data in the first and the fifth block (and beyond its border), holes between, data at the end."""
    with path.open("wb") as file:
        file.write(NOISE[: BLOCK_SIZE // 2])
        file.seek(4 * BLOCK_SIZE + 12345)
        file.write(NOISE[BLOCK_SIZE : 2 * BLOCK_SIZE + 70_000])
        file.seek(size - 700)
        file.write(NOISE[:700])
    return path


def servers() -> set[int]:
    """The ids of the running qemu-nbd's that this process started."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1 :].rsplit(")", 1)
        state, parent = rest.split()[:2]
        if name == "qemu-nbd" and state != "Z" and int(parent) == os.getpid():
            found.add(int(stat.parent.name))
    return found


@pytest.fixture(autouse=True)
def no_server_is_left() -> Iterator[None]:
    yield
    assert servers() == set()


def read(image: Path, format: str = "") -> bytes:
    with open_contents(image, FOREVER, format=format) as contents:
        data = b"".join(contents.blocks())
        assert len(data) == contents.size
    return data


@pytest.mark.parametrize("size", [8 << 20, (8 << 20) + 65536, (8 << 20) + 4096, (8 << 20) + 512])
@pytest.mark.parametrize(
    ("format", "arguments"),
    [
        ("raw", []),
        ("qcow2", []),
        ("qcow2", ["-c"]),
        ("qcow2", ["-c", "-o", "compression_type=zstd,cluster_size=2M"]),
        ("qcow2", ["-o", "cluster_size=512"]),
        ("vmdk", ["-o", "subformat=streamOptimized"]),
        ("vdi", []),
        ("vhdx", []),
        ("vpc", ["-o", "force_size=on"]),
    ],
)
def test_any_format_reads_as_the_raw_disk(
    tmp_path: Path, size: int, format: str, arguments: list[str]
) -> None:
    raw = sparse_raw(tmp_path / "disk.raw", size)
    image = tmp_path / "image"
    qemu_img("convert", "-f", "raw", "-O", format, *arguments, raw, image)
    assert read(image) == raw.read_bytes()


def test_layers_over_a_compressed_base(tmp_path: Path) -> None:
    raw = sparse_raw(tmp_path / "disk.raw", 8 << 20)
    base, layer = tmp_path / "base.qcow2", tmp_path / "layer.qcow2"
    qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", raw, base)
    qemu_img("create", "-f", "qcow2", "-b", base, "-F", "qcow2", layer, 12 << 20)
    subprocess.run(
        ["qemu-io", "-c", "write -P 7 1M 100k", "-c", "write -z 4M 1M", "-c", "write -P 9 9M 64k", layer],
        check=True,
        capture_output=True,
    )
    expected = bytearray(raw.read_bytes().ljust(12 << 20, b"\0"))
    expected[1 << 20 : (1 << 20) + 100 * 1024] = b"\7" * 100 * 1024
    expected[4 << 20 : 5 << 20] = bytes(1 << 20)
    expected[9 << 20 : (9 << 20) + 65536] = b"\11" * 65536
    assert read(layer) == expected


def test_a_raw_disk_ends_with_a_whole_sector(tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(NOISE[:1000])
    assert read(image) == NOISE[:1000] + bytes(24)
    assert read(image, "raw") == NOISE[:1000] + bytes(24)


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_an_empty_disk(tmp_path: Path, format: str) -> None:
    qemu_img("create", "-f", format, tmp_path / "image", 0)
    assert read(tmp_path / "image") == b""


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_holes_are_one_object_and_cost_nothing(tmp_path: Path, format: str) -> None:
    raw = image = tmp_path / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(6 << 30)  # more than one question about holes reaches
        file.seek((3 << 30) + 5)
        file.write(b"here")
    if format != "raw":
        image = tmp_path / "image"
        qemu_img("convert", "-f", "raw", "-O", format, raw, image)
    with open_contents(image, FOREVER) as contents:
        data = [(number, block) for number, block in enumerate(contents.blocks()) if block is not ZERO_BLOCK]
        assert contents.size == 6 << 30
    assert [number for number, _ in data] == [3 << 10]
    assert data[0][1] == b"\0\0\0\0\0here".ljust(BLOCK_SIZE, b"\0")


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_progress_and_reading_again(tmp_path: Path, format: str) -> None:
    raw, image = sparse_raw(tmp_path / "disk.raw", (6 << 20) + 512), tmp_path / "image"
    qemu_img("convert", "-f", "raw", "-O", format, raw, image)
    seen: list[int] = []
    with open_contents(image, FOREVER) as contents:
        started = contents.blocks()
        assert next(started) == raw.read_bytes()[:BLOCK_SIZE]
        assert b"".join(contents.blocks(seen.append)) == raw.read_bytes()
    assert seen == [BLOCK_SIZE] * 6 + [512]


def test_an_image_that_is_none(tmp_path: Path) -> None:
    image = tmp_path / "x: y,z.qcow2"
    image.write_bytes(b"no image")
    with pytest.raises(CommandFailed, match=r"cannot read `.*x: y,z.qcow2`: .*not in qcow2 format"):
        open_contents(image, FOREVER, format="qcow2").__enter__()
    with pytest.raises(CommandFailed, match="No such file"):
        open_contents(tmp_path / "missing", FOREVER)
    with pytest.raises(VmforgeError, match="missing` cannot be read: No such file"):
        open_contents(tmp_path / "missing", FOREVER, format="raw").__enter__()


def test_names_that_qemu_would_take_apart(tmp_path: Path) -> None:
    image = tmp_path / "nbd:-x,y.qcow2"
    qemu_img("convert", "-O", "qcow2", sparse_raw(tmp_path / "disk.raw", 6 << 20), image)
    assert read(image) == (tmp_path / "disk.raw").read_bytes()


def test_a_broken_image_says_where(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    qemu_img("convert", "-c", "-O", "qcow2", sparse_raw(tmp_path / "disk.raw", 6 << 20), image)
    os.truncate(image, image.stat().st_size // 2)
    with open_contents(image, FOREVER) as contents, pytest.raises(CommandFailed, match=r"image\.qcow2"):
        list(contents.blocks())


def test_an_image_in_use_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    qemu_img("create", "-f", "qcow2", image, "64M")
    with subprocess.Popen(
        ["qemu-io", "-f", "qcow2", image], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as user:
        assert user.stdin is not None and user.stdout is not None
        user.stdin.write(b"length\n")
        user.stdin.flush()
        user.stdout.readline()  # it has the image open now
        with pytest.raises(CommandFailed, match="lock") as caught:
            open_contents(image, FOREVER, format="qcow2").__enter__()
        user.stdin.close()
    assert "end it first" in caught.value.hint


def test_without_qemu_nbd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRAM", "no-such-program")
    with pytest.raises(HostError, match="`no-such-program` is not installed") as caught:
        open_contents(tmp_path / "image", FOREVER, format="qcow2").__enter__()
    assert "qemu-utils" in caught.value.hint


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_cancelled_while_reading(tmp_path: Path, format: str) -> None:
    image, cancellation = tmp_path / "image", Cancellation()
    qemu_img("convert", "-O", format, sparse_raw(tmp_path / "disk.raw", 40 << 20), image)
    with pytest.raises(Interrupted), open_contents(image, cancellation) as contents:
        for _ in contents.blocks(lambda size: cancellation.cancel()):
            pass


def test_cancelled_while_waiting_for_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never says anything."""
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 1000\n")
    silent.chmod(0o755)
    monkeypatch.setattr(module, "PROGRAM", str(silent))
    cancellation = Cancellation()
    timer = threading.Timer(0.1, cancellation.cancel)
    timer.start()
    with pytest.raises(Interrupted):
        open_contents(tmp_path / "image", cancellation, format="qcow2").__enter__()
    timer.join()


def test_a_server_that_dies(tmp_path: Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", image, "40G")
    with open_contents(image, FOREVER) as contents:
        blocks = contents.blocks()
        next(blocks)
        (server,) = servers()
        os.kill(server, 9)
        with pytest.raises(CommandFailed, match="cannot read"):
            list(blocks)


def reply(kind: int, cookie: int, content: bytes, flags: int = 1) -> bytes:
    return struct.pack(">IHHQI", 0x668E33EF, flags, kind, cookie, len(content)) + content


def option_reply(option: int, kind: int, content: bytes = b"") -> bytes:
    return struct.pack(">QIII", 0x3E889045565A9, option, kind, len(content)) + content


GREETING = b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3)
HANDSHAKE = (
    GREETING
    + option_reply(8, 1)
    + option_reply(10, 4, struct.pack(">I", 1) + b"base:allocation")
    + option_reply(10, 1)
    + option_reply(7, 3, struct.pack(">HI", 3, 0))  # information that nobody asked for
    + option_reply(7, 3, struct.pack(">HQH", 0, 4 << 20, 0x80 | 1))
    + option_reply(7, 1)
)


@pytest.fixture
def recorded() -> Iterator[Callable[[bytes], socket.socket]]:
    """A connection on whose other side these bytes wait."""
    pairs = []

    def connect(data: bytes) -> socket.socket:
        pair = socket.socketpair()
        pairs.append(pair)
        pair[1].sendall(data)
        pair[1].shutdown(socket.SHUT_WR)
        return pair[0]

    yield connect
    for ends in pairs:
        for end in ends:
            end.close()


def test_answers_out_of_order_and_in_pieces(recorded: Callable[[bytes], socket.socket]) -> None:
    client = NbdClient(
        recorded(
            HANDSHAKE
            + reply(1, 2, struct.pack(">Q", 512) + b"second")
            + reply(1, 1, struct.pack(">Q", 0) + b"first", flags=0)
            + reply(0, 1, b"")
            + reply(2, 3, struct.pack(">QI", 1024, 5))
        )
    )
    assert client.size == 4 << 20
    cookies = [client.request_read(0, 5), client.request_read(512, 6), client.request_read(1024, 5)]
    assert [client.answer(cookie) for cookie in cookies] == [b"first", b"second", bytes(5)]


def test_extents_end_with_the_disk(recorded: Callable[[bytes], socket.socket]) -> None:
    """A server may tell of less than it was asked for, and of more."""
    client = NbdClient(
        recorded(
            HANDSHAKE
            + reply(5, 1, struct.pack(">III", 1, 1 << 20, 3))
            + reply(5, 2, struct.pack(">IIIII", 1, 1 << 20, 0, 1 << 30, 3))
        )
    )
    assert list(client.extents()) == [Extent(1 << 20, True), Extent(1 << 20, False), Extent(2 << 20, True)]


def test_what_the_server_objects_to(recorded: Callable[[bytes], socket.socket]) -> None:
    error = struct.pack(">IH", 5, 9) + b"no medium"
    client = NbdClient(recorded(HANDSHAKE + reply(0x8001, 1, error)))
    with pytest.raises(NbdError, match="no medium"):
        client.answer(client.request_read(0, 5))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", EOFError, "closed"),
        (b"HTTP/1.1 400 Bad Request\r\n", NbdError, "fixed newstyle"),
        (GREETING + option_reply(8, 2**31 + 1, b"not today"), NbdError, "not today"),
        (GREETING + option_reply(8, 1) + option_reply(10, 1), NbdError, "where zeros are"),
        (GREETING + b"\0" * 20, NbdError, "option 8"),
        (HANDSHAKE.replace(struct.pack(">HQH", 0, 4 << 20, 0x81), bytes(12)), NbdError, "one piece"),
    ],
)
def test_servers_of_another_kind(
    recorded: Callable[[bytes], socket.socket], data: bytes, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        NbdClient(recorded(data))


def test_a_reply_that_is_none(recorded: Callable[[bytes], socket.socket]) -> None:
    client = NbdClient(recorded(HANDSHAKE + bytes(20)))
    with pytest.raises(NbdError, match="begins with"):
        client.answer(client.request_read(0, 5))
