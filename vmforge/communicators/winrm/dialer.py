"""Tries until the guest lets the user in: the wait behind `connect` and `reconnect`."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable

from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from requests.exceptions import SSLError, Timeout

from vmforge.communicators.readiness import Deadline, Readiness, Requirement, Sighting
from vmforge.communicators.winrm.config import WinRmConfig
from vmforge.communicators.winrm.probe import look
from vmforge.communicators.winrm.session import ERRORS, Session, fault_text, reason_of
from vmforge.errors import CommunicatorError
from vmforge.sdk import BuildContext, Endpoint

# Seconds until the next try, and how long a try may wait for the first byte of an answer: a connection
# that was accepted before the guest listened may hang for good.
_PAUSE_FIRST, _PAUSE_MOST, _GROWTH = 0.2, 2.0, 1.5
_ANSWER_FIRST, _ANSWER_MOST = 1.0, 10.0

_BASIC = (
    "check `winrm_password`; Basic must be allowed in the guest (`winrm set winrm/config/service/auth "
    '@{Basic="true"}`, over HTTP also `winrm set winrm/config/service @{AllowUnencrypted="true"}`), or set '
    "`winrm_use_ntlm = true`"
)
_NTLM = "check `winrm_username` (`DOMAIN\\user` for an account of a domain) and `winrm_password`"


class Dialer:
    """Opens sessions with a guest, as often as it is asked to."""

    def __init__(
        self,
        config: WinRmConfig,
        context: BuildContext,
        endpoint: Callable[[], Endpoint],
        time_scale: float,
    ) -> None:
        self._config, self._endpoint, self._time_scale = config, endpoint, time_scale
        self._ui, self._cancellation, self._live = context.ui, context.cancellation, context.live

    def dial(self, limit: float) -> Session:
        """Wait up to `limit` seconds for a session.

        Raises `CommunicatorError` naming what was last seen when time is up, `Interrupted`, and what
        `endpoint` raises.
        """
        readiness, deadline = Readiness("WinRM", self._ui, self._live), Deadline(limit)
        pause, patience = _PAUSE_FIRST, _ANSWER_FIRST
        while not deadline.passed:
            tried = self._try(readiness, deadline, patience * self._time_scale)
            if isinstance(tried, Session):
                readiness.arrived(f"`{self._config.winrm_username}` is logged in")
                return tried
            news = readiness.saw(tried)
            pause = _PAUSE_FIRST if news else min(_PAUSE_MOST, pause * _GROWTH)
            patience = min(_ANSWER_MOST, patience * _GROWTH)
            self._cancellation.wait(deadline.cap(pause))
        raise readiness.failure()

    def _try(self, readiness: Readiness, deadline: Deadline, patience: float) -> Session | Sighting:
        try:
            where = self._endpoint()
        except CommunicatorError as error:
            return Sighting(Requirement.ADDRESS, error.message, error.hint)
        readiness.trying(where)
        if not self._uses_proxy(where):
            seen = look(where, self._config.winrm_use_ssl, deadline.cap(patience), self._cancellation)
            if seen is not None:
                return seen
        session = Session(self._config, where, self._cancellation)
        try:
            session.log_in()
        except ERRORS as error:
            session.close()
            return self._sighting_of(error)
        except BaseException:
            session.close()
            raise
        return session

    def _uses_proxy(self, where: Endpoint) -> bool:
        """Whether the environment names a proxy for the guest, which a connection of ours would pass by."""
        scheme = "https" if self._config.winrm_use_ssl else "http"
        named = scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(where.host)
        return bool(named) and not self._config.winrm_no_proxy

    def _sighting_of(self, error: BaseException) -> Sighting:
        if isinstance(error, AuthenticationError):
            user, way = self._config.winrm_username, "NTLM" if self._config.winrm_use_ntlm else "Basic"
            text = f"`{user}` was refused ({way})"
            return Sighting(Requirement.LOGIN, text, _NTLM if self._config.winrm_use_ntlm else _BASIC)
        if isinstance(error, WSManFaultError):
            hint = "may the user use WinRM (`winrm configSDDL default`), or is the guest still setting up?"
            return Sighting(Requirement.LOGIN, f"no shell: {fault_text(error)}", hint)
        if isinstance(error, SSLError):
            text = f"TLS: {reason_of(error)}"
            return Sighting(Requirement.HANDSHAKE, text, "set `winrm_insecure = true` to accept it")
        if isinstance(error, Timeout):
            hint = "the guest may be busy; if it only needs longer, raise `winrm_timeout`"
            return Sighting(Requirement.HANDSHAKE, "WinRM does not answer a login", hint)
        if isinstance(error, WinRMTransportError):
            text = f"WinRM answers HTTP {error.code}"
            return Sighting(Requirement.SERVICE, text, "is something else on `winrm_port`?")
        hint = "look at the guest's console"
        return Sighting(Requirement.SERVICE, f"the connection broke: {reason_of(error)}", hint)
