"""Looks at the guest while the build waits for it: shows it, films it, ends waits that are in vain."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Final

from vmforge.builders.answer_files import AnswerFileServer
from vmforge.builders.diagnosis import (
    Conviction,
    Evidence,
    Finding,
    Idleness,
    Place,
    Verdict,
    diagnose,
    read_signs,
)
from vmforge.builders.qemu.guest import Watch, console_of
from vmforge.builders.qemu.witness import Witness
from vmforge.console.film import Film, open_films
from vmforge.console.screen import ScreenReader
from vmforge.console.sight import Sight, View
from vmforge.errors import CommunicatorError, Interrupted, MachineError, VmforgeError
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import BuildContext, Cancellation, Communicator, Offer
from vmforge.sdk.communicator import InteractiveCommunicator

_log = logging.getLogger(__name__)

# Seconds from look to look, at most and at least; a film wants to see more.
_LOOK, _PAUSE, _PAUSE_FILMING = 1.0, 0.5, 0.1
# While there is no screen to be had.
_PAUSE_BLIND: Final = 2.0
# Software emulation is slower.
_MOST_PATIENCE: Final = 3.0
_STAGE_STARTS_WITH: Final = ("Waiting", "Typing")


@dataclass
class Lookout:
    """A resource of the build: looks while it is held, until the guest is reached; to the end for a film.

    `attended` says that a person may be looking at the screen and answering. Failures of steps are
    explained by what is seen, and what can be done about one is offered.
    """

    machine: VirtualMachine
    watch: Watch
    context: BuildContext
    answer_files: AnswerFileServer
    time_scale: float = 1.0
    attended: bool = False
    _stop: Cancellation = field(default_factory=Cancellation, init=False)
    _undo: ExitStack = field(default_factory=ExitStack, init=False)
    _reached: bool = field(default=False, init=False)
    _deciding: threading.Lock = field(default_factory=threading.Lock, init=False)
    _given_up: tuple[VmforgeError, Verdict] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.reader = ScreenReader(self.machine.text_memory)

    def __enter__(self) -> Lookout:
        table = read_signs(os.environ)
        for problem in table.problems:
            self.context.ui.warn(problem)
        self._signs = tuple(table.signs.values())
        self._witness = Witness(self.machine, self.answer_files, self.context, self._signs, self.reader)
        patience = min(self.time_scale, _MOST_PATIENCE)
        self._conviction, self._idleness = Conviction(patience, self.attended), Idleness(patience)
        with ExitStack() as undo:
            self._film: Film = undo.enter_context(open_films(self.context.screenshots, self.context.film))
            undo.callback(self.machine.on_restart(self._witness.begin_anew))
            thread = threading.Thread(target=self._run, name="lookout", daemon=True)
            thread.start()
            undo.callback(thread.join)
            undo.callback(self._stop.cancel)
            self._undo = undo.pop_all()
        self._offer("s", "take a screenshot", self._witness.screenshot)
        self.context.steps.explain = self.explain
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.context.steps.explain = None
        self.context.steps.offers.clear()
        self._undo.close()
        self.context.ui.status("")

    def keep(self) -> str:
        """With `-on-error=abort` the machine goes on, unobserved."""
        self.__exit__(None, None, None)
        return ""

    def reached(self, communicator: Communicator) -> None:
        """The guest answers: the build does not wait for it any more."""
        with self._deciding:
            self._reached = True
            self.watch.take_back()
            self.context.ui.status("")
        if isinstance(communicator, InteractiveCommunicator):
            self._offer("g", "open a shell in the guest", lambda: _shell(communicator))

    def explain(self, error: VmforgeError) -> VmforgeError:
        """Why the guest was lost, with what is known of it. Errors that are not about the guest stay as they
        are."""
        reason = self.watch.reason(error)
        about_guest = isinstance(reason, (MachineError, CommunicatorError)) and (
            not self._reached or isinstance(reason, CommunicatorError) or self.machine.failure is not None
        )
        if about_guest and not reason.detail:
            error_of, verdict = self._given_up or (None, None)
            self._witness.explain(reason, verdict if error_of is reason else None)
        return reason

    def _offer(self, key: str, label: str, act: Callable[[], str]) -> None:
        offers = self.context.steps.offers
        offers[:] = [*(offer for offer in offers if offer.key != key), Offer(key, label, act)]

    # -- the thread that looks ----------------------------------------------------------------

    def _run(self) -> None:
        try:
            with console_of(self.machine, self._stop) as console:
                sight = Sight(console, reader=self.reader)
                while not self._reached or self._film.wanted:
                    self._look(sight)
                    self._stop.wait(_PAUSE_FILMING if self._film.wanted else _PAUSE)
        except Interrupted:
            return
        except Exception:  # a build goes on without being looked at
            _log.exception("looking at the machine failed")

    def _look(self, sight: Sight) -> None:
        if self.machine.spec.graphics is not None:
            try:
                self._see(sight)
            except Interrupted:
                raise
            except VmforgeError:
                self._stop.wait(_PAUSE_BLIND)
        else:
            self._stop.wait(_LOOK)
        verdict = self._judge() if not self._reached else None
        with self._deciding:
            if self._reached:
                return
            self._show()
            if verdict is not None:
                self.watch.give_up(verdict)

    def _see(self, sight: Sight) -> None:
        view = sight.look(_LOOK)
        if view is self._witness.view:
            return
        before, self._witness.view = self._witness.view, view
        # a cursor that blinks is no news
        if before is None or before.contents != view.contents:
            self._record(view)
        screen = view.text.last_line if view.text is not None else ""
        self.context.live.note("screen", self.context.hide(screen))

    def _record(self, view: View) -> None:
        try:
            self._film.add(time.monotonic(), view.frame, view.text)
        except OSError as error:
            self.context.ui.warn(f"the screen is not recorded any more: {error}")
            self._film.recorders.clear()

    def _show(self) -> None:
        waits = self.context.live.step.startswith(_STAGE_STARTS_WITH)
        self.context.ui.status(self.context.live.line() if waits else "")

    def _judge(self) -> VmforgeError | None:
        """Why nothing can come of waiting any longer, if that is certain."""
        evidence, now = self._witness.evidence(), time.monotonic()
        findings = diagnose(evidence, self._signs)
        self._feel_pulse(findings, now)
        verdict = self._conviction.weigh(findings, partial(_trace, evidence), now, self._idleness)
        if verdict is None:
            return None
        error = MachineError(f"the guest cannot go on: {verdict.finding.title}")
        self._given_up = error, verdict
        return error

    def _feel_pulse(self, findings: tuple[Finding, ...], now: float) -> None:
        """See what the guest's processors have to do, while there is a sign for which that counts."""
        if not any(finding.sign.idle for finding in findings):
            self._idleness.forget()
            return
        try:
            self._idleness.note(now, self.machine.processor_seconds())
        except MachineError:
            self._idleness.forget()


def _trace(evidence: Evidence, finding: Finding) -> object:
    """What must not change while a finding holds: the places where it was made, or all of them."""
    places = Place if finding.sign.idle else finding.places
    return tuple(evidence.text(place) for place in places)


def _shell(communicator: InteractiveCommunicator) -> str:
    status = communicator.interact()
    return f"the shell ended with status {status}"
