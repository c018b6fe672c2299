"""Steps: their order, their times, and how what they acquired is released."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.steps import Steps
from vmforge.sdk.testing import RecordingUi


class Resource:
    """Notes what happens to it in a list shared with others."""

    def __init__(self, name: str, log: list[str], *, bad_exit: bool = False) -> None:
        self._name, self._log, self._bad_exit = name, log, bad_exit

    def __enter__(self) -> str:
        self._log.append(f"+{self._name}")
        return self._name

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._log.append(f"-{self._name}" + (f" {kind.__name__}" if kind else ""))
        if self._bad_exit:
            raise OSError("stuck")


class Kept(Resource):
    def keep(self) -> str:
        return f"{self._name} goes on; end it with `kill {self._name}`"


@pytest.fixture
def ui() -> RecordingUi:
    return RecordingUi()


@pytest.fixture
def steps(ui: RecordingUi) -> Steps:
    return Steps(ui, Cancellation())


def test_a_step_is_announced_timed_and_gives_its_value(steps: Steps, ui: RecordingUi) -> None:
    assert steps.run("Adding numbers", lambda: 1 + 1) == 2
    steps.run("Whispering", lambda: None, quiet=True)
    assert ui.texts("say") == ["Adding numbers"]
    assert [time.title for time in steps.times] == ["Adding numbers", "Whispering"]
    assert all(time.seconds >= 0 for time in steps.times)
    assert steps.failed == ""


def test_a_failing_step_is_named_and_timed(steps: Steps) -> None:
    def fail() -> None:
        raise VmforgeError("no")

    with pytest.raises(VmforgeError):
        steps.run("Outer", lambda: steps.run("Inner", fail))
    assert steps.failed == "Inner"
    assert [time.title for time in steps.times] == ["Inner", "Outer"]


def test_release_is_in_reverse_and_knows_the_error(steps: Steps) -> None:
    log: list[str] = []
    for name in "abc":
        assert steps.enter(f"Making {name}", Resource(name, log)) == name
    steps.release(VmforgeError("why"))
    steps.release()
    assert log == ["+a", "+b", "+c", "-c VmforgeError", "-b VmforgeError", "-a VmforgeError"]


def test_a_release_that_fails_is_a_warning_and_the_others_go_on(steps: Steps, ui: RecordingUi) -> None:
    log: list[str] = []
    steps.enter("Making a", Resource("a", log))
    steps.enter("Making b", Resource("b", log, bad_exit=True))
    steps.release()
    assert log == ["+a", "+b", "-b", "-a"]
    assert ui.texts("warn") == ["could not undo `Making b`: stuck"]


def test_what_could_not_be_acquired_is_not_released(steps: Steps) -> None:
    class Bad(Resource):
        def __enter__(self) -> str:
            raise VmforgeError("no disk")

    log: list[str] = []
    with pytest.raises(VmforgeError):
        steps.enter("Making it", Bad("x", log))
    steps.release()
    assert log == []
    assert steps.failed == "Making it"


def test_abandon_keeps_everything_and_says_what(steps: Steps) -> None:
    log: list[str] = []
    steps.enter("Making a", Kept("a", log))
    steps.enter("Making b", Resource("b", log))
    assert steps.abandon() == ["a goes on; end it with `kill a`"]
    steps.release()
    assert log == ["+a", "+b"]


def test_nothing_starts_after_cancellation(ui: RecordingUi) -> None:
    cancellation = Cancellation()
    steps = Steps(ui, cancellation)
    log: list[str] = []
    steps.enter("Making a", Resource("a", log))
    cancellation.cancel()
    with pytest.raises(Interrupted):
        steps.enter("Making b", Resource("b", log))
    steps.release(Interrupted())
    assert log == ["+a", "-a Interrupted"]
    assert ui.texts("say") == ["Making a"]


def test_around_may_run_a_step_again(ui: RecordingUi) -> None:
    tries: list[int] = []

    def twice(title: str, work: Callable[[], object]) -> object:
        try:
            return work()
        except VmforgeError:
            return work()

    def flaky() -> str:
        tries.append(len(tries))
        if len(tries) == 1:
            raise VmforgeError("once")
        return "done"

    steps = Steps(ui, Cancellation(), twice)
    assert steps.run("Trying", flaky) == "done"
    assert steps.failed == ""
    log: list[str] = []
    assert steps.enter("Making a", Resource("a", log)) == "a"
    steps.release()
    assert log == ["+a", "-a"]
