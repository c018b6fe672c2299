"""Record what a real QEMU says over VNC, for test_rfb.py: `python tests/vmforge/console/record_rfb.py`.

Each recording is a pair of files below tests/golden/rfb/, `NAME.server.bin.gz` and `NAME.client.bin.gz`: all
bytes of one connection in each direction. `NAME.ppm.gz` is the screen at the end of a recording with
pictures, as QEMU itself dumps it: the truth that what the client draws is held against.
"""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from vmforge.console.vnc import VncClient  # noqa: E402
from vmforge.errors import VmforgeError  # noqa: E402
from vmforge.sdk import Cancellation, Secret  # noqa: E402

GOLDEN = ROOT / "tests/golden/rfb"
PASSWORD = "secret-and-longer"


class Qemu:
    """A machine with nothing to boot, stopped before its first instruction."""

    def __init__(self, folder: Path, vnc_options: str = "", extra: Sequence[str] = ()) -> None:
        self.vnc, self._qmp_path = folder / "vnc", folder / "qmp"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._qmp_path))
            listener.listen()
            command = ["qemu-system-x86_64", "-nodefaults", "-vga", "std", "-display", "none", "-S"]
            command += ["-accel", "tcg", "-m", "32", "-vnc", f"unix:{self.vnc}{vnc_options}", *extra]
            command += ["-qmp", f"unix:{self._qmp_path}"]
            self._process = subprocess.Popen(command)
            self._qmp = listener.accept()[0].makefile("rwb")
        self._qmp.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, command: str, **arguments: object) -> None:
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._qmp.flush()
        while True:
            answer = json.loads(self._qmp.readline())
            if "error" in answer:
                raise RuntimeError(str(answer))
            if "return" in answer:
                return

    def __enter__(self) -> Qemu:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


class Tap:
    """A connection to a VNC server that keeps what passes. `greeting` replaces the server's first 12
    bytes, which makes the client believe in an older server."""

    def __init__(self, path: Path, greeting: bytes = b"") -> None:
        self._outer = socket.socket(socket.AF_UNIX)
        self._outer.connect(str(path))
        self._inner, self.client = socket.socketpair()
        self.said: dict[str, bytearray] = {"server": bytearray(), "client": bytearray()}
        first = self._outer.recv(12, socket.MSG_WAITALL)
        self.said["server"] += greeting or first
        self._inner.sendall(greeting or first)
        pairs = (("server", self._outer, self._inner), ("client", self._inner, self._outer))
        self._threads = [threading.Thread(target=self._pass_on, args=pair) for pair in pairs]
        for thread in self._threads:
            thread.start()

    def _pass_on(self, side: str, source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(1 << 16):
            self.said[side] += data
            try:
                sink.sendall(data)
            except OSError:
                break
        sink.shutdown(socket.SHUT_WR)

    def save(self, name: str) -> None:
        for thread in self._threads:
            thread.join()
        for side, data in self.said.items():
            save(f"{name}.{side}.bin", bytes(data))


def save(name: str, data: bytes) -> None:
    (GOLDEN / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
    print(f"{name}: {len(data)} bytes")


def record_handshake(
    name: str, greeting: bytes, password: str | None, options: str = "", *extra: str
) -> None:
    with tempfile.TemporaryDirectory() as folder, Qemu(Path(folder), options, extra) as qemu:
        tap = Tap(qemu.vnc, greeting)
        try:
            secret = Secret(password) if password else None
            VncClient(tap.client, Cancellation(), password=secret).close()
        except VmforgeError as error:
            print(f"{name}: {error}")
        tap.save(name)


def record_screen(name: str, *, compressed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, Qemu(Path(folder)) as qemu:
        tap = Tap(qemu.vnc)
        client = VncClient(tap.client, Cancellation(), compressed=compressed)
        client.refresh(10)
        qemu.qmp("cont")
        for _ in range(25):  # the firmware gives up after a few seconds; then only the cursor blinks
            client.wait_for_change(client.changes, 0.3)
        dump = Path(folder) / "screen.ppm"
        while True:
            client.wait_for_change(client.changes, 1)
            qemu.qmp("screendump", filename=str(dump))
            picture = client.framebuffer()
            rgb = bytearray(picture.width * picture.height * 3)
            for channel, source in enumerate((2, 1, 0)):
                rgb[channel::3] = picture.pixels[source::4]
            ppm = b"P6\n%d %d\n255\n" % (picture.width, picture.height) + rgb
            if dump.read_bytes() == ppm:
                break
        client.close()
        tap.save(name)
        save(f"{name}.ppm", ppm)


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    secret = ("-object", f"secret,id=vnc,data={PASSWORD[:8]}")
    with_password = ",password-secret=vnc"
    for version in ("003.003", "003.007", "003.008"):
        greeting = f"RFB {version}\n".encode()
        record_handshake(f"{version}-none", greeting, None)
        record_handshake(f"{version}-password", greeting, PASSWORD, with_password, *secret)
        record_handshake(f"{version}-wrong-password", greeting, "guess", with_password, *secret)
    record_screen("seabios-raw", compressed=False)
    record_screen("seabios-zlib", compressed=True)
