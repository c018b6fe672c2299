"""The door to Proxmox's API: proxmoxer, its failures in words, tasks waited for, uploads streamed.

The API is described at https://pve.proxmox.com/pve-docs/api-viewer/.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vmforge.builders.proxmox.config import Access
from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk import Cancellation, Duration, Ui
from vmforge.sdk.cloud import CloudError, insist, wait_for
from vmforge.sdk.extras import needs

if TYPE_CHECKING:
    from proxmoxer import ProxmoxAPI

Parameters = Mapping[str, str | int]

_REQUEST_SECONDS: Final = 30
# The server takes the file in, checks its sum and copies it to the storage before it answers.
_UPLOAD_SECONDS: Final = 3600
_PATIENCE: Final = 90.0
_LONGEST_PAUSE: Final = 2.0
# 595 and 596 are Proxmox's own: the node that a request is passed on to could not be reached.
_NOTHING_DONE: Final = (429, 503, 595, 596)
_SERVERS_FAULT: Final = (502, 504, 597, 599)
_LOCKED: Final = ("can't lock file", "is locked", "got lock timeout", "got lock request timeout")
_ABSENT: Final = ("does not exist", "no such", "unable to find")


@dataclass
class Proxmox:
    """A session with one cluster. Raises `CloudError`, and `Interrupted` while it waits.

    Requests are repeated where that does no harm: reading always; what changes something, when the server
    says that it has done nothing (a locked machine, an unreachable node, an expired ticket).
    """

    access: Access
    cancellation: Cancellation
    task_timeout: Duration
    patience: float = _PATIENCE
    _api: ProxmoxAPI | None = field(default=None, init=False)

    @property
    def host(self) -> str:
        """The server's name or address."""
        return urlsplit(self.access.url).hostname or ""

    def log_in(self) -> None:
        """Open the session; a wrong password is told here."""
        self.get("version")

    def get(self, path: str, **parameters: str | int) -> Any:
        return self._request("get", path, parameters)

    def post(self, path: str, parameters: Parameters | None = None) -> Any:
        return self._request("post", path, parameters or {})

    def put(self, path: str, parameters: Parameters | None = None) -> Any:
        return self._request("put", path, parameters or {})

    def delete(self, path: str, **parameters: str | int) -> Any:
        return self._request("delete", path, parameters)

    def wait(self, task: Any, what: str, limit: float | None = None) -> None:
        """Wait until a task (its UPID) has ended well. A task that is waited for when the build is told to
        stop is stopped. `limit` is in seconds; that of the session's tasks when left out."""
        if not str(task).startswith("UPID:"):
            return  # some calls do their work at once and answer with nothing
        place = f"nodes/{str(task).split(':')[1]}/tasks/{task}"
        seconds = self.task_timeout.seconds if limit is None else limit
        hint = "raise `task_timeout`" if limit is None else ""
        try:
            status = wait_for(
                partial(self._ended, place),
                what,
                cancellation=self.cancellation,
                limit=seconds,
                hint=hint,
                longest_pause=_LONGEST_PAUSE,
            )
        except Interrupted:
            self._stop(place)
            raise
        if status != "OK" and not status.startswith("WARNINGS"):
            failure = CloudError(f"proxmox: {what} failed: {status}", transient=_is_locked(status))
            failure.detail = self._end_of_log(place)
            raise failure

    def upload(self, node: str, storage: str, file: Path, name: str, digest: str, ui: Ui) -> None:
        """Upload an ISO; `digest` is its SHA-256 in hex, `""` where it need not be checked."""
        checked = {"checksum": digest, "checksum-algorithm": "sha256"} if digest else {}

        def send() -> Any:
            # another session, for it may take long until the answer comes
            place = self._open(_UPLOAD_SECONDS)(f"nodes/{node}/storage/{storage}/upload")
            with (
                ui.progress(f"uploading {name}", file.stat().st_size) as progress,
                _Upload(file, name, progress.advance, self.cancellation) as source,
            ):
                return place.post(content="iso", filename=source, **checked)

        def attempt() -> Any:
            return self._translated(send, repeatable=True)

        task = insist(attempt, cancellation=self.cancellation, limit=self.patience)
        self.wait(task, f"taking in `{name}`", limit=_UPLOAD_SECONDS)

    def _ended(self, place: str) -> str | None:
        status = self.get(f"{place}/status")
        return str(status.get("exitstatus", "")) if status["status"] == "stopped" else None

    def _end_of_log(self, place: str) -> str:
        try:
            lines = self.get(f"{place}/log", limit=500)
        except VmforgeError:
            return ""  # the task's failure is what is to be told
        return "\n".join(str(line.get("t", "")) for line in lines[-10:])

    def _stop(self, place: str) -> None:
        try:
            self._once("delete", place, {})
        except VmforgeError:
            pass  # it may have ended in that moment; what it made is deleted with the build

    def _request(self, method: str, path: str, parameters: Parameters) -> Any:
        return insist(
            partial(self._once, method, path, parameters), cancellation=self.cancellation, limit=self.patience
        )

    def _once(self, method: str, path: str, parameters: Parameters) -> Any:
        repeatable = method != "post"
        try:
            return self._translated(partial(self._call, method, path, parameters), repeatable)
        except _Expired:
            self._api = None  # a ticket is good for two hours; the next one is asked for with the password
            return self._translated(partial(self._call, method, path, parameters), repeatable)

    def _call(self, method: str, path: str, parameters: Parameters) -> Any:
        if self._api is None:
            self._api = self._open(_REQUEST_SECONDS)
        return getattr(self._api(path), method)(**parameters)

    def _translated(self, call: Callable[[], Any], repeatable: bool) -> Any:
        with needs("proxmox", "proxmoxer"):
            import proxmoxer
            import requests
        try:
            return call()
        except proxmoxer.AuthenticationError as error:
            raise self._refused_login(str(error)) from None
        except proxmoxer.ResourceException as error:
            raise self._failure(error.status_code, _words(error), repeatable) from None
        except requests.exceptions.SSLError as error:
            hint = "set `REQUESTS_CA_BUNDLE` to the cluster's CA, or `insecure_skip_tls_verify = true`"
            raise CloudError(
                f"proxmox: the certificate of `{self.host}` is not trusted: {_reason(error)}", hint=hint
            ) from None
        except requests.exceptions.RequestException as error:
            self.cancellation.check()
            unsent = isinstance(error, requests.exceptions.ConnectTimeout) or "NewConnectionError" in repr(
                error
            )
            message = f"proxmox: `{self.host}` does not answer: {_reason(error)}"
            raise CloudError(message, transient=repeatable or unsent, hint="see `proxmox_url`") from None
        except ValueError as error:  # proxmoxer reads the login's answer as JSON, whatever it is
            raise CloudError(
                f"proxmox: `{self.host}` does not answer as Proxmox does: {error}", hint="see `proxmox_url`"
            ) from None

    def _failure(self, status: int, words: str, repeatable: bool) -> CloudError:
        if status == 401 and self.access.token is None and self._api is not None:
            return _Expired(f"proxmox: {words}", status=status)
        if status == 401:
            return self._refused_login(words)
        lower = words.lower()
        absent = status == 500 and any(part in lower for part in _ABSENT)
        locked = status in (400, 500) and _is_locked(lower)
        unspecific = status == 500 and words in ("", "Internal Server Error")
        fault = status in _SERVERS_FAULT or unspecific
        return CloudError(
            f"proxmox: {words or f'status {status}'}",
            code="NotFound" if absent else "",
            status=status,
            transient=status in _NOTHING_DONE or locked or (repeatable and fault),
            hint="give the user or token the missing privilege" if status == 403 else "",
        )

    def _refused_login(self, words: str) -> CloudError:
        token = self.access.token is not None
        hint = (
            "see `username` (`user@realm!tokenid`) and `token`"
            if token
            else "see `username` (`user@realm`) and `password`"
        )
        return CloudError(f"proxmox: `{self.access.username}` is not let in: {words}", status=401, hint=hint)

    def _open(self, timeout: int) -> ProxmoxAPI:
        with needs("proxmox", "proxmoxer"):
            from proxmoxer import ProxmoxAPI
        access = self.access
        user, _, token_name = access.username.partition("!")
        secret: dict[str, str] = (
            {"token_name": token_name, "token_value": access.token.value}
            if access.token is not None
            else {"password": access.password.value if access.password else ""}
        )
        url = urlsplit(access.url)
        prefix = url.path.strip("/").removesuffix("api2/json").strip("/")
        return ProxmoxAPI(
            f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname,
            user=user,
            port=url.port,
            verify_ssl=access.verifies_tls,
            timeout=timeout,
            path_prefix=prefix or None,
            **secret,
        )


class _Expired(CloudError):
    """The session's ticket is not taken any more."""


class _Upload(io.FileIO):
    """A file that is being sent under another name; tells how far it is, and stops with the build."""

    def __init__(
        self, path: Path, name: str, told: Callable[[int], None], cancellation: Cancellation
    ) -> None:
        super().__init__(path)
        self.name = name
        self._told = told
        self._cancellation = cancellation

    def read(self, size: int | None = -1, /) -> bytes:
        self._cancellation.check()
        data = super().read(-1 if size is None else size) or b""
        self._told(len(data))
        return data


def _words(error: Any) -> str:
    """The server's words: the reason in the status line, and what it says of each parameter."""
    reason = str(error.content or "").strip()
    errors = error.errors if isinstance(error.errors, dict) else {}
    details = "; ".join(f"`{name}`: {str(text).strip()}" for name, text in errors.items() if name != "errors")
    return f"{reason} ({details})" if details else reason


def _is_locked(words: str) -> bool:
    return any(part in words.lower() for part in _LOCKED)


def _reason(error: Exception) -> str:
    """The innermost reason: what urllib3 wraps it in says little to a person."""
    inner: Any = error
    while isinstance(reason := getattr(inner, "reason", None) or inner.__context__, Exception):
        inner = reason
    return str(getattr(inner, "strerror", None) or inner)
