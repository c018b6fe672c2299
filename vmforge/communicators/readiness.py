"""What a wait for a guest sees on its way: told once per change, and at the end if it was in vain."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum

from vmforge.errors import CommunicatorError
from vmforge.sdk import Endpoint, LiveStatus, Ui
from vmforge.sdk.values import format_seconds


class Requirement(IntEnum):
    """What must hold before a guest can be used, in the order in which a try finds out."""

    ADDRESS = 1  # its address is known and packets reach it
    PORT = 2  # something accepts connections on the port
    SERVICE = 3  # the service that is wanted answers there
    HANDSHAKE = 4  # both sides agree on how to talk
    LOGIN = 5  # the guest lets the user in


@dataclass(frozen=True, slots=True)
class Sighting:
    """How a try ended: the first requirement that did not hold, how that looked, what to try."""

    missing: Requirement
    text: str
    hint: str


class Deadline:
    """A point in time, or none: `Deadline(None)` never comes."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end

    def cap(self, seconds: float) -> float:
        """`seconds`, or what is left if that is less; never negative."""
        if self._end is None:
            return max(0.0, seconds)
        return max(0.0, min(seconds, self._end - time.monotonic()))


class Readiness:
    """Follows one wait. `service` names what is waited for ("SSH"); `live` is kept up to date."""

    def __init__(self, service: str, ui: Ui, live: LiveStatus | None = None) -> None:
        self._service, self._ui = service, ui
        self._live = live or LiveStatus()
        self._began = time.monotonic()
        self._where: Endpoint | None = None
        self._last: Sighting | None = None
        self._furthest: Sighting | None = None
        self._greeting = ""
        self.tries = 0

    def trying(self, where: Endpoint) -> None:
        """A new try begins."""
        self.tries += 1
        self._where = where

    def saw(self, sighting: Sighting) -> bool:
        """Note how a try ended, and tell the user if that is news; returns whether it is."""
        news = self._last is None or sighting.text != self._last.text
        self._last = sighting
        self._live.note(self._service, sighting.text)
        if self._furthest is None or sighting.missing >= self._furthest.missing:
            self._furthest = sighting
        if news:
            where = f" ({self._where})" if self._where else ""
            self._ui.message(f"{self._service}: {sighting.text}{where}")
        return news

    def greeted(self, greeting: str) -> None:
        """The service answered; told once, however often it does so again."""
        if greeting != self._greeting:
            self._greeting = greeting
            self._live.note(self._service, f"banner `{greeting}`")
            self._ui.message(f"{self._service}: banner `{greeting}` ({self._where})")

    def arrived(self, text: str) -> None:
        """The wait is over; say so."""
        self._live.note(self._service, text)
        where = f" ({self._where})" if self._where else ""
        self._ui.message(f"{self._service}: {text}{where}")

    def failure(self, reason: str = "") -> CommunicatorError:
        """The error for a wait in vain. `reason` says why it ends; by default, that time is up."""
        waited = format_seconds(round(time.monotonic() - self._began, 1))
        reason = reason or f"no {self._service} connection within {waited}"
        last = self._last or Sighting(Requirement.ADDRESS, "no answer yet", "allow more time")
        seen = f"last seen: {last.text}"
        if self._furthest is not None and self._furthest.missing > last.missing:
            seen += f"; earlier: {self._furthest.text}"
        tries = "1 try" if self.tries == 1 else f"{self.tries} tries"
        where = f" at {self._where} ({tries})" if self._where else ""
        return CommunicatorError(f"{reason}{where}; {seen}", hint=last.hint)
