"""Objects in Cloud Storage: uploads that go on where they broke off, and deletion
(https://cloud.google.com/storage/docs/performing-resumable-uploads)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from vmforge.errors import HostError
from vmforge.sdk import Cancellation
from vmforge.sdk.cloud import Answer, CloudError, Rest

# A multiple of 256 KiB, as every piece but the last must be.
_PIECE: Final = 8 * 1024 * 1024
_INCOMPLETE: Final = 308
_PATIENCE_SECONDS, _PAUSE_SECONDS = 300.0, 1.0


class Storage:
    """The API for objects."""

    def __init__(self, rest: Rest, cancellation: Cancellation) -> None:
        self._rest = rest
        self._cancellation = cancellation

    def upload(self, path: Path, bucket: str, name: str, advance: Callable[[int], None]) -> None:
        """Send a file, piece by piece; `advance` counts bytes. The object exists once it is whole.

        Raises `CloudError`, `HostError` when the file cannot be read, `Interrupted`.
        """
        params = {"uploadType": "resumable", "name": name}
        begun = self._rest.request(
            "POST", f"upload/storage/v1/b/{quote(bucket)}/o", {}, params=params, repeatable=True
        )
        place, size, sent = begun.headers["location"], path.stat().st_size, 0
        try:
            with path.open("rb") as file:
                while True:
                    file.seek(sent)
                    arrived = self._send(place, file.read(_PIECE), sent, size)
                    advance(arrived - sent)
                    if arrived == size:
                        return
                    sent = arrived
        except OSError as error:
            raise HostError(f"cannot read `{path}`: {error.strerror}") from None

    def _send(self, place: str, piece: bytes, start: int, size: int) -> int:
        """Send a piece; how many bytes of the whole have arrived then."""
        end = start + len(piece)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                span = f"bytes {start}-{end - 1}/{size}" if piece else f"bytes */{size}"
                return _arrived(self._put(place, piece, span), size)
            except CloudError as error:
                if not error.transient or time.monotonic() > deadline:
                    raise
            self._cancellation.wait(_PAUSE_SECONDS)
            try:
                arrived = _arrived(self._put(place, b"", f"bytes */{size}"), size)
            except CloudError as error:
                if not error.transient:
                    raise
                continue
            if arrived != start:
                return arrived

    def _put(self, place: str, piece: bytes, span: str) -> Answer:
        return self._rest.request("PUT", place, data=piece, headers={"Content-Range": span})

    def names(self, bucket: str, prefix: str) -> Iterator[str]:
        """The names of a bucket's objects that begin with `prefix`."""
        params = {"prefix": prefix, "fields": "items(name),nextPageToken"}
        while True:
            page = self._rest.get(f"storage/v1/b/{quote(bucket)}/o", params=params)
            yield from (str(item["name"]) for item in page.get("items") or ())
            if not page.get("nextPageToken"):
                return
            params["pageToken"] = str(page["nextPageToken"])

    def delete(self, bucket: str, name: str) -> None:
        self._rest.delete(f"storage/v1/b/{quote(bucket)}/o/{quote(name, safe='')}")


def _arrived(answer: Answer, size: int) -> int:
    """How many bytes a server has, by what it says."""
    if answer.status != _INCOMPLETE:
        return size
    span = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("range", ""))
    return int(span[1]) + 1 if span else 0
