"""Evidence that is gathered and kept, from a machine that is played by files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from http_server import Request
from vmforge.builders.answer_files import AnswerFileOptions, AnswerFileServer
from vmforge.builders.diagnosis import read_signs
from vmforge.builders.qemu.witness import SerialLog, Witness
from vmforge.console.framebuffer import Framebuffer, png
from vmforge.console.screen import ScreenReader
from vmforge.errors import CommunicatorError, MachineError
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import BuildContext
from vmforge.sdk.testing import fake_context

BLACK = Framebuffer(720, 400, bytes(720 * 400 * 4))


@dataclass
class Machine:
    """Shows a black screen, if it has one, and has written this to its serial line."""

    serial_log: Path | None = None
    has_screen: bool = True
    words: str = ""
    failure: MachineError | None = None

    def screenshot(self) -> bytes:
        if not self.has_screen:
            raise MachineError("no screen")
        return png(BLACK)

    def text_memory(self) -> bytes:
        raise MachineError("this machine has none")

    def qemu_log_tail(self) -> str:
        return self.words


def witness(machine: Machine, context: BuildContext) -> Witness:
    server = AnswerFileServer(AnswerFileOptions(http_content={"/ks.cfg": "x"}), context, "127.0.0.1")
    signs = tuple(read_signs({"VMFORGE_SIGNS": "/nonexistent"}).signs.values())
    return Witness(cast(VirtualMachine, machine), server, context, signs, ScreenReader(machine.text_memory))


@pytest.fixture
def serial(tmp_path: Path) -> Path:
    path = tmp_path / "serial.log"
    path.write_text("Kernel panic - not syncing: Out of luck\r\n")
    return path


def test_an_error_is_explained_and_the_evidence_kept(tmp_path: Path, serial: Path) -> None:
    context = fake_context(tmp_path)
    error = CommunicatorError("no SSH connection", hint="wait longer")
    context.live.note("SSH", "connection refused")
    witness(Machine(serial), context).explain(error)
    folder = tmp_path / "state" / "failures" / "qemu.base-00000000"
    assert (folder / "screen.png").read_bytes() == png(BLACK)
    assert (folder / "serial.log").read_text() == serial.read_text()
    assert error.detail.startswith("diagnosis: the guest's kernel panicked: Out of luck")
    assert f"`{folder}/screen.png`" in error.detail
    assert "SSH's last answer: connection refused" in error.detail
    assert error.hint.startswith("look at what the kernel says")


def test_a_failure_of_this_host_keeps_its_own_hint(tmp_path: Path, serial: Path) -> None:
    error = MachineError("no space left on this host", hint="free some space")
    witness(Machine(serial, failure=error), fake_context(tmp_path)).explain(error)
    assert error.hint == "free some space"
    assert "diagnosis" not in error.detail
    assert "Kernel panic" in error.detail


def test_nothing_known_leaves_the_hint_as_it_is(tmp_path: Path) -> None:
    error = CommunicatorError("no SSH connection", hint="wait longer")
    witness(Machine(None, has_screen=False), fake_context(tmp_path)).explain(error)
    assert (error.detail, error.hint) == ("", "wait longer")


def test_a_state_folder_that_cannot_be_written_hides_nothing(tmp_path: Path, serial: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    error = MachineError("died")
    witness(Machine(serial), fake_context(tmp_path)).explain(error)
    assert "Kernel panic" in error.detail


def test_only_the_latest_failures_are_kept(tmp_path: Path) -> None:
    context = fake_context(tmp_path)
    for number in range(14):
        witness(Machine(), replace(context, run_uuid=f"{number:08}")).explain(MachineError("died"))
    assert len(list((tmp_path / "state" / "failures").iterdir())) == 10


def test_requests_as_evidence(tmp_path: Path) -> None:
    seen = witness(Machine(), fake_context(tmp_path))
    with seen.answer_files:
        assert seen.evidence().http == ("nothing was asked for",)
    seen.answer_files._show(Request("GET", "/k.cfg", 404, 0, "10.0.2.15", "/ks.cfg"))
    seen.answer_files._show(Request("GET", "/ks.cfg", 200, 1, "10.0.2.15"))
    assert seen.evidence().http == ("/k.cfg 404 nearest /ks.cfg", "/ks.cfg 200")
    assert seen.context.live.latest("asked for") == "/ks.cfg"


@pytest.mark.parametrize(
    ("step", "waiting"), [("Waiting for the boot prompt", False), ("Waiting for SSH", True), ("", False)]
)
def test_the_guest_is_waited_for_once_all_has_been_typed(tmp_path: Path, step: str, waiting: bool) -> None:
    seen = witness(Machine(), fake_context(tmp_path))
    with seen.context.live.during(step):
        assert seen.evidence().waiting is waiting


def test_what_was_said_before_a_restart_is_forgotten(serial: Path) -> None:
    log = SerialLog(cast(VirtualMachine, Machine(serial)))
    assert log.lines() == ("Kernel panic - not syncing: Out of luck",)
    log.begin_anew()
    assert log.lines() == ()
    with serial.open("a") as file:
        file.write("login:\r\n")
    assert log.lines() == ("login:",)


def test_a_machine_without_a_serial_log() -> None:
    assert SerialLog(cast(VirtualMachine, Machine(None))).lines() == ()


def test_a_server_that_has_answered_is_there(tmp_path: Path, serial: Path) -> None:
    seen = witness(Machine(serial), fake_context(tmp_path))
    live = seen.context.live
    assert seen.evidence().ssh == ""
    live.note("SSH", "banner `SSH-2.0-x`")
    assert seen.evidence().ssh == "banner `SSH-2.0-x`"
    live.note("SSH", "connection refused")
    assert seen.evidence().ssh == "connection refused (it has answered before)"
    seen.begin_anew()
    assert seen.evidence().ssh == "connection refused"
