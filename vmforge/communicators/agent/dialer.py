"""Tries until the guest's agent answers: the wait behind `connect` and `reconnect`."""

from __future__ import annotations

from collections.abc import Callable

from vmforge.communicators.agent.guest import Guest
from vmforge.communicators.readiness import Deadline, Readiness, Requirement, Sighting
from vmforge.errors import CommunicatorError
from vmforge.sdk import BuildContext, Endpoint, GuestAgent, patience

_ANSWER = 5.0
_PAUSE_FIRST, _PAUSE_MOST, _GROWTH = 0.2, 1.0, 1.3
_NEEDED = ("guest-exec", "guest-exec-status", "guest-file-open", "guest-file-read", "guest-file-write")

_INSTALL = (
    "is `qemu-guest-agent` installed and started in the guest? On Windows it comes with the virtio drivers. "
    "If it only needs longer, raise `agent_timeout`"
)
_ALLOW = "allow it in the guest: `/etc/sysconfig/qemu-ga` or `/etc/qemu/qemu-ga.conf` lists what is blocked"


class Dialer:
    """Waits for the agent, as often as it is asked to. `endpoint` says whether there still is a machine."""

    def __init__(self, agent: GuestAgent, context: BuildContext, endpoint: Callable[[], Endpoint]) -> None:
        self._agent, self._endpoint = agent, endpoint
        self._ui, self._cancellation, self._live = context.ui, context.cancellation, context.live

    def dial(self, limit: float) -> Guest:
        """Wait up to `limit` seconds for an agent that answers and does what is needed. Raises
        `CommunicatorError` naming what was last seen, `Interrupted`, and what `endpoint` raises."""
        readiness, deadline = Readiness("guest agent", self._ui, self._live), Deadline(limit)
        pause = _PAUSE_FIRST
        while not deadline.passed:
            self._endpoint()  # raises when there is no machine any more
            seen = self._look()
            if isinstance(seen, Guest):
                readiness.arrived("answers")
                return seen
            readiness.saw(seen)
            self._cancellation.wait(deadline.cap(pause))
            pause = min(_PAUSE_MOST, pause * _GROWTH)
        raise readiness.failure()

    def wait_for_silence(self, seconds: float) -> None:
        """Wait up to `seconds` until the agent answers no more, as before a restart."""
        deadline = Deadline(seconds)
        while not deadline.passed and self._answers():
            self._cancellation.wait(deadline.cap(_PAUSE_FIRST))

    def _answers(self) -> bool:
        try:
            self._ask("guest-ping")
        except CommunicatorError:
            return False
        return True

    def _look(self) -> Guest | Sighting:
        try:
            info = self._ask("guest-info")
            blocked = _blocked(info)
            if blocked:
                text = f"the agent may not do {', '.join(f'`{name}`' for name in blocked)}"
                return Sighting(Requirement.LOGIN, text, _ALLOW)
            system = self._ask("guest-get-osinfo")
        except CommunicatorError as error:
            return Sighting(Requirement.SERVICE, error.message, _INSTALL)
        return Guest(self._agent, self._cancellation, windows=system.get("id") == "mswindows")

    def _ask(self, command: str) -> dict[str, object]:
        answer = patience.call(
            lambda: self._agent.ask(command, timeout=_ANSWER), self._cancellation, "vmforge-agent"
        )
        return dict(answer)


def _blocked(info: dict[str, object]) -> list[str]:
    commands = info.get("supported_commands")
    enabled = {c["name"] for c in commands if c.get("enabled")} if isinstance(commands, list) else set()
    return [name for name in _NEEDED if name not in enabled]
