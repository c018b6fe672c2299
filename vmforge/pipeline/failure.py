"""What happens when a step fails, and around each step when the user debugs: `-on-error`, `-debug`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.steps import Around
from vmforge.sdk.ui import Ui


class OnError(StrEnum):
    """What a failed build does with what it made."""

    CLEANUP = "cleanup"
    ABORT = "abort"
    ASK = "ask"
    RUN_CLEANUP_PROVISIONER = "run-cleanup-provisioner"

    @property
    def keeps_everything(self) -> bool:
        return self in (OnError.ABORT, OnError.RUN_CLEANUP_PROVISIONER)


class Aborted(VmforgeError):
    """The user answered "abort": the build ends and what it made stays."""


def around_steps(ui: Ui, cancellation: Cancellation, on_error: OnError, debug: bool) -> Around:
    """The wrapper that the user's flags ask for."""

    def run(title: str, work: Callable[[], object]) -> object:
        outcome = _asking(ui, cancellation, title, work) if on_error is OnError.ASK else work()
        if debug:
            ui.ask(f"Done: {title}. Press Enter to go on.")
            cancellation.check()
        return outcome

    return run


def _asking(ui: Ui, cancellation: Cancellation, title: str, work: Callable[[], object]) -> object:
    while True:
        try:
            return work()
        except Interrupted:
            raise
        except VmforgeError as error:
            cancellation.check()
            ui.error(f"{title}: {error.message}")
            answer = _ask(ui)
            if answer == "a":
                raise Aborted(error.message, hint=error.hint) from error
            if answer != "r":
                raise


def _ask(ui: Ui) -> str:
    """`c`, `a` or `r`; a closed input means clean up."""
    while True:
        answer = (
            ui.ask("[c] clean up and exit, [a] abort and keep everything, [r] retry the step?")
            .strip()
            .lower()
        )
        if answer[:1] in ("c", "a", "r"):
            return answer[:1]
        if not answer:
            return "c"
