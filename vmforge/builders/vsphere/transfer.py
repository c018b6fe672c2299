"""Files to and from datastores and leases, over HTTPS beside the API."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from vmforge.builders.vsphere.client import Access
from vmforge.sdk import Cancellation
from vmforge.sdk.cloud import CloudError

if TYPE_CHECKING:
    import requests

_CONNECT_SECONDS: Final = 10
# vSphere answers an upload when the datastore has all of it.
_ANSWER_SECONDS: Final = 3600
_PIECE: Final = 1024**2

Told = Callable[[int], None]


class Transfer:
    """Moves files with a session's cookie. Raises `CloudError`, and `Interrupted` between two pieces."""

    def __init__(self, access: Access, cookie: Callable[[], str], cancellation: Cancellation) -> None:
        self._access = access
        self._cookie = cookie
        self._cancellation = cancellation

    def datastore_url(self, path: str, datastore: str, datacenter: str) -> str:
        """Where a file of a datastore is."""
        where = urlencode({"dcPath": datacenter, "dsName": datastore})
        port = "" if self._access.port == 443 else f":{self._access.port}"
        return f"https://{self._access.host}{port}/folder/{quote(path)}?{where}"

    def host_url(self, host: str, path: str, datastore: str) -> str:
        """Where a host itself has a file of a datastore."""
        where = urlencode({"dcPath": "ha-datacenter", "dsName": datastore})
        return f"https://{host}/folder/{quote(path)}?{where}"

    def size(self, url: str) -> int | None:
        """The size of a file in bytes; None where there is none."""
        answer = self._request("HEAD", url, headers={}, data=None)
        return int(answer.headers.get("Content-Length", -1)) if answer.status_code == 200 else None

    def put(self, url: str, file: Path, told: Told, *, cookie: str = "") -> None:
        """Upload a file."""
        with file.open("rb") as source:
            data = _Sent(source, file.stat().st_size, told, self._cancellation)
            headers = {"Content-Type": "application/octet-stream"} | ({"Cookie": cookie} if cookie else {})
            self._checked(self._request("PUT", url, headers, data), url)

    def post_disk(self, url: str, source: IO[bytes], size: int, told: Told) -> None:
        """Upload a disk (a stream-optimised VMDK) to a lease."""
        headers = {"Content-Type": "application/x-vnd.vmware-streamVmdk"}
        data = _Sent(source, size, told, self._cancellation)
        self._checked(self._request("POST", self._real(url), headers, data), url)

    def put_file(self, url: str, source: IO[bytes], size: int, told: Told) -> None:
        """Upload a file that is no disk to a lease."""
        headers = {"Content-Type": "application/octet-stream", "Overwrite": "t"}
        data = _Sent(source, size, told, self._cancellation)
        self._checked(self._request("PUT", self._real(url), headers, data), url)

    def fetch(self, url: str, target: Path, algorithm: str, told: Told) -> tuple[int, str]:
        """Download a file of a lease; its size, and its digest in hex (empty without an algorithm)."""
        import requests

        digest = hashlib.new(algorithm) if algorithm else None
        answer = self._request("GET", self._real(url), {}, None, stream=True)
        self._checked(answer, url)
        size = 0
        try:
            with answer, target.open("wb") as file:
                for piece in answer.iter_content(_PIECE):
                    self._cancellation.check()
                    file.write(piece)
                    size += len(piece)
                    told(len(piece))
                    if digest is not None:
                        digest.update(piece)
        except requests.exceptions.RequestException as error:
            raise CloudError(f"vsphere: downloading `{target.name}` broke off: {error}") from None
        return size, digest.hexdigest() if digest is not None else ""

    def _real(self, url: str) -> str:
        """Leases of a host itself have `*` for its own name."""
        parts = urlsplit(url)
        if parts.hostname != "*":
            return url
        return urlunsplit(parts._replace(netloc=f"{self._access.host}:{self._access.port}"))

    def _request(
        self, method: str, url: str, headers: dict[str, str], data: _Sent | None, *, stream: bool = False
    ) -> requests.Response:
        import requests

        verify: bool | str = (self._access.authorities or True) if self._access.verifies_tls else False
        try:
            return requests.request(
                method,
                url,
                headers={"Cookie": self._cookie(), **headers},
                data=data,
                stream=stream,
                verify=verify,
                timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS),
            )
        except requests.exceptions.RequestException as error:
            self._cancellation.check()
            raise CloudError(
                f"vsphere: `{urlsplit(url).netloc}` does not take files: {error}", transient=True
            ) from None

    def _checked(self, answer: requests.Response, url: str) -> None:
        if answer.status_code >= 300:
            where = f"{urlsplit(url).netloc}{urlsplit(url).path}"
            raise CloudError(
                f"vsphere: `{where}` answers {answer.status_code} {answer.reason}",
                status=answer.status_code,
                transient=answer.status_code in (429, 500, 502, 503, 504),
                hint="give the user the privilege `Datastore.FileManagement`"
                if answer.status_code == 403
                else "",
            )


class _Sent:
    """What is being sent; tells how far it is, and stops with the build. Its length becomes the request's."""

    def __init__(self, source: IO[bytes], size: int, told: Told, cancellation: Cancellation) -> None:
        self._source, self._left, self._told, self._cancellation = source, size, told, cancellation
        self._size = size

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        self._cancellation.check()
        piece = self._source.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        self._told(len(piece))
        return piece
