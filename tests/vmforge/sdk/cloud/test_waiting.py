"""Waiting for a cloud, and deleting what may resist."""

from __future__ import annotations

import threading

import pytest

from vmforge.errors import Interrupted
from vmforge.sdk import Cancellation
from vmforge.sdk.cloud import CloudError, delete_quietly, insist, wait_for


class Answers:
    """Gives its answers in turn, raising those that are errors; the last one for ever."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.count = 0

    def __call__(self) -> object:
        self.count += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def busy() -> CloudError:
    return CloudError("too many requests", status=429, transient=True)


def waited(look: Answers, limit: float = 20.0) -> object:
    return wait_for(look, "the image `x`", cancellation=Cancellation(), limit=limit, longest_pause=0.01)


def test_the_first_answer_that_is_one() -> None:
    look = Answers(None, busy(), None, "ready")
    assert waited(look) == "ready"
    assert look.count == 4


def test_an_answer_may_be_false() -> None:
    assert waited(Answers(None, False)) is False


def test_other_errors_are_raised() -> None:
    with pytest.raises(CloudError, match="no such image"):
        waited(Answers(None, CloudError("no such image", status=404)))


def test_in_vain() -> None:
    look = Answers(None, busy())
    with pytest.raises(CloudError) as caught:
        wait_for(look, "x", cancellation=Cancellation(), limit=0.1, hint="set `t`", longest_pause=0.01)
    assert caught.value.message == "waited 0 s in vain for x: too many requests"
    assert caught.value.hint == "set `t`"


def test_cancellation_ends_a_wait() -> None:
    cancellation = Cancellation()
    timer = threading.Timer(0.1, cancellation.cancel)
    timer.start()
    with pytest.raises(Interrupted):
        wait_for(lambda: None, "x", cancellation=cancellation, limit=1000, longest_pause=1000)
    timer.join()


def test_insisting() -> None:
    work = Answers(busy(), 7)
    assert insist(work, cancellation=Cancellation()) == 7
    with pytest.raises(CloudError, match="too many requests"):
        insist(Answers(busy()), cancellation=Cancellation(), limit=0.3)
    with pytest.raises(CloudError, match="no"):
        insist(Answers(CloudError("no")), cancellation=Cancellation())


def test_deleting_what_is_gone() -> None:
    delete_quietly(Answers(CloudError("no x", status=404)))
    delete_quietly(Answers(CloudError("no x", code="InvalidAMIID.NotFound", status=400)))


def test_deleting_what_resists() -> None:
    delete = Answers(busy(), None)
    delete_quietly(delete)
    assert delete.count == 2
    with pytest.raises(CloudError, match="in use"):
        delete_quietly(Answers(CloudError("in use", status=409)))
