"""What is typed, with which pauses, and what the user is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vmforge.builders.boot import type_boot_steps
from vmforge.builders.qemu.config import QemuConfig
from vmforge.sdk import BuildContext, Cancellation
from vmforge.sdk.testing import RecordingUi, fake_context

MakeConfig = Callable[..., QemuConfig]

_SHIFT = 0xFFE1


@dataclass
class Keyboard:
    pressed: list[str] = field(default_factory=list)

    def key(self, keysym: int, down: bool) -> None:
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
    assert [qemu(boot_wait=text).boot_wait.seconds for text in ("1m30s", "-1s")] == [90.0, -1.0]
    assert qemu().boot_wait.seconds == 10.0
