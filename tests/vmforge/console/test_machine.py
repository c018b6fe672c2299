"""The console on a real machine: QEMU under software emulation at isolinux's `boot:` prompt."""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmforge.console.adaptive import AdaptiveTypist
from vmforge.console.boot_command import parse_boot_command
from vmforge.console.framebuffer import Framebuffer
from vmforge.console.layouts import load
from vmforge.console.sight import Sight
from vmforge.console.typist import Typist
from vmforge.console.vnc import VncConsole
from vmforge.sdk import Cancellation, Duration

ISOLINUX = Path("/usr/lib/ISOLINUX/isolinux.bin")
LDLINUX = Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")
TEXT_SCREEN, COLUMNS, ROWS = 0xB8000, 80, 25

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
    pytest.mark.skipif(not ISOLINUX.exists() or not LDLINUX.exists(), reason="isolinux is not installed"),
]


@pytest.fixture(scope="module")
def prompt_iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ISO that boots to a prompt and stays there."""
    pycdlib = pytest.importorskip("pycdlib")
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3)
    files = {
        "/ISOLINUX.BIN;1": ISOLINUX.read_bytes(),
        "/LDLINUX.C32;1": LDLINUX.read_bytes(),
        "/ISOLINUX.CFG;1": b"DEFAULT none\nPROMPT 1\nTIMEOUT 0\n",
    }
    for name, data in files.items():
        iso.add_fp(io.BytesIO(data), len(data), name)
    iso.add_eltorito("/ISOLINUX.BIN;1", bootcatfile="/BOOT.CAT;1", boot_load_size=4, boot_info_table=True)
    path = tmp_path_factory.mktemp("iso") / "prompt.iso"
    iso.write(str(path))
    iso.close()
    return path


class Machine:
    """A running QEMU with a VNC server on a unix socket, and QMP to see what the guest sees."""

    def __init__(self, folder: Path, iso: Path) -> None:
        self._folder = folder
        qmp = folder / "qmp"
        qmp.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(qmp))
            listener.listen()
            listener.settimeout(60)
            command = ["qemu-system-x86_64", "-nodefaults", "-vga", "std", "-display", "none", "-m", "64"]
            command += ["-accel", "tcg", "-cdrom", str(iso), "-qmp", f"unix:{qmp}"]
            self._process = subprocess.Popen([*command, "-vnc", f"unix:{folder / 'vnc'}"])
            self._qmp = listener.accept()[0].makefile("rwb")
        self._qmp.readline()
        self.qmp("qmp_capabilities")

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._folder / "vnc"))
        return connection

    def qmp(self, command: str, **arguments: object) -> None:
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._qmp.flush()
        answer: dict[str, object] = {}
        while "return" not in answer:
            answer = json.loads(self._qmp.readline())
            assert "error" not in answer

    def text(self) -> str:
        """The text screen, out of the guest's memory."""
        dump = self._folder / "text"
        self.qmp("pmemsave", val=TEXT_SCREEN, size=COLUMNS * ROWS * 2, filename=str(dump))
        cells = dump.read_bytes()[::2].decode("cp437")
        rows = (cells[start : start + COLUMNS] for start in range(0, COLUMNS * ROWS, COLUMNS))
        return "\n".join(row.rstrip("\0 ") for row in rows).rstrip()

    def dump(self) -> bytes:
        path = self._folder / "screen.ppm"
        self.qmp("screendump", filename=str(path))
        return path.read_bytes()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def start(tmp_path: Path, prompt_iso: Path) -> Iterator[Callable[[], Machine]]:
    started: list[Machine] = []

    def start() -> Machine:
        started.append(Machine(tmp_path, prompt_iso))
        return started[-1]

    yield start
    for machine in started:
        machine.end()


def wait_for(seen: Callable[[], bool], console: VncConsole, seconds: float = 120) -> None:
    """Look again whenever the screen changes."""
    client, changes, deadline = console.client(), 0, time.monotonic() + seconds
    while not seen() and time.monotonic() < deadline:
        changes = client.wait_for_change(changes, 1)
    assert seen()


def last_line(machine: Machine) -> str:
    return machine.text().rpartition("\n")[2]


def ppm(screen: Framebuffer) -> bytes:
    rgb = bytearray(screen.width * screen.height * 3)
    for channel, source in enumerate((2, 1, 0)):
        rgb[channel::3] = screen.pixels[source::4]
    return b"P6\n%d %d\n255\n" % (screen.width, screen.height) + rgb


def type_adaptively(text: str, console: VncConsole) -> None:
    sight = Sight(console, time_scale=10)
    AdaptiveTypist(Typist(console, Cancellation(), sight=sight), sight).type(parse_boot_command(text))


def test_types_long_lines_as_fast_as_they_are_shown(start: Callable[[], Machine]) -> None:
    machine = start()
    line = "".join(chr(0x21 + number % 0x5E) for number in range(140)).replace("<", "x")
    with VncConsole(machine.connect, Cancellation()) as console:
        type_adaptively('<wait "boot: *$">' + line + '<waitStill 500ms><wait "~" 9s>', console)
        shown = machine.text().rpartition("boot: ")[2]
        assert shown.replace("\n", "") == line


def test_keys_of_a_layout_are_pressed_at_their_place(start: Callable[[], Machine]) -> None:
    machine = start()
    with VncConsole(machine.connect, Cancellation()) as console:
        sight = Sight(console, time_scale=10)
        typist = Typist(console, Cancellation(), layout=load("de"), sight=sight)
        typist.type(parse_boot_command('<wait "boot: *$">zY-ß?<'))
        wait_for(lambda: last_line(machine) == "boot: yZ/-_\\", console)


def test_types_what_the_boot_command_says_and_sees_it(start: Callable[[], Machine]) -> None:
    machine = start()
    with VncConsole(machine.connect, Cancellation()) as console:
        wait_for(lambda: last_line(machine).startswith("boot:"), console)
        line = r"""aZ0\;' ~!@#$%^&*()_+{}|:"<>?"""
        typed = "x<bs>" + line.replace(" ", "<spacebar>") + "<leftShiftOn>1<leftShiftOff>y"
        type_adaptively(typed, console)
        wait_for(lambda: last_line(machine).endswith("y"), console)
        assert last_line(machine) == f"boot: {line}!y"
        wait_for(lambda: ppm(console.screenshot()) == machine.dump(), console)


def test_types_into_the_machine_that_took_the_place_of_the_first(start: Callable[[], Machine]) -> None:
    machine = start()

    def connect() -> socket.socket:
        return machine.connect()

    with VncConsole(connect, Cancellation()) as console:
        wait_for(lambda: last_line(machine) == "boot:", console)
        console.key(ord("1"), True)
        wait_for(lambda: last_line(machine) == "boot: 1", console)
        machine.end()
        machine = start()
        assert console.screenshot().width > 0
        wait_for(lambda: last_line(machine) == "boot:", console)
        Typist(console, Cancellation(), Duration(0)).type(parse_boot_command("2"))
        wait_for(lambda: last_line(machine) == "boot: 2", console)
