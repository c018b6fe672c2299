"""The report of a failure as a golden, and what is left out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vmforge.builders.diagnosis import Evidence, diagnose, read_signs
from vmforge.builders.diagnosis.evidence import terminal_lines
from vmforge.builders.diagnosis.report import Kept, Served, render

SIGNS = tuple(read_signs({"VMFORGE_SIGNS": "/nonexistent"}).signs.values())


def test_everything(golden: Callable[[str, str], None]) -> None:
    evidence = Evidence(
        screen=(
            *(f"line {n}" for n in range(20)),
            "",
            "Kernel panic - not syncing: Attempted to kill init!",
            "",
        ),
        serial=("Linux version 6.1", "Kernel panic - not syncing: Attempted to kill init!"),
        http=("/ks.cfg 200", "/late.sh 404"),
        ssh="connection closed at once",
        qemu="qemu: warning: host doesn't support it",
    )
    served = Served(["/ks.cfg", "/ks.cfg"], ["/late.sh"], ["/other"])
    kept = Kept(Path("/state/failures/x/screen.png"), Path("/state/failures/x/serial.log"))
    golden("diagnosis/report.txt", render(evidence, diagnose(evidence, SIGNS), served, kept) + "\n")


def test_nothing() -> None:
    assert render(Evidence(), (), Served(), Kept()) == ""


def test_a_picture_without_text() -> None:
    text = render(Evidence(), (), Served(), Kept(Path("/x/screen.png")))
    assert text == "the screen (`/x/screen.png`) has no text that can be read"


def test_what_the_message_says_is_not_said_again() -> None:
    evidence = Evidence(http=("/late.sh 404",), ssh="connection refused")
    findings = diagnose(evidence, SIGNS)
    text = render(evidence, findings, Served(), Kept(), f"it failed: {findings[0].title}; connection refused")
    assert text == ""


def test_a_serial_log_that_repeats_the_screen_is_left_out() -> None:
    evidence = Evidence(screen=("  a ", "panic: no ro", "ot"), serial=("panic: no root", "a"))
    assert "serial" not in render(evidence, (), Served(), Kept())


def test_control_sequences_of_a_serial_line() -> None:
    raw = "\x1b[2J\x1b[01;01HSeaBIOS\r\n\r\nold text\rnew\x1b[0m text\r\n\x07bell"
    assert terminal_lines(raw) == ("SeaBIOS", "new text", "bell")


def test_a_line_that_is_written_again_at_its_place() -> None:
    raw = "\x1b[2J\x1b[01;01HEDK II\r\n\x1b[09;01Hin 2 seconds\x1b[09;01Hin 1 seconds\r\n\x1b[10;01HShell> "
    assert terminal_lines(raw) == ("EDK II", "in 1 seconds", "Shell>")


def test_a_screen_that_is_drawn_again_keeps_what_it_said() -> None:
    assert terminal_lines("\x1b[Hone\r\ntwo\x1b[Hthree") == ("one", "two", "three")
