"""Waiting for the prompt and typing, on a machine that is simulated but for its picture."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import cast

import pytest

from vmforge.builders.qemu.booting import Booting
from vmforge.builders.qemu.config import QemuConfig
from vmforge.console.framebuffer import Framebuffer
from vmforge.console.rfb import update_request
from vmforge.console.screen import ScreenReader
from vmforge.console.vnc import VncConsole
from vmforge.errors import Interrupted, MachineError
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import BuildContext, Cancellation
from vmforge.sdk.testing import RecordingUi, fake_context

MakeConfig = Callable[..., QemuConfig]
BlackScreen = Callable[[Callable[[socket.socket], None]], socket.socket]
RFB = Path(__file__).parents[3] / "golden/rfb"
PICTURE = RFB / "seabios-raw.ppm.gz"
CONSOLE_OF = "vmforge.builders.qemu.booting.console_of"


@pytest.fixture
def picture() -> Framebuffer:
    """A screen whose last line is "No bootable device."."""
    head, rgb = gzip.decompress(PICTURE.read_bytes()).split(b"255\n", 1)
    width, height = map(int, head.split()[1:3])
    pixels = bytearray(width * height * 4)
    for channel in range(3):
        pixels[channel::4] = rgb[2 - channel :: 3]
    return Framebuffer(width, height, bytes(pixels))


@dataclass
class Machine:
    waited: list[float] = field(default_factory=list)
    chords: list[Sequence[int]] = field(default_factory=list)
    off: bool = False

    def wait_off(self, seconds: float, cancellation: Cancellation) -> bool:
        self.waited.append(seconds)
        return self.off

    def check(self) -> None:
        raise MachineError("the machine turned itself off")

    def send_keys(self, codes: Sequence[int], hold: float) -> None:
        self.chords.append(codes)


@dataclass
class Console:
    """A screen that shows one picture."""

    picture: Framebuffer
    pressed: list[int] = field(default_factory=list)

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def look(self, seconds: float) -> Framebuffer:
        return self.picture

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        if down:
            self.pressed.append(keysym)


@dataclass
class Stage:
    machine: Machine
    console: Console
    ui: RecordingUi
    context: BuildContext

    def booting(self, config: QemuConfig) -> Booting:
        return Booting(config, self.context, cast(VirtualMachine, self.machine), 1.0, ScreenReader())


@pytest.fixture
def stage(picture: Framebuffer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    console, ui = Console(picture), RecordingUi()
    monkeypatch.setattr(CONSOLE_OF, lambda machine, cancellation: console)
    return Stage(Machine(), console, ui, fake_context(tmp_path, ui=ui))


def test_an_exact_wait_lasts_as_long_as_the_template_says(qemu: MakeConfig, stage: Stage) -> None:
    stage.booting(qemu(boot_wait="7s")).wait()
    assert stage.machine.waited == [7.0]
    assert stage.ui.texts("message") == ["waiting 7 s for the boot prompt (`boot_wait`)"]


def test_a_negative_wait_is_none(qemu: MakeConfig, stage: Stage) -> None:
    stage.booting(qemu(boot_wait="-1s")).wait()
    assert (stage.machine.waited, stage.ui.events) == ([], [])


def test_a_machine_that_ends_while_one_waits(qemu: MakeConfig, stage: Stage) -> None:
    stage.machine.off = True
    with pytest.raises(MachineError, match="turned itself off"):
        stage.booting(qemu()).wait()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boot_wait": "auto"}, 'waiting for the boot prompt (`boot_wait = "auto"`)'),
        (
            {"boot_wait": "1h", "boot_mode": "adaptive"},
            "waiting for the boot prompt, at most 1h (`boot_wait`)",
        ),
    ],
)
def test_a_wait_for_the_prompt_ends_with_it(
    qemu: MakeConfig, stage: Stage, options: dict[str, object], message: str
) -> None:
    stage.booting(qemu(**options)).wait()
    assert stage.machine.waited == []
    assert stage.ui.texts("message") == [message]


def test_no_prompt(qemu: MakeConfig, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmforge.console.sight.Sight.wait_for_prompt", lambda *arguments: False)
    with pytest.raises(MachineError) as caught:
        stage.booting(qemu(boot_wait="auto")).wait()
    assert caught.value.message == "no boot prompt stood still within 5m"
    assert caught.value.hint.endswith("No bootable device.\nset `boot_wait` to a time")


def test_without_vnc_keys_go_through_libvirt(qemu: MakeConfig, stage: Stage) -> None:
    config = qemu(disable_vnc=True, boot_command=["aB"], boot_key_interval="0s", boot_mode="adaptive")
    stage.booting(config).type({})
    assert stage.machine.chords == [(30,), (42, 48)]
    assert stage.console.pressed == []


def test_a_boot_command_that_sees(qemu: MakeConfig, stage: Stage) -> None:
    config = qemu(boot_command=['<wait "No bootable">a<enter>'])
    stage.booting(config).type({})
    assert stage.console.pressed == [0x61, 0xFF0D]


BLACK = b"\0\0\0\1" + b"\0\0\0\0\x02\x80\x01\xe0\0\0\0\0" + bytes(640 * 480 * 4)


@pytest.fixture
def black_screen() -> Iterator[BlackScreen]:
    """Make a connection to a VNC server that shows a black screen; once somebody waits for it to change, it
    does something with its own end instead."""
    with ExitStack() as stack:

        def connect(instead: Callable[[socket.socket], None]) -> socket.socket:
            ours, theirs = socket.socketpair()
            stack.enter_context(theirs)
            thread = threading.Thread(target=_show_black, args=(theirs, instead))
            thread.start()
            stack.callback(thread.join)
            return ours

        yield connect


def _show_black(end: socket.socket, instead: Callable[[socket.socket], None]) -> None:
    end.sendall(gzip.decompress((RFB / "003.008-none.server.bin.gz").read_bytes()))
    said = len(gzip.decompress((RFB / "003.008-none.client.bin.gz").read_bytes()))
    request = len(update_request(640, 480, incremental=False))
    end.recv(said + request, socket.MSG_WAITALL)
    end.sendall(BLACK)
    end.recv(request, socket.MSG_WAITALL)
    instead(end)


WAITS: list[dict[str, object]] = [{"boot_wait": "auto"}, {"boot_wait": "1h", "boot_mode": "adaptive"}]


@pytest.mark.parametrize("options", WAITS)
def test_a_wait_for_the_prompt_ends_with_the_machine(
    qemu: MakeConfig,
    stage: Stage,
    options: dict[str, object],
    black_screen: BlackScreen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """QEMU hangs up; who asks the machine for another connection is told why."""
    screens = iter([black_screen(lambda end: end.shutdown(socket.SHUT_RDWR))])

    def connect() -> socket.socket:
        for screen in screens:
            return screen
        raise MachineError("the machine turned itself off")

    monkeypatch.setattr(CONSOLE_OF, lambda machine, cancellation: VncConsole(connect, cancellation))
    with pytest.raises(MachineError, match="turned itself off"):
        stage.booting(qemu(**options)).wait()


@pytest.mark.parametrize("options", WAITS)
def test_a_wait_for_the_prompt_ends_with_the_build(
    qemu: MakeConfig,
    stage: Stage,
    options: dict[str, object],
    black_screen: BlackScreen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = black_screen(lambda end: stage.context.cancellation.cancel())
    monkeypatch.setattr(CONSOLE_OF, lambda machine, cancellation: VncConsole(lambda: screen, cancellation))
    with pytest.raises(Interrupted):
        stage.booting(qemu(**options)).wait()
