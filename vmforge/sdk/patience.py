"""Calls into libraries that block and know nothing of cancellation."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from vmforge.sdk.cancellation import Cancellation

T = TypeVar("T")

# Items that are fetched ahead of whoever takes them.
_AHEAD = 16


def call(function: Callable[[], T], cancellation: Cancellation, name: str) -> T:
    """Call `function`, which must end by itself some time, in a thread of that name. Raises `Interrupted` as
    soon as the build is told to stop: the call is then left to its thread."""
    cancellation.check()
    result: list[T] = []
    failure: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            result.append(function())
        except BaseException as error:
            failure.append(error)
        finally:
            done.set()

    threading.Thread(target=work, daemon=True, name=name).start()
    with cancellation.on_cancel(done.set):
        done.wait()
    cancellation.check()
    if failure:
        raise failure[0]
    return result[0]


@dataclass(frozen=True, slots=True)
class _End:
    """No more items; or why not."""

    error: BaseException | None = None


def iterate(
    items: Iterable[T], cancellation: Cancellation, name: str, *, timeout: float | None = None
) -> Iterator[T]:
    """The items of a source that blocks, each as soon as it is there, by a thread of that name. Raises
    `Interrupted` as soon as the build is told to stop, and `TimeoutError` when they have not all come within
    `timeout` seconds: the source is then left to its thread, which takes one item more at most."""
    cancellation.check()
    passed: queue.Queue[T | _End] = queue.Queue(_AHEAD)
    left = threading.Event()

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                passed.put(item)
                if left.is_set():
                    return
        except BaseException as failure:
            error = failure
        passed.put(_End(error))

    deadline = None if timeout is None else time.monotonic() + timeout
    threading.Thread(target=work, daemon=True, name=name).start()
    try:
        with cancellation.on_cancel(lambda: _wake(passed)):
            while not isinstance(item := _next(passed, deadline), _End):
                cancellation.check()
                yield item
            cancellation.check()
            if item.error is not None:
                raise item.error
    finally:
        left.set()
        while not passed.empty():  # whoever waits to put something in is let go
            passed.get_nowait()


def _next(passed: queue.Queue[T | _End], deadline: float | None) -> T | _End:
    try:
        return passed.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise TimeoutError from None


def _wake(passed: queue.Queue[T | _End]) -> None:
    try:
        passed.put_nowait(_End())
    except queue.Full:
        pass  # there is something to wake up for already
