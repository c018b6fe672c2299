"""Calls into libraries that block and know nothing of cancellation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from vmforge.sdk import Cancellation

T = TypeVar("T")


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
