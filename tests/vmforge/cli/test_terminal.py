"""What people and programs see."""

from __future__ import annotations

import io
import os
import re
import select
import termios
import threading
import time

import pytest

from vmforge.cli.terminal import Terminal
from vmforge.diagnostics import Diagnostic, SourcePosition, SourceRange
from vmforge.errors import HostError


def terminal(**changes: object) -> tuple[Terminal, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Terminal(out, err, **changes), out, err  # type: ignore[arg-type]


def test_lines_of_a_build() -> None:
    shown, out, _ = terminal()
    ui = shown.ui("demo.qemu.base")
    ui.say("Waiting for SSH")
    ui.message("connection refused")
    ui.output("hello")
    shown.ui("demo.qemu.base", "compress").say("Compressing")
    ui.warn("odd")
    assert out.getvalue().splitlines() == [
        "==> demo.qemu.base: Waiting for SSH",
        "    demo.qemu.base: connection refused",
        "    demo.qemu.base: hello",
        "==> demo.qemu.base (compress): Compressing",
        "    demo.qemu.base: warning: odd",
    ]


def test_every_build_has_its_colour() -> None:
    shown, out, _ = terminal(colour=True)
    shown.ui("one").message("a")
    shown.ui("two").message("b")
    first, second = out.getvalue().splitlines()
    assert first.split("m")[0] != second.split("m")[0]
    assert first.endswith("\x1b[0m")


def test_secrets_are_hidden_everywhere() -> None:
    shown, out, err = terminal()
    shown.redactor.add(["hunter2\nsecond line"])
    shown.ui("b").output("password hunter2")
    shown.ui("b").output("and second line")
    shown.failure(HostError("cannot log in with `hunter2`", hint="not hunter2"))
    assert "hunter2" not in out.getvalue() + err.getvalue()
    assert "second line" not in out.getvalue()
    assert out.getvalue().count("<sensitive>") == 2


def test_machine_readable_lines() -> None:
    shown, out, _ = terminal(machine_readable=True)
    shown.ui("qemu.base").say("one, two\nthree")
    shown.machine("qemu.base", "artifact-count", "1")
    stamps = [re.sub(r"^\d+", "T", line) for line in out.getvalue().splitlines()]
    assert stamps == [
        "T,qemu.base,ui,say,one%!(PACKER_COMMA) two",
        "T,qemu.base,ui,say,three",
        "T,qemu.base,artifact-count,1",
    ]


def test_timestamps() -> None:
    shown, out, _ = terminal(timestamps=True)
    shown.ui("b").say("x")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} ==> b: x\n", out.getvalue())


def test_a_diagnostic_shows_its_line(tmp_path: object) -> None:
    shown, _, err = terminal()
    place = SourceRange("missing.pkr.hcl", SourcePosition(3, 5, 40), SourcePosition(3, 9, 44))
    shown.diagnostics(
        [Diagnostic.error("unknown option `memori`", range=place, hint="did you mean `memory`?")]
    )
    assert err.getvalue() == (
        "error: unknown option `memori`\n  --> missing.pkr.hcl:3:5\n\nhint: did you mean `memory`?\n\n"
    )


class Screen(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_live_line_is_replaced_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen = Screen()
    shown = Terminal(io.StringIO(), screen)
    shown.redactor.add(["hunter2"])
    ui = shown.ui("qemu.base")
    ui.status("Waiting for SSH 3 s | screen: " + "x" * 100)
    ui.status("Waiting | screen: hunter2")
    drawn = screen.getvalue()
    assert "\rqemu.base: Waiting for SSH 3 s | scree…" in drawn
    assert "hunter2" not in drawn
    ui.status("")
    ui.status("")
    assert screen.getvalue().endswith("\r")
    assert shown._statuses == {}


def test_a_question_stands_alone() -> None:
    shown = Terminal(io.StringIO(), Screen())
    shown.ui("qemu.base").status("Waiting")
    shown.ask("well?")
    assert shown._statuses == {}


def test_a_hidden_answer_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard, typing = os.openpty()

    def hidden() -> bool:
        return not termios.tcgetattr(typing)[3] & termios.ECHO

    def type_answer() -> None:
        while not hidden():
            time.sleep(0.01)
        os.write(keyboard, b"123456\n")

    shown, out, _ = terminal()
    typist = threading.Thread(target=type_answer)
    with os.fdopen(typing, closefd=False) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        typist.start()
        assert shown.ask("code?", hidden=True) == "123456"
    typist.join()
    assert not hidden()
    assert out.getvalue() == "code?\n"
    assert not select.select([keyboard], [], [], 0)[0] or b"123456" not in os.read(keyboard, 100)
    os.close(typing)
    os.close(keyboard)


def test_no_live_line_where_nobody_watches() -> None:
    shown, out, err = terminal()
    shown.ui("qemu.base").status("Waiting for SSH")
    readable = Terminal(io.StringIO(), Screen(), machine_readable=True)
    readable.ui("qemu.base").status("Waiting for SSH")
    assert out.getvalue() + err.getvalue() + readable.err.getvalue() == ""  # type: ignore[attr-defined]


def test_the_detail_of_a_failure_stands_before_its_hint() -> None:
    shown, _, err = terminal()
    error = HostError("no luck", hint="try again")
    error.detail = "the screen:\n  | boot:"
    shown.failure(error)
    assert err.getvalue() == "error: no luck\n\nthe screen:\n  | boot:\n\nhint: try again\n"
