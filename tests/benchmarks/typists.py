"""Types lines of 150 characters into real machines under emulation, on a host whose every core is busy.

    python tests/benchmarks/typists.py --tries 50             all consoles, adaptive
    python tests/benchmarks/typists.py --tries 3 --fixed      with Packer's fixed pace
    python tests/benchmarks/typists.py --tries 2 --console isolinux

The consoles are isolinux's prompt, GRUB's editor and a shell on Linux's console. What has arrived is told
by the guest's own memory (the text screen), for Linux by a file on its serial port: not by what the typist
sees. Exit status 1 if a line was wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import socket
import statistics
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/guest")]

from vmforge.console.adaptive import AdaptiveTypist  # noqa: E402
from vmforge.console.boot_command import parse_boot_command  # noqa: E402
from vmforge.console.sight import Sight  # noqa: E402
from vmforge.console.typist import Typist  # noqa: E402
from vmforge.console.vnc import VncConsole  # noqa: E402
from vmforge.sdk import Cancellation  # noqa: E402

LENGTH, SHIFTED = 150, 19
TEXT_SCREEN, COLUMNS = 0xB8000, 80
PLAIN = string.ascii_lowercase + string.digits + "-=/.,;  "
SHIFTS = string.ascii_uppercase + "_:+?"
GRUB_MODULES = "biosdisk iso9660 normal linux test part_msdos"
GRUB_MENU = "set timeout=-1\nmenuentry 'installer' {\n\tlinux /none\n}\n"


class Machine:
    """QEMU with a VNC server and QMP on unix sockets, and its first serial port in a file."""

    def __init__(self, folder: Path, iso: Path) -> None:
        self.serial, self._folder = folder / "serial", folder
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "qmp"))
            listener.listen()
            command = ["qemu-system-x86_64", "-nodefaults", "-vga", "std", "-display", "none", "-m", "512"]
            command += ["-accel", "tcg", "-cpu", "max", "-cdrom", str(iso), "-vnc", f"unix:{folder / 'vnc'}"]
            command += ["-serial", f"file:{self.serial}", "-qmp", f"unix:{folder / 'qmp'}"]
            self._process = subprocess.Popen(command)
            self._qmp = listener.accept()[0].makefile("rwb")
        self._qmp.readline()
        self._ask("qmp_capabilities")

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._folder / "vnc"))
        return connection

    def text(self) -> list[str]:
        """The rows of the text screen, out of the guest's memory."""
        dump = self._folder / "text"
        self._ask("pmemsave", val=TEXT_SCREEN, size=COLUMNS * 25 * 2, filename=str(dump))
        cells = dump.read_bytes()[::2].decode("cp437").replace("\0", " ")
        return [cells[start : start + COLUMNS] for start in range(0, COLUMNS * 25, COLUMNS)]

    def _ask(self, command: str, **arguments: object) -> None:
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._qmp.flush()
        while "return" not in (answer := json.loads(self._qmp.readline())):
            if "error" in answer:
                raise RuntimeError(str(answer))


@dataclass
class Desk:
    """A machine, and who types there. `type` is what is measured, `command` what is typed around it."""

    machine: Machine
    type: Callable[[str], None]
    command: Callable[[str], None]


@contextmanager
def desk(iso: Path, *, fixed: bool) -> Iterator[Desk]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        machine = stack.enter_context(Machine(folder, iso))
        console = stack.enter_context(VncConsole(machine.connect, Cancellation()))
        sight = Sight(console, time_scale=10)
        typist = Typist(console, Cancellation(), sight=sight)
        adaptive = AdaptiveTypist(typist, sight)
        yield Desk(
            machine,
            lambda line: (typist if fixed else adaptive).type(parse_boot_command(line)),
            lambda text: adaptive.type(parse_boot_command(text)),
        )


# -- the consoles: each types lines and yields how long one took and what arrived -------------------


def isolinux(desk: Desk, lines: Sequence[str]) -> Iterator[tuple[float, str]]:
    desk.command('<wait "boot: *$">')
    for line in lines:
        seconds = timed(desk, line)
        rows = [row.rstrip() for row in desk.machine.text()]
        first = max(number for number, row in enumerate(rows) if row.startswith("boot:"))
        # the second row ends when 80 characters were typed, as if there was no prompt before them
        shown = rows[first].ljust(COLUMNS)[len("boot: ") :] + rows[first + 1].ljust(len("boot: "))
        yield seconds, shown + rows[first + 2]
        desk.command("<enter><waitStill 400ms>")


def grub(desk: Desk, lines: Sequence[str]) -> Iterator[tuple[float, str]]:
    desk.command('<wait "installer">e<wait "linux /none"><waitStill 400ms>')
    desk.command("<down><waitStill 400ms><down><end> <waitStill 400ms>")
    for line in lines:
        seconds = timed(desk, line)
        rows = [row[2:-2].rstrip() for row in desk.machine.text()]
        first = next(number for number, row in enumerate(rows) if "linux /none" in row)
        shown = rows[first].partition("/none ")[2]
        while shown.endswith("\\"):
            first += 1
            shown = shown[:-1] + rows[first]
        yield seconds, shown
        desk.command("<leftCtrlOn>a<leftCtrlOff><waitStill 400ms>" + "<right>" * 13)
        desk.command("<leftCtrlOn>k<leftCtrlOff><waitStill 400ms>")


def linux(desk: Desk, lines: Sequence[str]) -> Iterator[tuple[float, str]]:
    desk.command('<wait "boot: *$">install shell<enter><wait "# *$"><waitStill 2s>cat >/dev/ttyS0<enter>')
    desk.command("<waitStill 400ms>")
    for line in lines:
        before = desk.machine.serial.stat().st_size
        seconds = timed(desk, line)
        desk.command("<enter><waitStill 400ms>")
        arrived = desk.machine.serial.read_bytes()[before:].decode("latin-1").splitlines()
        yield seconds, arrived[-1] if arrived else ""


CONSOLES = {"isolinux": isolinux, "grub": grub, "linux": linux}


def timed(desk: Desk, line: str) -> float:
    started = time.monotonic()
    desk.type(line)
    return time.monotonic() - started


# -- what is typed, and where ------------------------------------------------------------------------


def random_line(seed: int) -> str:
    """150 characters, 19 of them with Shift, blanks neither at the ends nor next to each other."""
    choose = random.Random(seed)
    characters = [choose.choice(SHIFTS) for _ in range(SHIFTED)]
    characters += [choose.choice(PLAIN) for _ in range(LENGTH - SHIFTED)]
    choose.shuffle(characters)
    return re.sub(r"(?<= ) |^ | $", "x", "".join(characters))


def grub_iso(output: Path, work: Path) -> None:
    """A CD with GRUB's menu."""
    from packages import Packages

    (package,) = Packages(work / "packages").fetch(["grub-pc-bin"])
    menu = output.parent / "grub/boot/grub/grub.cfg"
    menu.parent.mkdir(parents=True)
    menu.write_text(GRUB_MENU)
    command = ["grub-mkrescue", "-d", package.files / "usr/lib/grub/i386-pc", "-o", output]
    command += [
        f"--install-modules={GRUB_MODULES}",
        "--fonts=",
        "--locales=",
        "--themes=",
        output.parent / "grub",
    ]
    subprocess.run(command, check=True, capture_output=True)


def burn() -> None:
    while True:
        pass


@contextmanager
def busy_cores() -> Iterator[None]:
    """Another process burns each core meanwhile."""
    burners = [multiprocessing.Process(target=burn, daemon=True) for _ in range(multiprocessing.cpu_count())]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.join()


def main() -> int:
    parser = argparse.ArgumentParser(description="Type lines into real machines on a busy host.")
    parser.add_argument("--tries", type=int, default=3, help="lines for each console (default: 3)")
    parser.add_argument("--console", choices=CONSOLES, action="append", help="only this one; may be repeated")
    parser.add_argument("--fixed", action="store_true", help="type at Packer's pace, 100 ms after each event")
    parser.add_argument("--iso", type=Path, default=ROOT / "build/tiny.iso", help="the test guest's CD")
    parser.add_argument("--work", type=Path, default=ROOT / "build", help="where GRUB's packages are kept")
    arguments = parser.parse_args()
    wrong = 0
    print("| console | lines | wrong | best | median | worst |\n|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, busy_cores():
        for name in arguments.console or CONSOLES:
            iso = arguments.iso
            if name == "grub":
                iso = Path(folder) / "grub.iso"
                grub_iso(iso, arguments.work)
            wrong += measure(name, iso, arguments.tries, fixed=arguments.fixed)
    return 1 if wrong else 0


def measure(name: str, iso: Path, tries: int, *, fixed: bool) -> int:
    """Type the lines and print a row of the table; how many were wrong."""
    lines = [random_line(seed) for seed in range(tries)]
    times, wrong = [], 0
    with desk(iso, fixed=fixed) as place:
        for line, (seconds, arrived) in zip(lines, CONSOLES[name](place, lines), strict=True):
            times.append(seconds)
            if arrived != line:
                wrong += 1
                print(f"typed:   {line}\narrived: {arrived}", file=sys.stderr)
    best, median, worst = min(times), statistics.median(times), max(times)
    print(f"| {name} | {tries} | {wrong} | {best:.1f} | {median:.1f} | {worst:.1f} |", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
