"""Tries until the guest lets the user in: the wait behind `connect` and `reconnect`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vmforge.communicators.readiness import Deadline, Readiness, Requirement
from vmforge.communicators.ssh.config import SshConfig
from vmforge.communicators.ssh.login import Credentials, PatientSocket, TryFailed, log_in, shake_hands
from vmforge.communicators.ssh.probe import BannerRace
from vmforge.communicators.ssh.session import Session
from vmforge.sdk import BuildContext, Endpoint

# How long a key exchange or a login may take before the connection is taken for dead. Software
# emulation is slow, but a guest that was reset in the middle will never answer.
_HANDSHAKE_LIMIT, _HANDSHAKE_MOST = 15.0, 60.0

# Seconds until the next try after one that got as far as the SSH server. Servers of today lock out who fails
# often (OpenSSH's `PerSourcePenalties`: 5 s for a refused login).
_PAUSE_FIRST, _PAUSE_MOST, _GROWTH = 0.5, 2.5, 1.5


@dataclass
class Attempts:
    """Counts refused logins against `ssh_handshake_attempts`.

    Templates' numbers were found by trying with Packer, which needs about seven seconds for each
    attempt. So that they still outlast the same installation, an attempt counts for as long here,
    although the login is tried more often.
    """

    limit: int | None
    pace: float = 7.0
    _used: int = field(default=0, init=False)
    _counted_at: float = field(default=float("-inf"), init=False)

    def refused(self, now: float) -> bool:
        """Note a refused login at time `now`, in seconds; returns whether none is left."""
        if now - self._counted_at >= self.pace:
            self._used += 1
            self._counted_at = now
        return bool(self.limit) and self._used >= (self.limit or 0)


class Dialer:
    """Opens sessions with a guest, as often as it is asked to."""

    def __init__(
        self,
        config: SshConfig,
        credentials: Credentials,
        context: BuildContext,
        endpoint: Callable[[], Endpoint],
        time_scale: float,
    ) -> None:
        self._config, self._credentials = config, credentials
        self._ui, self._cancellation = context.ui, context.cancellation
        self._endpoint, self._time_scale = endpoint, time_scale

    def dial(self, limit: float | None) -> Session:
        """Wait up to `limit` seconds (None: without end) for a session.

        Raises `CommunicatorError` naming what was last seen when time or attempts are used up,
        `Interrupted`, and what `endpoint` raises.
        """
        readiness, deadline = Readiness("SSH", self._ui), Deadline(limit)
        attempts, pause = Attempts(self._config.ssh_handshake_attempts), _PAUSE_FIRST
        with BannerRace(self._endpoint, readiness, self._cancellation) as race:
            while True:
                connection = race.run(deadline)
                try:
                    session = self._try(PatientSocket.around(connection, self._silence_limit), deadline)
                except TryFailed as failed:
                    news = readiness.saw(failed.sighting)
                    pause = _PAUSE_FIRST if news else min(_PAUSE_MOST, pause * _GROWTH)
                    if failed.sighting.missing is Requirement.LOGIN and attempts.refused(time.monotonic()):
                        user = self._credentials.user
                        reason = f"`{user}` was refused as often as `ssh_handshake_attempts` allows"
                        raise readiness.failure(reason) from failed
                    self._cancellation.wait(deadline.cap(pause))
                else:
                    readiness.arrived(f"`{self._credentials.user}` is logged in")
                    return session

    def _try(self, connection: PatientSocket, deadline: Deadline) -> Session:
        limit = deadline.cap(min(_HANDSHAKE_MOST, _HANDSHAKE_LIMIT * self._time_scale))
        transport = shake_hands(connection, self._config, max(limit, 1.0), self._cancellation)
        log_in(transport, self._credentials, self._cancellation)
        interval = self._config.ssh_keep_alive_interval.seconds
        return Session(transport, self._credentials.user, self._cancellation, keep_alive=interval)

    @property
    def _silence_limit(self) -> float:
        return self._config.ssh_read_write_timeout.seconds * self._time_scale
