"""Real processes: their output, their end, and what is left of them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from vmforge.errors import HostError, Interrupted
from vmforge.scripts.process import run_process
from vmforge.sdk import Cancellation


class Run:
    """Runs a shell text and remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bool]] = []
        self.cancellation = Cancellation()

    def __call__(self, text: str, **environment: str) -> int:
        return run_process(
            ["/bin/sh", "-c", text],
            environment=environment,
            output=self.take,
            cancellation=self.cancellation,
        )

    def take(self, line: str, error: bool) -> None:
        self.lines.append((line, error))


@pytest.fixture
def run() -> Run:
    return Run()


def test_lines_and_status(run: Run) -> None:
    assert run("echo a; printf 'b\\r\\n'; printf 'no end'; exit 7") == 7
    assert run.lines == [("a", False), ("b", False), ("no end", False)]


def test_standard_error_is_told_apart(run: Run) -> None:
    assert run("echo bad >&2") == 0
    assert run.lines == [("bad", True)]


def test_characters_split_between_reads_and_wrong_ones(run: Run) -> None:
    run("printf '\\303'; sleep 0.05; printf '\\251\\n\\377\\n'")
    assert run.lines == [("é", False), ("\ufffd", False)]


def test_all_of_a_large_output_arrives(run: Run) -> None:
    run("seq 1 200000")
    assert len(run.lines) == 200000
    assert run.lines[-1] == ("200000", False)


def test_environment_is_added(run: Run) -> None:
    run('echo $MINE; test -n "$PATH" && echo path', MINE="x y")
    assert run.lines == [("x y", False), ("path", False)]


def test_standard_input_is_empty(run: Run) -> None:
    assert run("cat") == 0
    assert run.lines == []


def test_a_signal_is_a_negative_status(run: Run) -> None:
    assert run("kill -9 $$") == -9


def test_a_background_process_is_not_waited_for(run: Run) -> None:
    assert run("sleep 300 & echo $!") == 0
    os.kill(int(run.lines[0][0]), 9)


def test_a_program_that_does_not_exist(run: Run) -> None:
    with pytest.raises(HostError, match="`/no/such` cannot be started: No such file or directory") as caught:
        run_process(["/no/such"], environment={}, output=run.take, cancellation=run.cancellation)
    assert caught.value.hint == "there is no file `/no/such`"


def test_cancellation_ends_the_whole_group(run: Run, tmp_path: Path) -> None:
    """The child ignores the request to end, and so does its own child."""
    seen = threading.Event()

    def take(line: str, error: bool) -> None:
        run.lines.append((line, error))
        if len(run.lines) == 2:
            seen.set()

    script = "trap '' TERM; (trap '' TERM; sh -c 'echo $PPID; sleep 300') & echo $$; sleep 300"
    failures: list[BaseException] = []

    def work() -> None:
        try:
            run_process(["/bin/sh", "-c", script], environment={}, output=take, cancellation=run.cancellation)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert seen.wait(30)
    run.cancellation.cancel()
    thread.join(30)
    assert [type(failure) for failure in failures] == [Interrupted]
    for line, _ in run.lines:
        assert not is_running(int(line))


def is_running(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_nothing_starts_after_cancellation(run: Run) -> None:
    run.cancellation.cancel()
    with pytest.raises(Interrupted):
        run("echo started")
    assert run.lines == []


def test_an_output_that_fails_ends_the_process(run: Run) -> None:
    def fail(line: str, error: bool) -> None:
        run.lines.append((line, error))
        raise RuntimeError("the terminal is gone")

    with pytest.raises(RuntimeError):
        run_process(
            ["/bin/sh", "-c", "echo $$; exec sleep 300"],
            environment={},
            output=fail,
            cancellation=run.cancellation,
        )
    assert not is_running(int(run.lines[0][0]))
