"""Tries until the guest lets the user in: the wait behind `connect` and `reconnect`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from vmforge.communicators.readiness import Deadline, Readiness, Requirement
from vmforge.communicators.ssh.addresses import Tunnel, parse_tunnel
from vmforge.communicators.ssh.config import SshConfig
from vmforge.communicators.ssh.host_keys import HostKeyPin, fingerprint
from vmforge.communicators.ssh.login import (
    Algorithms,
    Credentials,
    PatientSocket,
    TryFailed,
    abandon,
    log_in,
    shake_hands,
)
from vmforge.communicators.ssh.probe import BannerRace
from vmforge.communicators.ssh.routes import Route
from vmforge.communicators.ssh.session import Session
from vmforge.communicators.ssh.tunnels import Tunnels
from vmforge.errors import CommunicatorError
from vmforge.sdk import BuildContext, Cancellation, Endpoint

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
    """Opens sessions with a guest, as often as it is asked to. Keeps what outlives them: the guest's host
    key, and the connections to the bastions on the way."""

    def __init__(
        self,
        config: SshConfig,
        credentials: Credentials,
        context: BuildContext,
        endpoint: Callable[[], Endpoint],
        time_scale: float,
    ) -> None:
        self._config, self._credentials = config, credentials
        self._ui, self._cancellation, self._live = context.ui, context.cancellation, context.live
        self._endpoint, self.time_scale = endpoint, time_scale
        self._pin = HostKeyPin(may_change=config.ssh_host_key_changes)
        self._algorithms = Algorithms(
            config.ssh_ciphers, config.ssh_key_exchange_algorithms, self._pin.order, emulated=time_scale > 1
        )
        self._route = Route.of(config, context)
        self._local = _tunnels(config.ssh_local_tunnels, context)
        self._remote = _tunnels(config.ssh_remote_tunnels, context)

    def forget_host_key(self) -> None:
        """The guest may have another host key at the next contact, and keeps that."""
        self._pin.forget()

    def close(self) -> None:
        """End the connections to the bastions; `dial` makes new ones."""
        if self._route is not None:
            self._route.close()

    def dial(self, limit: float | None, stop: Cancellation | None = None) -> Session:
        """Wait up to `limit` seconds (None: without end) for a session with its tunnels open.

        Raises `CommunicatorError` naming what was last seen when time or attempts are used up, or when
        another host key is shown than before; `Interrupted`, also when `stop` is set; what `endpoint`
        raises; `HostError` when a tunnel's port is taken.
        """
        if self._route is not None:
            self._route.reopen()
        try:
            session = self._wait(limit, stop or self._cancellation)
            self._open_tunnels(session)
        except BaseException:
            self.close()
            raise
        return session

    def _wait(self, limit: float | None, stop: Cancellation) -> Session:
        readiness, deadline = Readiness("SSH", self._ui, self._live), Deadline(limit)
        attempts, pause = Attempts(self._config.ssh_handshake_attempts), _PAUSE_FIRST
        with BannerRace(self._endpoint, readiness, stop, self._route) as race:
            while True:
                connection = race.run(deadline)
                try:
                    patient = PatientSocket.around(connection, self._silence_limit)
                    session = self._try(patient, deadline, stop)
                except TryFailed as failed:
                    news = readiness.saw(failed.sighting)
                    pause = _PAUSE_FIRST if news else min(_PAUSE_MOST, pause * _GROWTH)
                    if failed.sighting.missing is Requirement.LOGIN and attempts.refused(time.monotonic()):
                        user = self._credentials.user
                        reason = f"`{user}` was refused as often as `ssh_handshake_attempts` allows"
                        raise readiness.failure(reason) from failed
                    stop.wait(deadline.cap(pause))
                else:
                    readiness.arrived(f"`{self._credentials.user}` is logged in")
                    return session

    def _try(self, connection: PatientSocket, deadline: Deadline, stop: Cancellation) -> Session:
        limit = deadline.cap(min(_HANDSHAKE_MOST, _HANDSHAKE_LIMIT * self.time_scale))
        transport = shake_hands(connection, self._algorithms, max(limit, 1.0), stop)
        key = transport.get_remote_server_key()
        try:
            self._pin.check(key)
        except CommunicatorError:
            abandon(transport)
            raise
        log_in(transport, self._credentials, stop)
        # only now: the system that installs the guest has an SSH server with keys of its own
        if self._pin.differs(key):
            self._ui.message(f"SSH: the guest has a new host key, {fingerprint(key)}")
        self._pin.pin(key)
        interval = self._config.ssh_keep_alive_interval.seconds
        return Session(transport, self._credentials.user, self._cancellation, keep_alive=interval)

    @property
    def _silence_limit(self) -> float:
        return self._config.ssh_read_write_timeout.seconds * self.time_scale

    def _open_tunnels(self, session: Session) -> None:
        if not (self._local or self._remote):
            return
        tunnels = Tunnels(session.transport, self._cancellation)
        session.keep(tunnels.close)
        try:
            with self._cancellation.on_cancel(session.transport.close):
                tunnels.open_local(self._local)
                tunnels.open_remote(self._remote)
        except BaseException:
            session.close()
            raise


def _tunnels(texts: Iterable[str], context: BuildContext) -> tuple[Tunnel, ...]:
    """The tunnels of an option. Raises `CommunicatorError` when one makes no sense once it is rendered."""
    try:
        return tuple(parse_tunnel(context.render(text, context.data)) for text in texts)
    except ValueError as error:
        raise CommunicatorError(f"an SSH tunnel cannot be opened: {error}") from error
