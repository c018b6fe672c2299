"""What is typed, with which pauses, and what the user is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from vmforge.builders.boot import BootWait, check_boot, type_boot_steps
from vmforge.builders.qemu.config import QemuConfig
from vmforge.console.framebuffer import Framebuffer, png
from vmforge.console.sight import Display, Sight
from vmforge.errors import MachineError
from vmforge.sdk import BuildContext, Cancellation, Duration
from vmforge.sdk.testing import RecordingUi, fake_context

MakeConfig = Callable[..., QemuConfig]

_SHIFT = 0xFFE1


@dataclass
class Keyboard:
    pressed: list[str] = field(default_factory=list)

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        if down and keysym != _SHIFT:
            self.pressed.append(chr(keysym) if keysym < 0x80 else f"<{keysym:x}>")

    @property
    def text(self) -> str:
        return "".join(self.pressed)


class Patience(Cancellation):
    """Waits for nothing, and remembers how long it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(round(seconds, 3))


@dataclass
class Desk:
    """Where a boot command is typed."""

    ui: RecordingUi
    patience: Patience
    context: BuildContext
    keyboard: Keyboard = field(default_factory=Keyboard)

    def type(self, config: QemuConfig, **fields: object) -> str:
        type_boot_steps(config, self.keyboard, self.context, fields)
        return self.keyboard.text


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    ui, patience = RecordingUi(), Patience()
    return Desk(ui, patience, fake_context(tmp_path, ui=ui, cancellation=patience))


def test_the_parts_of_a_boot_command_are_joined_as_they_are(qemu: MakeConfig, desk: Desk) -> None:
    assert desk.type(qemu(boot_command=["ins", "tall", "<enter>"])) == "install<ff0d>"
    assert desk.ui.events == []


def test_fields_are_rendered(qemu: MakeConfig, desk: Desk) -> None:
    config = qemu(boot_command=["ks={{ .HTTPIP }}:{{ .HTTPPort }} {{ .Name }}"])
    assert desk.type(config, HTTPIP="10.0.2.2", HTTPPort="8080", Name="base") == "ks=10.0.2.2:8080 base"


def test_boot_steps_are_told_one_by_one(qemu: MakeConfig, desk: Desk) -> None:
    config = qemu(boot_steps=[["a<wait2>", "choose the language"], ["b"]])
    assert desk.type(config) == "ab"
    assert desk.ui.texts("message") == ["boot step 1: choose the language", "boot step 2: b"]
    assert desk.ui.texts("ask") == []
    assert 2.0 in desk.patience.waits


def test_debug_pauses_after_each_boot_step(qemu: MakeConfig, tmp_path: Path) -> None:
    ui = RecordingUi()
    context = fake_context(tmp_path, ui=ui, cancellation=Patience(), debug=True)
    type_boot_steps(qemu(boot_steps=[["a", ""], ["b", ""]]), Keyboard(), context, {})
    assert [kind for kind, _ in ui.events] == ["message", "ask", "message", "ask"]


def test_boot_key_interval_follows_each_event(qemu: MakeConfig, desk: Desk) -> None:
    desk.type(qemu(boot_command=["ab"], boot_key_interval="37ms"))
    assert desk.patience.waits == [0.037] * 4


def test_the_interval_of_the_environment(
    qemu: MakeConfig, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKER_KEY_INTERVAL", "11ms")
    desk.type(qemu(boot_command=["a"]))
    assert desk.patience.waits == [0.011] * 2
    desk.type(qemu(boot_command=["a"], boot_key_interval="0s"))
    assert max(desk.patience.waits[2:]) <= 0.0


def test_boot_wait(qemu: MakeConfig) -> None:
    waits = [qemu(boot_wait=text).boot_wait for text in ("1m30s", "-1s", "auto")]
    assert waits == [Duration(90), Duration(-1), BootWait.AUTO]
    assert qemu().boot_wait == Duration(10)


def test_the_guests_keyboard_layout(qemu: MakeConfig, desk: Desk) -> None:
    # the key where the US keyboard has its "y"
    assert desk.type(qemu(boot_command=["z"], keyboard_layout="de")) == "y"


def test_a_picture_is_read_beside_the_template(qemu: MakeConfig, desk: Desk) -> None:
    shown = Framebuffer(3, 2, bytes(range(24)))
    (desk.context.template_dir / "disk.png").write_bytes(png(shown))
    waited: list[tuple[Framebuffer, str, Duration]] = []

    class Eyes(Sight):
        def wait_for_picture(self, picture: Framebuffer, name: str, limit: Duration) -> None:
            waited.append((picture, name, limit))

    config = qemu(boot_command=['<waitImage "disk.png" 9s>'])
    type_boot_steps(config, desk.keyboard, desk.context, {}, Eyes(cast(Display, None)))
    ((picture, name, limit),) = waited
    assert (picture.width, picture.pixel(1, 1)) == (3, shown.pixel(1, 1))
    assert (name, limit) == ("disk.png", Duration(9))


def test_unseen_machines_wait_for_nothing(qemu: MakeConfig, desk: Desk) -> None:
    with pytest.raises(MachineError, match="cannot be seen"):
        desk.type(qemu(boot_command=["<waitStill 2s>"]))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"boot_command": ['<wait "[">']}, "boot_command"),
        ({"boot_steps": [["<waitStill 0s>", "wait"]]}, "boot_steps"),
        ({"boot_command": ["a"], "keyboard_layout": "qwertz"}, "keyboard_layout"),
        ({"boot_command": ["a"], "boot_mode": "adaptive", "keyboard_layout": "de"}, None),
    ],
)
def test_what_is_wrong_with_a_boot_command(
    qemu: MakeConfig, options: dict[str, object], problem: str | None
) -> None:
    assert [found.option for found in check_boot(qemu(**options))] == ([problem] if problem else [])


def test_characters_that_a_layout_does_not_have(qemu: MakeConfig) -> None:
    (found,) = check_boot(qemu(boot_command=["a{{ .HTTPIP }}\N{EURO SIGN}Ж"], keyboard_layout="de"))
    assert (found.summary, found.warning) == ("the keyboard layout `de` has no key for `Ж`", True)
