"""When a sign is to be believed: it has been there for long enough, and nothing has moved meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from vmforge.builders.diagnosis.findings import Finding
from vmforge.builders.diagnosis.table import Sign

# Patience makes no sign of vmforge's need longer than this, in seconds: half a minute, less the time that it
# takes to look and to end.
_LONGEST_HOLD: Final = 24.0
# The part of one processor that an idle guest may want, times the patience that software emulation asks for.
# Measured with that at a login prompt: 0.01, and 0.05 to 0.11 on a host with six to nine busy programs for
# each of its processors, which the guest has to wait for.
_IDLE: Final = 0.05
_SAMPLES: Final = 256
# What blinks shows the same two things again and again: a cursor may hide what is below it.
_BLINKS: Final = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding that leaves no hope, `seconds` after it was first made."""

    finding: Finding
    seconds: float


class Idleness:
    """Whether a guest's processors have nothing to do, from samples of what they have had to do.

    Times are seconds: `now` of a clock, `wanted` as `VirtualMachine.processor_seconds` gives it. `patience`
    is that of `Conviction`.
    """

    def __init__(self, patience: float) -> None:
        self._limit = _IDLE * patience
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)

    def note(self, now: float, wanted: float) -> None:
        if self._samples and wanted < self._samples[-1][1]:  # the machine has started again
            self.forget()
        self._samples.append((now, wanted))

    def forget(self) -> None:
        """Nothing is known any more."""
        self._samples.clear()

    def lasts(self, seconds: float) -> bool:
        """Whether the guest has been idle, taken as a whole, for so long up to the last sample."""
        if not self._samples:
            return False
        now, wanted = self._samples[-1]
        earlier = [sample for sample in self._samples if sample[0] <= now - seconds]
        if not earlier:
            return False
        began, before = earlier[-1]
        return wanted - before <= self._limit * (now - began)


@dataclass
class _Still:
    """Since when nothing has been new where a sign is; what was there lately."""

    since: float
    known: deque[object]


@dataclass
class Conviction:
    """Which certain signs have been there for how long, with nothing changing where they are.

    `patience` multiplies the time that is asked for, within half a minute; `attended` says that a person may
    be looking at the screen.
    """

    patience: float
    attended: bool
    _found: dict[str, float] = field(default_factory=dict, init=False)
    _still: dict[str, _Still] = field(default_factory=dict, init=False)
    _told: set[str] = field(default_factory=set, init=False)

    def weigh(
        self,
        findings: tuple[Finding, ...],
        trace: Callable[[Finding], object],
        now: float,
        idleness: Idleness,
    ) -> Verdict | None:
        """The finding that leaves no hope, if there is one, at the time `now` in seconds. `trace` gives what
        must not change. A sign convinces once: who goes on after that has been told."""
        certain = [finding for finding in findings if self._may_end(finding)]
        self._found = {f.title: self._found.get(f.title, now) for f in certain}
        self._still = {f.sign.id: self._watched(f.sign.id, trace(f), now) for f in certain}
        ripe = [finding for finding in certain if self._is_ripe(finding.sign, now, idleness)]
        self._told.update(finding.sign.id for finding in ripe)
        return Verdict(ripe[0], now - self._found[ripe[0].title]) if ripe else None

    def hold(self, sign: Sign) -> float:
        """For how many seconds nothing may change before a sign is believed."""
        return min(sign.hold * self.patience, max(sign.hold, _LONGEST_HOLD))

    def _watched(self, sign: str, seen: object, now: float) -> _Still:
        still = self._still.get(sign) or _Still(now, deque([seen], _BLINKS))
        if seen not in still.known:
            still.known.append(seen)
            still.since = now
        return still

    def _is_ripe(self, sign: Sign, now: float, idleness: Idleness) -> bool:
        hold = self.hold(sign)
        return now - self._still[sign.id].since >= hold and (not sign.idle or idleness.lasts(hold))

    def _may_end(self, finding: Finding) -> bool:
        sign = finding.sign
        allowed = sign.certain and not (sign.unless_attended and self.attended)
        return allowed and sign.id not in self._told
