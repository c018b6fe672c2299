"""`-on-error=ask` and `-debug` as wrappers round steps."""

from __future__ import annotations

import pytest

from vmforge.errors import HostError, Interrupted, VmforgeError
from vmforge.pipeline.failure import Aborted, OnError, around_steps
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.steps import Offer, Steps
from vmforge.sdk.testing import RecordingUi


def steps(ui: RecordingUi, on_error: OnError, debug: bool = False) -> Steps:
    cancellation = Cancellation()
    made: Steps = Steps(
        ui, cancellation, around_steps(ui, cancellation, on_error, debug, lambda: made.offers)
    )
    return made


def failing_times(count: int) -> object:
    left = [count]

    def work() -> str:
        if left[0]:
            left[0] -= 1
            raise HostError(f"no luck ({left[0]} left)")
        return "done"

    return work


def test_retry_until_it_works() -> None:
    ui = RecordingUi(answers=["what?", "r", "r"])
    assert steps(ui, OnError.ASK).run("Trying", failing_times(2)) == "done"  # type: ignore[arg-type]
    assert ui.texts("error") == ["Trying: no luck (1 left)", "Trying: no luck (0 left)"]
    assert len(ui.texts("ask")) == 3


@pytest.mark.parametrize("answer", ["c", ""])
def test_clean_up_is_the_answer_of_a_closed_input(answer: str) -> None:
    with pytest.raises(HostError):
        steps(RecordingUi(answers=[answer]), OnError.ASK).run("Trying", failing_times(1))  # type: ignore[arg-type]


def test_abort() -> None:
    with pytest.raises(Aborted):
        steps(RecordingUi(answers=["a"]), OnError.ASK).run("Trying", failing_times(1))  # type: ignore[arg-type]


def test_an_interrupt_is_not_asked_about() -> None:
    def interrupted() -> None:
        raise Interrupted()

    ui = RecordingUi(answers=["r"])
    with pytest.raises(Interrupted):
        steps(ui, OnError.ASK).run("Trying", interrupted)
    assert not ui.texts("ask")


def test_debug_pauses_after_each_step() -> None:
    ui = RecordingUi()
    run = steps(ui, OnError.CLEANUP, debug=True)
    run.run("First", lambda: None)
    run.run("Second", lambda: None)
    assert ui.texts("ask") == ["Done: First. Press Enter to go on.", "Done: Second. Press Enter to go on."]


def test_offers_are_taken_before_it_is_decided() -> None:
    def no_screen() -> str:
        raise HostError("there is no screen")

    ui = RecordingUi(answers=["s", "g", "r"])
    run = steps(ui, OnError.ASK)
    run.offers += [
        Offer("s", "take a screenshot", lambda: "it is in `x.png`"),
        Offer("g", "open a shell", no_screen),
    ]
    assert run.run("Trying", failing_times(1)) == "done"  # type: ignore[arg-type]
    assert ui.texts("message") == ["it is in `x.png`"]
    assert ui.texts("error")[1:] == ["open a shell: there is no screen"]
    assert ui.texts("ask")[0].endswith("[s] take a screenshot, [g] open a shell?")


def test_what_is_known_of_a_failure_is_shown_with_the_question() -> None:
    def explain(error: VmforgeError) -> VmforgeError:
        explained = HostError("the guest panicked", hint="look at it")
        explained.detail = "the screen:\n  | panic"
        return explained

    ui = RecordingUi(answers=["c"])
    run = steps(ui, OnError.ASK)
    run.explain = explain
    with pytest.raises(HostError, match="panicked"):
        run.run("Trying", failing_times(1))  # type: ignore[arg-type]
    assert ui.texts("error") == ["Trying: the guest panicked\nthe screen:\n  | panic"]
    assert ui.texts("message") == ["hint: look at it"]


def test_a_wait_that_was_given_up_is_asked_about() -> None:
    """`Interrupted` is the user's only where nothing else explains it."""

    def given_up() -> None:
        raise Interrupted()

    ui = RecordingUi(answers=["c"])
    run = steps(ui, OnError.ASK)
    run.explain = lambda error: HostError("no hope")
    with pytest.raises(HostError):
        run.run("Waiting", given_up)
    assert len(ui.texts("ask")) == 1
