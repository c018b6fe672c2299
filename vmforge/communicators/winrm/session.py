"""An open WinRM session: shells, processes in them, and pypsrp's errors in our words.

WinRM is a request and an answer over HTTP each time; what stands between them is the login's secret (NTLM)
and the shell. A shell is made for each command, so that a command sees what an installer before it did to
the environment, and no shell dies of idleness.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from xml.etree import ElementTree as ET

from pypsrp.exceptions import AuthenticationError, WinRMError, WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode, WinRS
from pypsrp.wsman import WSMan
from requests import RequestException

from vmforge.communicators.readiness import Deadline
from vmforge.communicators.winrm.config import WinRmConfig
from vmforge.errors import CommunicatorError
from vmforge.sdk import Cancellation, Endpoint, patience

T = TypeVar("T")

_log = logging.getLogger(__name__)

# pypsrp logs every envelope at this level, and so every command and file.
logging.getLogger("pypsrp").setLevel(logging.INFO)

# How long the guest may hold back its answer while a process says nothing; then it is asked again.
_PATIENCE = 20
# What every Windows since 8 and Server 2012 takes; the ones before, by their default, take this much.
_OLD_ENVELOPE = 150 * 1024
_UTF_8 = 65001
_NO_SUCH_SHELL = 2150858843

ERRORS = (WinRMError, RequestException, OSError, ET.ParseError)


class Session:
    """A login that worked. One thread uses it; `close` may be called from another."""

    def __init__(self, config: WinRmConfig, where: Endpoint, cancellation: Cancellation) -> None:
        self.user, self.where, self.cancellation = config.winrm_username, where, cancellation
        self._broken = False
        ntlm, secure = config.winrm_use_ntlm, config.winrm_use_ssl
        self._wsman = WSMan(
            where.host,
            port=where.port,
            username=config.winrm_username,
            password=config.winrm_password.value,
            ssl=secure,
            auth="ntlm" if ntlm else "basic",
            encryption="auto" if ntlm or secure else "never",
            cert_validation=not config.winrm_insecure,
            no_proxy=config.winrm_no_proxy,
            connection_timeout=_PATIENCE,
            operation_timeout=_PATIENCE,
            read_timeout=_PATIENCE + 10,
            max_envelope_size=_OLD_ENVELOPE,
            reconnection_backoff=0.2,
        )

    def log_in(self) -> None:
        """Open and close a shell, as any command will. Raises pypsrp's and requests' errors."""
        with self._shell():
            pass
        try:
            self.call(self._wsman.update_max_payload_size)
        except ERRORS as error:
            # who is no administrator may not ask
            _log.info("the size of envelopes stays %d: %s", _OLD_ENVELOPE, error)

    @property
    def chunk_size(self) -> int:
        """How many bytes, as a line of Base64, fit into one envelope."""
        return max(3, (self._wsman.max_payload_size - 2) // 4 * 3)

    @contextmanager
    def process(
        self, doing: str, command: str, arguments: list[str] | None = None
    ) -> Iterator[RemoteProcess]:
        """A process in a shell of its own, ended with the block. Without arguments, the command is one of
        `cmd`'s. Raises `CommunicatorError` for a connection that breaks; `doing` completes "broke while"."""
        with self.guard(doing), self._shell() as shell:
            process = Process(shell, command, arguments)
            self.call(process.begin_invoke)
            running = RemoteProcess(self, process)
            try:
                yield running
            finally:
                running.end()

    @contextmanager
    def guard(self, doing: str) -> Iterator[None]:
        """Within it, the library's errors become `CommunicatorError`s."""
        try:
            yield
        except AuthenticationError as error:
            raise CommunicatorError(f"the guest refused `{self.user}` while {doing}") from error
        except WSManFaultError as error:
            if error.code == _NO_SUCH_SHELL:
                raise lost(doing, "the guest has restarted or ended the shell") from error
            reason = fault_text(error)
            raise CommunicatorError(f"the guest's WinRM service failed while {doing}: {reason}") from error
        except ERRORS as error:
            raise lost(doing, reason_of(error)) from error

    def call(self, function: Callable[[], T]) -> T:
        """Call the library, and return at once when the build is told to stop; the time limits of HTTP end
        what is left behind."""
        try:
            return patience.call(function, self.cancellation, "vmforge-winrm")
        except RequestException:
            self._broken = True
            raise

    @contextmanager
    def _shell(self) -> Iterator[WinRS]:
        shell = WinRS(self._wsman, codepage=_UTF_8)
        self.call(shell.open)
        try:
            yield shell
        finally:
            self.tidy(shell.close)

    def tidy(self, function: Callable[[], object]) -> None:
        """Give something back to the guest, unless that is gone, or the build is to end at once."""
        if self._broken or self.cancellation.cancelled:
            return
        try:
            self.call(function)
        except ERRORS as error:
            # the guest ends what is idle itself
            _log.info("tidying up: %s", error)

    def close(self) -> None:
        self._wsman.close()


class RemoteProcess:
    """A process that runs in the guest."""

    def __init__(self, session: Session, process: Process) -> None:
        self._session, self._process = session, process

    def send(self, data: bytes, *, end: bool) -> None:
        """Give it standard input."""
        self._session.call(lambda: self._process.send(data, end=end))

    def receive(self, deadline: Deadline) -> tuple[bytes, bytes] | None:
        """What it has printed since the last call, by stream: waits for some, up to 20 s or the deadline.
        None once it has ended and there is no more."""
        process = self._process
        if process.state == CommandState.DONE:
            return None
        self._session.call(lambda: process.poll_invoke(timeout=max(1, round(deadline.cap(_PATIENCE)))))
        printed = process.stdout, process.stderr
        process.stdout = process.stderr = b""
        return printed

    @property
    def status(self) -> int:
        """Its exit status, from 0 to 4294967295 (which programs may mean as -1)."""
        return (self._process.rc or 0) % 2**32

    def end(self) -> None:
        """End it, or let the service forget it."""
        self._session.tidy(lambda: self._process.signal(SignalCode.TERMINATE))


def fault_text(error: WSManFaultError) -> str:
    """The service's own sentence."""
    reason = " ".join(str(error.reason or "no reason given").split())
    return f"{reason} (code {error.code})"


def reason_of(error: BaseException) -> str:
    """The system's words at the root of an error: requests wraps them several times."""
    inner = error.__cause__ or error.__context__
    while inner is not None and not isinstance(inner, OSError | None):
        error, inner = inner, inner.__cause__ or inner.__context__
    root = inner if isinstance(inner, OSError) else error
    text = getattr(root, "strerror", None) or str(root) or type(root).__name__
    return str(text)


def lost(doing: str, reason: str = "") -> CommunicatorError:
    """The error for a connection that broke."""
    because = f": {reason}" if reason else ""
    return CommunicatorError(
        f"the connection to the guest broke while {doing}{because}",
        hint="did the guest restart? then use `windows-restart`; else look at its console",
    )
