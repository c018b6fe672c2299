"""What happens when a step fails, and around each step when the user debugs: `-on-error`, `-debug`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.steps import Around, Offer
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


def around_steps(
    ui: Ui,
    cancellation: Cancellation,
    on_error: OnError,
    debug: bool,
    offers: Callable[[], Sequence[Offer]] = tuple,
) -> Around:
    """The wrapper that the user's flags ask for. `offers` are what else can be done about a failed step."""

    def run(title: str, work: Callable[[], object]) -> object:
        asks = on_error is OnError.ASK
        outcome = _asking(ui, cancellation, title, work, offers) if asks else work()
        if debug:
            ui.ask(f"Done: {title}. Press Enter to go on.")
            cancellation.check()
        return outcome

    return run


def _asking(
    ui: Ui,
    cancellation: Cancellation,
    title: str,
    work: Callable[[], object],
    offers: Callable[[], Sequence[Offer]],
) -> object:
    while True:
        try:
            return work()
        except Interrupted:
            raise
        except VmforgeError as error:
            cancellation.check()
            ui.error("\n".join(filter(None, (f"{title}: {error.message}", error.detail))))
            if error.hint:
                ui.message(f"hint: {error.hint}")
            answer = _ask(ui, offers())
            if answer == "a":
                raise Aborted(error.message, hint=error.hint) from error
            if answer != "r":
                raise
            cancellation.check()


def _ask(ui: Ui, offers: Sequence[Offer]) -> str:
    """`c`, `a` or `r`, once the user is done with the offers; a closed input means clean up."""
    decisions = ("[c] clean up and exit", "[a] abort and keep everything", "[r] retry the step")
    by_key = {offer.key: offer for offer in offers}
    question = ", ".join((*decisions, *(f"[{offer.key}] {offer.label}" for offer in offers))) + "?"
    while True:
        answer = ui.ask(question).strip().lower()[:1]
        if answer in by_key:
            _take(ui, by_key[answer])
        elif answer in ("c", "a", "r"):
            return answer
        elif not answer:
            return "c"


def _take(ui: Ui, offer: Offer) -> None:
    try:
        ui.message(offer.act())
    except VmforgeError as error:
        ui.error(f"{offer.label}: {error.message}")
