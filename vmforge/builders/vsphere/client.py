"""The door to vSphere's API: pyVmomi, its faults in words, sessions renewed, tasks waited for.

The API is described at https://developer.broadcom.com/xapis/vsphere-web-services-api/latest/.
"""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Final, TypeVar
from xml.parsers.expat import ExpatError

from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk import Cancellation, Secret
from vmforge.sdk.cloud import CloudError, insist, wait_for
from vmforge.sdk.extras import needs

T = TypeVar("T")

_PORT: Final = 443
_REQUEST_SECONDS: Final = 120
_PATIENCE: Final = 90.0
_LONGEST_PAUSE: Final = 2.0
TASK_SECONDS: Final = 4 * 3600.0
# vSphere has done nothing yet: somebody else is at work on the same thing.
_BUSY: Final = ("TaskInProgress", "ConcurrentAccess", "FileLocked", "ResourceInUse", "HostCommunication")
_ABSENT: Final = ("ManagedObjectNotFound", "FileNotFound")


@dataclass(frozen=True, slots=True)
class Access:
    """A server (`vcenter.example`, `vcenter.example:8443`), and who asks."""

    server: str
    username: str
    password: Secret
    verifies_tls: bool = True

    @property
    def host(self) -> str:
        return self.server.rpartition(":")[0] if self._has_port else self.server

    @property
    def port(self) -> int:
        return int(self.server.rpartition(":")[2]) if self._has_port else _PORT

    @property
    def _has_port(self) -> bool:
        _, colon, port = self.server.rpartition(":")
        return bool(colon) and port.isdigit()

    def tls(self) -> ssl.SSLContext:
        """What the server's certificate is checked with."""
        context = ssl.create_default_context(cafile=self.authorities or None)
        if not self.verifies_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def authorities(self) -> str:
        """A file of certificate authorities that the user names, as for other programs; empty for none."""
        return os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE", "")


@dataclass
class Vsphere:
    """A session with one server. Raises `CloudError`, and `Interrupted` while it waits.

    `ask` repeats what only reads; `do` what changes something, where the server says it did nothing.
    """

    access: Access
    cancellation: Cancellation
    patience: float = _PATIENCE
    _instance: Any = field(default=None, init=False)

    def __enter__(self) -> Vsphere:
        self.log_in()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log_out()

    def log_in(self) -> None:
        """Open the session; a wrong password is told here."""
        self.ask(lambda: self.content.about.apiVersion)

    def adopt(self, other: Vsphere) -> None:
        """Go on with the session of another one."""
        self._instance = other._instance

    def log_out(self) -> None:
        """Close it, if that is possible. What is asked after that opens it again."""
        if self._instance is None:
            return
        try:
            self._translated(self.content.sessionManager.Logout, repeatable=False)
        except VmforgeError:
            pass  # it ends by itself after a while

    @property
    def content(self) -> Any:
        """The root of the API (`ServiceContent`)."""
        if self._instance is None:
            self._instance = self._open()
        return self._instance.content

    @property
    def cookie(self) -> str:
        """The session's cookie, for what is not asked of the API: files."""
        return str(self._instance._stub.cookie)

    def ask(self, work: Callable[[], T]) -> T:
        return self._insisting(work, repeatable=True)

    def do(self, work: Callable[[], T]) -> T:
        return self._insisting(work, repeatable=False)

    def properties(self, entity: Any, *paths: str) -> dict[str, Any]:
        """Properties of an object, by their paths (`config.template`); what is not set is left out."""
        return self.ask(lambda: self._properties(entity, paths))

    def run(self, start: Callable[[], Any], what: str, limit: float = TASK_SECONDS) -> Any:
        """Start a task and wait until it has ended well; its result. One that finds its object busy is
        started again. A task that is waited for when the build is told to stop is stopped."""
        return insist(
            lambda: self._run(start, what, limit), cancellation=self.cancellation, limit=self.patience
        )

    def _run(self, start: Callable[[], Any], what: str, limit: float) -> Any:
        task = self.do(start)
        try:
            info = wait_for(
                partial(self._ended, task),
                what,
                cancellation=self.cancellation,
                limit=limit,
                longest_pause=_LONGEST_PAUSE,
            )
        except Interrupted:
            self._stop(task)
            raise
        if info.get("info.error") is not None:
            raise _translate(info["info.error"], repeatable=False, what=what)
        return info.get("info.result")

    def _ended(self, task: Any) -> dict[str, Any] | None:
        """What there is to know of a task that has ended; None of another."""
        info = self.properties(task, "info.state", "info.error", "info.result")
        return info if str(info["info.state"]) in ("success", "error") else None

    def _properties(self, entity: Any, paths: tuple[str, ...]) -> dict[str, Any]:
        from pyVmomi import vmodl

        collector = vmodl.query.PropertyCollector
        spec = collector.FilterSpec(
            objectSet=[collector.ObjectSpec(obj=entity)],
            propSet=[collector.PropertySpec(type=type(entity), pathSet=list(paths))],
        )
        (found,) = self.content.propertyCollector.RetrieveContents([spec])
        return {one.name: one.val for one in found.propSet}

    def _stop(self, task: Any) -> None:
        try:
            self._translated(task.CancelTask, repeatable=False)
        except VmforgeError:
            pass  # it may have ended, or cannot be stopped; what it made is deleted with the build

    def _insisting(self, work: Callable[[], T], *, repeatable: bool) -> T:
        def attempt() -> T:
            try:
                return self._translated(work, repeatable=repeatable)
            except CloudError as error:
                if error.code != "NotAuthenticated":
                    raise
            self._log_in_again()
            return self._translated(work, repeatable=repeatable)

        return insist(attempt, cancellation=self.cancellation, limit=self.patience)

    def _log_in_again(self) -> None:
        """A session ends after half an hour in which nothing was asked."""
        access = self.access
        self._translated(
            lambda: self.content.sessionManager.Login(access.username, access.password.value), repeatable=True
        )

    def _open(self) -> Any:
        with needs("vsphere", "pyVmomi"):
            from pyVim.connect import SmartConnect
        access = self.access
        return SmartConnect(
            host=access.host,
            port=access.port,
            user=access.username,
            pwd=access.password.value,
            sslContext=access.tls(),
            httpConnectionTimeout=_REQUEST_SECONDS,
        )

    def _translated(self, work: Callable[[], T], *, repeatable: bool) -> T:
        with needs("vsphere", "pyVmomi"):
            from pyVmomi import vmodl
        try:
            return work()
        except vmodl.MethodFault as fault:
            raise _translate(fault, repeatable=repeatable, user=self.access.username) from None
        except ssl.SSLError as error:
            hint = "set `SSL_CERT_FILE` to the server's CA, or `insecure_connection = true`"
            reason = getattr(error, "verify_message", "") or error.reason or error
            message = f"vsphere: the certificate of `{self.access.host}` is not trusted: {reason}"
            raise CloudError(message, hint=hint) from None
        except (OSError, http.client.HTTPException, ExpatError) as error:
            self.cancellation.check()
            unsent = isinstance(error, ConnectionRefusedError)
            message = f"vsphere: `{self.access.host}` does not answer: {error or type(error).__name__}"
            busy = str(error).startswith(("503", "429"))
            raise CloudError(
                message, transient=repeatable or unsent or busy, hint="see `vcenter_server`"
            ) from None


def _translate(fault: Any, *, repeatable: bool, what: str = "", user: str = "") -> CloudError:
    name = type(fault).__name__.rpartition(".")[2]
    words = str(getattr(fault, "msg", "") or "") or name
    details = [str(one.message) for one in getattr(fault, "faultMessage", None) or () if one.message]
    said = f"{what} failed: {words}" if what else words
    if name == "InvalidLogin":
        return CloudError(f"vsphere: `{user}` is not let in", code=name, hint="see `username` and `password`")
    if name == "NoPermission":
        privilege = getattr(fault, "privilegeId", "")
        return CloudError(f"vsphere: {said}", code=name, hint=f"give the user the privilege `{privilege}`")
    found = CloudError(
        f"vsphere: {said}" + (f" ({name})" if name not in said else ""),
        code="NotFound" if name in _ABSENT else name,
        transient=name in _BUSY or (repeatable and name in ("SystemError", "HostNotReachable")),
    )
    found.detail = "\n".join(dict.fromkeys(details))
    return found
