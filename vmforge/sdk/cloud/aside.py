"""Work in a cloud outside of a build: that of post-processors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.context import BuildContext
from vmforge.sdk.steps import Steps

T = TypeVar("T")


def work_aside(context: BuildContext, work: Callable[[BuildContext], T]) -> T:
    """Do `work`, whose context has steps of its own: what they hold is released when it ends, however it
    ends, also when the run is interrupted. A release that fails is a warning."""
    cancellation = Cancellation()
    steps = Steps(context.ui, cancellation)
    try:
        with context.cancellation.on_cancel(cancellation.cancel):
            done = work(replace(context, cancellation=cancellation, steps=steps))
    except BaseException as error:
        cancellation.withdraw()
        steps.release(error)
        raise
    cancellation.withdraw()
    steps.release()
    return done
