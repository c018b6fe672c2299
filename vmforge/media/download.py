"""Fetches files over HTTP. The only module that knows requests; its exceptions end here."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any

import requests
import urllib3

from vmforge import __version__
from vmforge.cache import require_space
from vmforge.media.location import Remote
from vmforge.media.partial import Origin, PartialFile
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.network import Network, NetworkRefused
from vmforge.sdk.ui import Ui
from vmforge.sdk.values import format_bytes, format_seconds

_CHUNK = 64 * 1024
_LONGEST_TEXT = 8 * 1024 * 1024
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
# None keeps requests from what the environment says.
_NO_PROXIES: Any = dict.fromkeys(("http", "https", "all"))
# A status that may be another one when asked again.
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class FetchFailed(Exception):
    """A server did not give what was asked for, and why; `passing` if it may when asked again."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try. Times in seconds; `read` is the longest silence in the middle of an answer.

    `attempts` without any progress end a download; `pause` passes before the second of them,
    twice that before the third, and so on.
    """

    connect: float = 20.0
    read: float = 60.0
    attempts: int = 4
    pause: float = 1.0


class Fetcher:
    """Fetches for one build, from mirrors where the `network` has such. Proxies and certificates are found as
    requests finds them (`https_proxy`, `REQUESTS_CA_BUNDLE`, ...). Every method raises FetchFailed, also for
    what may not be asked offline, and Interrupted at once when the build is told to stop."""

    def __init__(
        self,
        ui: Ui,
        cancellation: Cancellation,
        patience: Patience | None = None,
        network: Network | None = None,
    ) -> None:
        self._ui = ui
        self._cancellation = cancellation
        self._patience = patience or Patience()
        self._network = network or Network()

    def fetch(self, remote: Remote, partial: PartialFile, *, verifiable: bool) -> None:
        """Fetch what `partial` lacks, in as many attempts as there is progress.

        Bytes of another version or another mirror are only kept when the result is `verifiable`.
        Raises HostError when the disk cannot take it.
        """
        fruitless, furthest = 0, partial.size
        while True:
            try:
                self._attempt(remote, partial, verifiable)
                return
            except FetchFailed as failure:
                fruitless = 0 if partial.size > furthest else fruitless + 1
                if not failure.passing or fruitless >= self._patience.attempts:
                    raise
                furthest = max(furthest, partial.size)
                self._ui.message(f"{failure}; trying again")
                self._cancellation.wait(self._patience.pause * fruitless)

    def probe(self, remote: Remote) -> Origin:
        """What the server says about the file now."""
        with self._request("HEAD", remote) as response:
            _check_status(response, HTTPStatus.OK)
            return _origin_of(remote, response)

    def read_bytes(self, remote: Remote) -> bytes:
        """A small file."""
        with self._request("GET", remote) as response:
            _check_status(response, HTTPStatus.OK)
            return self._body(response, _LONGEST_TEXT)

    def read_range(self, remote: Remote, start: int, count: int) -> tuple[bytes, int]:
        """Bytes from the middle of a file, as many as there are up to `count`, and the file's size."""
        asked = {"Range": f"bytes={start}-{start + count - 1}"}
        with self._request("GET", remote, asked) as response:
            if response.status_code == HTTPStatus.OK:
                raise FetchFailed("the server sends files as a whole only")
            _check_status(response, HTTPStatus.PARTIAL_CONTENT)
            described = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if described is None or described[1] != str(start):
                raise FetchFailed("the server sends another part of the file than was asked for")
            return self._body(response, count), int(described[2])

    def _body(self, response: requests.Response, longest: int) -> bytes:
        body = bytearray()
        for chunk in self._chunks(response):
            body += chunk
            if len(body) > longest:
                raise FetchFailed(f"it is longer than {format_bytes(longest)}")
        return bytes(body)

    def _attempt(self, remote: Remote, partial: PartialFile, verifiable: bool) -> None:
        with self._request("GET", remote, _resume_headers(remote, partial, verifiable)) as response:
            if not _place(remote, response, partial):
                return
            size = partial.origin.size if partial.origin else None
            if size is not None:
                require_space(partial.path.parent, size - partial.size)
            with self._ui.progress(remote.name, size) as progress:
                progress.advance(partial.size)
                try:
                    for chunk in self._chunks(response):
                        partial.write(chunk)
                        progress.advance(len(chunk))
                except FetchFailed as failure:
                    raise FetchFailed(
                        f"{failure} after {_amount(partial)}", passing=failure.passing
                    ) from failure
        if size is not None and partial.size != size:
            raise FetchFailed(f"the answer ended after {_amount(partial)}", passing=partial.size < size)

    @contextmanager
    def _request(
        self, method: str, remote: Remote, headers: Mapping[str, str] | None = None
    ) -> Iterator[requests.Response]:
        # the bytes as they are: a length and a range of something compressed on the way mean nothing
        all_headers = {
            "User-Agent": f"vmforge/{__version__}",
            "Accept-Encoding": "identity",
            **(headers or {}),
        }
        timeout = (self._patience.connect, self._patience.read)
        place = self._place_of(remote)
        offline = self._network.offline

        def ask() -> requests.Response:
            # offline, neither a redirect nor a proxy may lead away from this machine
            return requests.request(
                method,
                place.url,
                headers=all_headers,
                stream=True,
                timeout=timeout,
                allow_redirects=not offline,
                proxies=_NO_PROXIES if offline else None,
            )

        try:
            response = _in_background(ask, self._cancellation)
        except requests.RequestException as error:
            raise self._failure(place.host, error) from error
        with response:
            yield response

    def _place_of(self, remote: Remote) -> Remote:
        """Where to ask for a file: its server, or a mirror's."""
        try:
            return Remote(self._network.locate(remote.url))
        except NetworkRefused as refused:
            raise FetchFailed(refused.message) from None

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        with _CutOnCancel(response, self._cancellation):
            try:
                yield from response.raw.stream(_CHUNK, decode_content=False)
            except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
                self._cancellation.check()
                raise self._failure(Remote(response.url).host, error) from error
        self._cancellation.check()

    def _failure(self, host: str, error: BaseException) -> FetchFailed:
        """The sentence for an exception. Its own text is not used: it may hold the URL's password."""
        connect, read = (format_seconds(span) for span in (self._patience.connect, self._patience.read))
        causes = list(_causes(error))
        for kinds, text, passing in _FAILURES:
            for cause in causes:
                if isinstance(cause, kinds):
                    detail = getattr(cause, "verify_message", "")
                    sentence = text.format(host=host, connect=connect, read=read, detail=detail)
                    return FetchFailed(sentence, passing=passing)
        for cause in causes:
            if type(cause) is OSError and cause.strerror:  # no route to host, network is unreachable
                return FetchFailed(f"`{host}` cannot be reached: {cause.strerror.lower()}")
        return FetchFailed(f"the connection to `{host}` broke", passing=True)


# In the order of how much they explain: one failure is raised from another several times over.
_FAILURES: tuple[tuple[tuple[type[BaseException], ...], str, bool], ...] = (
    (
        (urllib3.exceptions.ProxyError,),
        "the proxy for `{host}` does not work (see `http_proxy`, `https_proxy`, `no_proxy`)",
        False,
    ),
    ((ssl.SSLCertVerificationError,), "the certificate of `{host}` is not valid: {detail}", False),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), "the connection to `{host}` broke", True),
    ((ssl.SSLError,), "no secure connection to `{host}` could be made", False),
    ((socket.gaierror,), "the name `{host}` could not be resolved", False),
    ((ConnectionRefusedError,), "`{host}` refused the connection", False),
    ((requests.ConnectTimeout,), "`{host}` did not answer within {connect}", False),
    ((requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError), "`{host}` sent nothing for {read}", True),
    ((requests.TooManyRedirects,), "`{host}` redirects in a circle", False),
    (
        (requests.exceptions.InvalidURL, urllib3.exceptions.LocationParseError, UnicodeError),
        "`{host}` is not the name of a server",
        False,
    ),
)


def _resume_headers(remote: Remote, partial: PartialFile, verifiable: bool) -> dict[str, str]:
    """The headers that ask for what is missing; none where what is there cannot be trusted to fit."""
    if not partial.size:
        return {}
    headers = {"Range": f"bytes={partial.size}-"}
    same_source = partial.origin is not None and partial.origin.url == str(remote)
    if same_source and partial.origin is not None and partial.origin.validator:
        headers["If-Range"] = partial.origin.validator
    elif not verifiable:
        return {}
    return headers


def _amount(partial: PartialFile) -> str:
    size = partial.origin.size if partial.origin else None
    return f"{partial.size:,} bytes" if size is None else f"{partial.size:,} of {size:,} bytes"


def _place(remote: Remote, response: requests.Response, partial: PartialFile) -> bool:
    """Make `partial` ready for the answer's body; False when nothing is missing.

    Raises FetchFailed for every other answer than the file or its rest.
    """
    status = response.status_code
    described = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    start, size = (described[1], int(described[2])) if described else (None, None)
    known = partial.origin.size if partial.origin else None
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and partial.size:
        if size == partial.size:
            return False
    elif status == HTTPStatus.PARTIAL_CONTENT and partial.size:
        if start == str(partial.size) and (known is None or known == size):
            partial.set_origin(_origin_of(remote, response, size))
            partial.resumed = True
            return True
    else:
        _check_status(response, HTTPStatus.OK)
        if partial.size:
            partial.restart()
        partial.set_origin(_origin_of(remote, response))
        return True
    partial.restart()
    raise FetchFailed("the server has another file than the one that was begun", passing=True)


def _check_status(response: requests.Response, wanted: HTTPStatus) -> None:
    """Raise FetchFailed unless the answer has the status that is wanted."""
    status = response.status_code
    if status == wanted:
        return
    try:
        name = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        name = str(status)
    if status in (401, 403, 407):
        raise FetchFailed(f"the server refuses access ({name})")
    if status in (404, 410):
        raise FetchFailed(f"the server has no such file ({name})")
    if response.is_redirect:
        raise FetchFailed(f"the server leads elsewhere ({name}), which is not followed offline")
    raise FetchFailed(f"the server answered {name}", passing=status in _PASSING)


def _origin_of(remote: Remote, response: requests.Response, size: int | None = None) -> Origin:
    length = response.headers.get("Content-Length", "")
    if size is None and length.isdecimal():
        size = int(length)
    headers = response.headers
    return Origin(str(remote), headers.get("ETag", ""), headers.get("Last-Modified", ""), size)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and everything that it was raised from, however the libraries noted it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [getattr(current, "reason", None), *current.args]
        waiting += [current.__cause__, current.__context__, *inner]


def _in_background(ask: Callable[[], requests.Response], cancellation: Cancellation) -> requests.Response:
    """The answer's head, waited for on another thread: looking up a name cannot be interrupted."""
    future: Future[requests.Response] = Future()
    done = threading.Event()
    future.add_done_callback(lambda finished: done.set())

    def run() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="http-request", daemon=True).start()
    with cancellation.on_cancel(done.set):
        done.wait()
    try:
        cancellation.check()
    except BaseException:
        future.add_done_callback(_close_unwanted)
        raise
    return future.result()


def _close_unwanted(future: Future[requests.Response]) -> None:
    if future.exception() is None:
        future.result().close()


class _CutOnCancel:
    """Shuts an answer's connection down when the build is told to stop, which ends a blocked read."""

    def __init__(self, response: requests.Response, cancellation: Cancellation) -> None:
        try:
            # a descriptor of our own: the answer's may be closed and be another file's by then
            self._socket = socket.socket(fileno=os.dup(response.raw.fileno()))
        except (OSError, ValueError, AttributeError):
            self._socket = socket.socket()  # the body has arrived already
        self._registration = cancellation.on_cancel(self._cut)

    def __enter__(self) -> None:
        self._registration.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._registration.__exit__(kind, error, trace)
        self._socket.close()

    def _cut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is over already
