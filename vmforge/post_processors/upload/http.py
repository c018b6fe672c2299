"""Uploads by HTTP PUT. The only module here that knows requests; its exceptions end here."""

from __future__ import annotations

import base64
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import requests
import urllib3
from requests.auth import AuthBase as Auth
from requests.auth import HTTPBasicAuth

from vmforge import __version__
from vmforge.images.blocks import read_blocks
from vmforge.post_processors.upload.destination import Transfer
from vmforge.post_processors.upload.transport import Delivery, TransferFailed
from vmforge.sdk import Cancellation

# Seconds: to connect, and the longest silence of the server.
_TIMEOUT = (20.0, 300.0)
# Statuses that may be others when asked again.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_REFUSED = (401, 403, 407)
_LONGEST_WORDS = 200


def upload_http(transfer: Transfer, delivery: Delivery) -> None:
    """Send a file by PUT, with its SHA-256 for servers that compare it (RFC 9530; Artifactory's and
    Nexus' header). Raises `TransferFailed`."""
    (path,), destination = transfer.files, transfer.destination
    digest = delivery.digests[path]
    config = delivery.config
    encoded = base64.b64encode(bytes.fromhex(digest)).decode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Digest": f"sha-256=:{encoded}:",
        "X-Checksum-Sha256": digest,
        **{name: value.value for name, value in (config.headers or {}).items()},
    }
    url = f"{destination.scheme}://{destination.server}{destination.path}"
    user, password = config.username, config.password.value
    if not user and destination.user:
        user, password = destination.user, destination.password
    client = HttpClient(delivery.context.cancellation, verify=not config.insecure_skip_tls_verify)
    answer = client.send(
        "PUT",
        url,
        headers=headers,
        body=FileBody(path, delivery.context.cancellation, delivery.advance),
        auth=authorization(user, password, config.token.value),
    )
    answer.require(HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)


class FileBody:
    """A file as a request's body, with a length; may be sent again from its start."""

    def __init__(self, path: Path, cancellation: Cancellation, advance: Callable[[int], None]) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._cancellation = cancellation
        self._advance = advance
        self._sent = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        self.forget()
        for block in read_blocks(self._path):
            self._cancellation.check()
            yield block
            self._sent += len(block)
            self._advance(len(block))

    def forget(self) -> None:
        """Count back what was sent in vain."""
        self._advance(-self._sent)
        self._sent = 0


@dataclass(frozen=True)
class Answer:
    """A server's answer; the names of headers are in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def require(self, *wanted: HTTPStatus) -> None:
        """Raise `TransferFailed` unless the status is one of those."""
        if self.status in wanted:
            return
        try:
            name = f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            name = str(self.status)
        if self.status in _REFUSED:
            hint = "set `username` and `password`, or `token`, or write the login into `~/.netrc`"
            raise TransferFailed(f"the server refuses access ({name})", hint=hint)
        words = " ".join(self.body.decode("utf-8", "replace").split())[:_LONGEST_WORDS]
        said = f": {words}" if words and not words.startswith("<") else ""
        raise TransferFailed(f"the server answered {name}{said}", passing=self.status in _PASSING)


class _Header(Auth):
    """An `Authorization` as it stands; as `auth`, because `~/.netrc` would win over a mere header."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


def authorization(user: str, password: str, token: str) -> Auth | None:
    """How to log in; None leaves it to `~/.netrc`."""
    if token:
        return _Header(f"Bearer {token}")
    return HTTPBasicAuth(user.encode(), password.encode()) if user else None


class HttpClient:
    """Sends requests. Proxies and certificates are found as requests finds them (`https_proxy`,
    `REQUESTS_CA_BUNDLE` ...)."""

    def __init__(self, cancellation: Cancellation, *, verify: bool = True) -> None:
        self._cancellation = cancellation
        self._verify = verify

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: FileBody | bytes | None = None,
        auth: Auth | None = None,
    ) -> Answer:
        """The server's answer, whatever its status. Raises `TransferFailed` when there is none, and
        `Interrupted` when the build is told to stop."""
        self._cancellation.check()
        all_headers = {"User-Agent": f"vmforge/{__version__}", **(headers or {})}
        try:
            with warnings.catch_warnings():
                # the user asked for it: `insecure_skip_tls_verify`
                warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
                response = requests.request(
                    method,
                    url,
                    headers=all_headers,
                    data=body,
                    auth=auth,
                    timeout=_TIMEOUT,
                    verify=self._verify or False,
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            self._cancellation.check()
            if isinstance(body, FileBody):
                body.forget()
            raise _failure(error) from None
        answer = Answer(
            response.status_code,
            response.content,
            {name.lower(): value for name, value in response.headers.items()},
        )
        if isinstance(body, FileBody) and answer.status >= HTTPStatus.BAD_REQUEST:
            body.forget()
        return answer


_FAILURES: tuple[tuple[tuple[type[BaseException], ...], str, bool], ...] = (
    ((urllib3.exceptions.ProxyError,), "the proxy does not work (see `https_proxy`, `no_proxy`)", False),
    ((ssl.SSLCertVerificationError,), "the server's certificate is not valid", False),
    ((socket.gaierror,), "the server's name could not be resolved", False),
    ((ConnectionRefusedError,), "the server refused the connection", True),
    ((requests.ConnectTimeout,), "the server did not answer", True),
    ((requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError), "the server fell silent", True),
    (
        (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader),
        "the URL or a header is not valid",
        False,
    ),
)


def _failure(error: BaseException) -> TransferFailed:
    """The sentence for an exception. Its own text is not used: it may hold the URL's password."""
    causes = list(_causes(error))
    for kinds, sentence, passing in _FAILURES:
        if any(isinstance(cause, kinds) for cause in causes):
            return TransferFailed(sentence, passing=passing)
    return TransferFailed("the connection broke", passing=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and everything that it was raised from, however the libraries noted it."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [getattr(current, "reason", None), *current.args]
        waiting += [current.__cause__, current.__context__, *inner]


__all__ = ["Answer", "Auth", "FileBody", "HttpClient", "authorization", "upload_http"]
