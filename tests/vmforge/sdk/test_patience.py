"""Sources that block, and how waiting for them ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vmforge.errors import Interrupted
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.patience import iterate


def test_items_in_order_and_the_end() -> None:
    assert list(iterate(range(1000), Cancellation(), "test")) == list(range(1000))


def test_a_failure_comes_after_the_items() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    taken = []
    with pytest.raises(ValueError, match="broken"):
        for item in iterate(source(), Cancellation(), "test"):
            taken.append(item)  # noqa: PERF402
    assert taken == [1]


@pytest.mark.parametrize("ahead", [0, 100])
def test_an_interruption_ends_the_wait(ahead: int) -> None:
    release, cancellation = threading.Event(), Cancellation()

    def source() -> Iterator[int]:
        yield from range(ahead)
        cancellation.cancel()
        release.wait(60)
        yield 0

    with pytest.raises(Interrupted):
        for _ in iterate(source(), cancellation, "test"):
            pass
    release.set()


def test_a_time_limit() -> None:
    release = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        release.wait(60)

    items = iterate(source(), Cancellation(), "test", timeout=0.2)
    assert next(items) == 1
    with pytest.raises(TimeoutError):
        next(items)
    release.set()


def test_a_source_that_is_left_is_let_go() -> None:
    ended = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            ended.set()

    items = iterate(source(), Cancellation(), "test-left")
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert ended.wait(60) or not any(thread.name == "test-left" for thread in threading.enumerate())
