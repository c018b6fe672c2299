"""Waiting for what a cloud does in its own time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from vmforge.errors import Interrupted
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.cloud.errors import CloudError
from vmforge.sdk.values import format_seconds

T = TypeVar("T")

# Clouds push nothing: they must be asked, often while it may be quick, and not so often as to be throttled.
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.2, 5.0, 1.5
# How long an interrupted build listens for what its last request made, so that it can be deleted.
_LAST_WORDS_SECONDS = 2.0


def heard(ask: Callable[[], T], cancellation: Cancellation, *, listening: bool) -> T:
    """The answer of `ask`, which runs on a thread of its own: nothing else ends a blocked read, or the
    refreshing of a token, at once. `listening` says that the answer is worth two more seconds to an
    interrupted build: it may tell of something that was made. Raises `Interrupted`, and what `ask` raises."""
    cancellation.check()
    outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put((ask(), None))
        except BaseException as error:  # raised by the thread that waits
            outcome.put((None, error))

    with cancellation.on_cancel(lambda: outcome.put((None, Interrupted()))):
        threading.Thread(target=work, name="cloud", daemon=True).start()
        answer, error = outcome.get()
    if isinstance(error, Interrupted) and listening:
        try:
            answer, error = outcome.get(timeout=_LAST_WORDS_SECONDS)
        except queue.Empty:
            pass  # what it may have made carries the build's mark
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]  # there is one where there is no error


def wait_for(
    look: Callable[[], T | None],
    what: str,
    *,
    cancellation: Cancellation,
    limit: float,
    hint: str = "",
    longest_pause: float = _LONGEST_PAUSE,
) -> T:
    """Ask `look` until it answers something else than None, and return that.

    `what` is waited for, in words ("the image `x` to be available"), `limit` is in seconds. A transient
    `CloudError` of `look` counts as None. Raises `Interrupted` at once when the build is told to stop, and
    `CloudError` when the time is over, with what was last heard.
    """
    deadline = time.monotonic() + limit
    pause, last = min(_FIRST_PAUSE, longest_pause), ""
    while True:
        cancellation.check()
        try:
            found = look()
        except CloudError as error:
            if not error.transient:
                raise
            found, last = None, f": {error.message}"
        if found is not None:
            return found
        left = deadline - time.monotonic()
        if left <= 0:
            raise CloudError(f"waited {format_seconds(int(limit))} in vain for {what}{last}", hint=hint)
        cancellation.wait(min(pause, left))
        pause = min(pause * _GROWTH, longest_pause)


def insist(work: Callable[[], T], *, cancellation: Cancellation, limit: float = 60.0) -> T:
    """Do `work`, again while it fails with a transient `CloudError`, which is raised once `limit` seconds are
    over."""
    deadline = time.monotonic() + limit
    pause = _FIRST_PAUSE
    while True:
        try:
            return work()
        except CloudError as error:
            if not error.transient or time.monotonic() + pause > deadline:
                raise
        cancellation.wait(pause)
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)


def delete_quietly(delete: Callable[[], object], *, limit: float = 300.0) -> None:
    """Delete something, insisting, for a build that ends (and so is not cancelled any more). That it is gone
    already is fine."""

    def attempt() -> None:
        try:
            delete()
        except CloudError as error:
            if not error.is_absence:
                raise

    insist(attempt, cancellation=Cancellation(), limit=limit)
