"""JSON over HTTPS, as clouds speak it: retried where that is safe, cancelled at once, its errors in words."""

from __future__ import annotations

import json
import logging
import random
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.cloud.errors import CloudError
from vmforge.sdk.cloud.waiting import heard
from vmforge.sdk.network import Network, shown_url

if TYPE_CHECKING:
    import requests

_log = logging.getLogger(__name__)

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0
# "Too many requests" (RFC 6585, section 4) and "unavailable": the server says that it has done nothing.
_REFUSED_FOR_NOW: Final = (429, 503)
_SERVERS_FAULT: Final = (500, 502, 504)
# A repeated request has the effect of one (RFC 9110, section 9.2.2).
_IDEMPOTENT: Final = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
_HARMLESS: Final = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: `body` is its JSON, decoded, or None; the names of `headers` are in lower case."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


def read_error(answer: Answer) -> tuple[str, str]:
    """The code and the message in an error's body, in the shapes that most clouds use: an object `error` with
    `code` and `message`, or `error` and `message`, or `id` and `message`."""
    body = answer.body if isinstance(answer.body, dict) else {}
    inner = body.get("error")
    if isinstance(inner, dict):
        code = inner.get("status") or inner.get("code") or ""
        return str(code), str(inner.get("message") or inner)
    code = body.get("code") or body.get("id") or inner or ""
    return str(code), str(body.get("message") or body.get("error_description") or inner or answer.text[:300])


class Rest:
    """A client of one API below `base`.

    `headers` is asked before each request (a token may have run out). `explain` finds code and message in an
    error's answer; `busy` are codes that mean "too many requests" whatever the status. A request is repeated
    for up to `patience` seconds, and at most `repeats` times: after "too many requests" and "unavailable"
    always, honouring `Retry-After`; after other faults of the server and lost connections only where that
    does no harm. `pauses` are the shortest and the longest between two. Raises `CloudError`; `NetworkRefused`
    offline; `Interrupted`.
    """

    def __init__(
        self,
        name: str,
        base: str,
        *,
        network: Network,
        cancellation: Cancellation,
        headers: Callable[[], Mapping[str, str]] = dict,
        explain: Callable[[Answer], tuple[str, str]] = read_error,
        busy: Collection[str] = (),
        verify: bool | str = True,
        patience: float = 120.0,
        repeats: int | None = None,
        pauses: tuple[float, float] = (_FIRST_PAUSE, _LONGEST_PAUSE),
    ) -> None:
        self._name, self._base = name, base.rstrip("/")
        self._network, self._cancellation = network, cancellation
        self._headers, self._explain, self._busy = headers, explain, busy
        self._verify, self._patience = verify, patience
        self._repeats, self._pauses = repeats, pauses
        self._session: requests.Session | None = None

    def get(self, path: str, *, params: Mapping[str, Any] | None = None) -> Any:
        """The decoded body."""
        return self.request("GET", path, params=params).body

    def post(self, path: str, body: Any = None, *, params: Mapping[str, Any] | None = None) -> Any:
        """The decoded body."""
        return self.request("POST", path, body, params=params).body

    def put(self, path: str, body: Any = None, *, params: Mapping[str, Any] | None = None) -> Any:
        """The decoded body."""
        return self.request("PUT", path, body, params=params).body

    def patch(self, path: str, body: Any = None, *, params: Mapping[str, Any] | None = None) -> Any:
        """The decoded body."""
        return self.request("PATCH", path, body, params=params).body

    def delete(self, path: str, *, params: Mapping[str, Any] | None = None) -> Any:
        """The decoded body."""
        return self.request("DELETE", path, params=params).body

    def pages(self, path: str, items: str, follow: Callable[[Any], str], **params: Any) -> Iterator[Any]:
        """The members of `items` on all pages of a list; `follow` tells where the next page is, or `""`."""
        asked: Mapping[str, Any] | None = params
        while path:
            page = self.get(path, params=asked)
            yield from page.get(items) or ()
            path, asked = follow(page), None

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | BinaryIO | Iterator[bytes] | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """One request. `path` is below `base`, or a whole URL. `body` is sent as JSON, `data` as it is (and
        then not repeated). `repeatable` says that repeating does no harm, where the method does not tell."""
        url = self._network.locate(path if "://" in path else f"{self._base}/{path.lstrip('/')}")
        harmless = method in _IDEMPOTENT if repeatable is None else repeatable
        deadline, tries = time.monotonic() + self._patience, 0
        pause, longest = self._pauses
        while True:
            try:
                ask = partial(self._once, method, url, body, params, headers, data)
                return heard(ask, self._cancellation, listening=method not in _HARMLESS)
            except CloudError as error:
                safe = harmless or error.status in _REFUSED_FOR_NOW or error.code in self._busy
                wanted = max(pause, _asked_pause(error))
                given_up = tries == self._repeats or time.monotonic() + wanted > deadline
                if not (error.transient and safe) or data is not None or given_up:
                    raise
                _log.debug("%s; again in %.1f s", error.message, wanted)
            # so that builds that were refused together do not come back together
            self._cancellation.wait(wanted * (1 + random.random() / 4))
            pause, tries = min(pause * 2, longest), tries + 1

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._session.close()

    def _once(
        self,
        method: str,
        url: str,
        body: Any,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        data: Any,
    ) -> Answer:
        import requests

        session = self._opened()
        sent = {"Accept": "application/json", **self._headers(), **(headers or {})}
        try:
            response = session.request(
                method,
                url,
                params=params,
                json=body,
                data=data,
                headers=sent,
                # else a login in `~/.netrc` takes the place of ours
                auth=lambda request: request,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                verify=self._verify,
                allow_redirects=method in _HARMLESS and not self._network.offline,
            )
        except requests.exceptions.SSLError as error:
            message = f"the connection to `{shown_url(url)}` is not secure: {_reason(error)}"
            raise CloudError(f"{self._name}: {message}") from None
        except requests.exceptions.RequestException as error:
            message = f"{self._name}: `{shown_url(url)}` does not answer: {_reason(error)}"
            raise CloudError(message, transient=_may_pass(error)) from None
        answer = _answer(response)
        _log.debug("%s %s: %d", method, shown_url(url), answer.status)
        if answer.status >= 400:
            raise self._error(method, url, answer)
        return answer

    def _opened(self) -> requests.Session:
        if self._session is None:
            import requests
            import urllib3

            if self._verify is False:  # the user has asked for it, and need not be told at every request
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            self._session = requests.Session()
            self._session.headers["User-Agent"] = "vmforge"
            # offline, no proxy may lead away from this machine
            self._session.trust_env = not self._network.offline
        return self._session

    def _error(self, method: str, url: str, answer: Answer) -> CloudError:
        code, message = self._explain(answer)
        known = f" ({code})" if code and code not in message else ""
        error = _Refused(
            f"{self._name}: {message or f'{method} {shown_url(url)} failed'}{known}",
            code=code,
            status=answer.status,
            transient=answer.status in (*_REFUSED_FOR_NOW, *_SERVERS_FAULT) or code in self._busy,
        )
        error.retry_after = answer.headers.get("retry-after", "")
        return error


class _Refused(CloudError):
    retry_after = ""


def _asked_pause(error: CloudError) -> float:
    """The seconds of `Retry-After` (RFC 9110, section 10.2.3); 0 for none, or a date: no cloud sends one."""
    text = error.retry_after if isinstance(error, _Refused) else ""
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _answer(response: requests.Response) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    body = None
    if response.content:
        try:
            body = json.loads(response.content)
        except ValueError:
            pass  # an error page of some proxy: `text` has it
    return Answer(response.status_code, body, headers, response.text if body is None else "")


def _may_pass(error: Exception) -> bool:
    """Whether it was the network, and not the address."""
    import requests

    lost = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    unknown = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
    inner = _innermost(error)
    nameless = isinstance(inner, socket.gaierror) and inner.errno in unknown
    return isinstance(error, lost) and not nameless


def _reason(error: Exception) -> str:
    inner: Any = _innermost(error)
    return str(getattr(inner, "verify_message", None) or getattr(inner, "strerror", None) or inner)


def _innermost(error: Exception) -> Exception:
    """The reason of an error: what urllib3 wraps it in says little to a person."""
    inner = error
    while isinstance(reason := _reason_within(inner), Exception):
        inner = reason
    return inner


def _reason_within(error: Exception) -> object:
    return getattr(error, "reason", None) or error.__cause__ or error.__context__ or _argument_of(error)


def _argument_of(error: Exception) -> object:
    """`requests` passes on what urllib3 raised as an argument."""
    return next((argument for argument in error.args if isinstance(argument, Exception)), None)
