"""Calls to a registry of boxes: JSON both ways, and files put where it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from vmforge.errors import VmforgeError
from vmforge.post_processors.upload.http import Answer, FileBody, HttpClient, authorization
from vmforge.post_processors.upload.transport import TransferFailed
from vmforge.sdk import Cancellation

_ATTEMPTS = 4
_PAUSE_SECONDS = 1.0
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_LONGEST_WORDS = 300


class ServiceError(VmforgeError):
    """A registry could not be reached, or refused; `status` is 0 without an answer."""

    def __init__(self, message: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Service:
    """A registry below one URL. What fails for a reason that may pass is tried again, after a pause.

    `name` is what messages call it. With a `token` every call but uploads carries it: they go to a storage
    whose URL is the permission.
    """

    def __init__(self, name: str, url: str, client: HttpClient, cancellation: Cancellation) -> None:
        self.token = ""
        self._name = name
        self._url = url.rstrip("/")
        self._client = client
        self._cancellation = cancellation

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path)

    def find(self, path: str) -> dict[str, Any] | None:
        """What is at a path; None when there is nothing."""
        try:
            return self.get(path)
        except ServiceError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def post(self, path: str, document: Mapping[str, object]) -> dict[str, Any]:
        return self._call("POST", path, json.dumps(document).encode())

    def put(self, path: str, document: Mapping[str, object] | None = None) -> dict[str, Any]:
        return self._call("PUT", path, json.dumps(document or {}).encode())

    def post_form(self, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
        return self._call("POST", path, urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def text(self, document: Mapping[str, Any], name: str) -> str:
        """A text that an answer must hold."""
        found = document.get(name)
        if not isinstance(found, str) or not found:
            raise ServiceError(f"{self._name} gave an answer without `{name}`")
        return found

    def call_back(self, url: str) -> None:
        """Tell the registry, at a URL of its own, that an upload is complete."""
        self._require("PUT", "the end of the upload", lambda: self._client.send("PUT", url))

    def upload(self, url: str, path: Path, advance: Callable[[int], None]) -> None:
        """Put a file at a URL. `advance` counts bytes as they are sent, and back before another attempt."""
        body = FileBody(path, self._cancellation, advance)
        self._require("PUT", path.name, lambda: self._client.send("PUT", url, body=body))

    def _call(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        def send() -> Answer:
            auth = authorization("", "", self.token)
            headers = {"Accept": "application/json"} | ({"Content-Type": kind} if body else {})
            return self._client.send(method, self._url + path, headers=headers, body=body, auth=auth)

        answer = self._require(method, path, send)
        document = _document(answer) if answer.body.strip() else {}
        if document is None:
            raise ServiceError(
                f"{self._name} answered `{method} {path}` with something that is no JSON object"
            )
        return document

    def _require(self, method: str, what: str, send: Callable[[], Answer]) -> Answer:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = send()
            except TransferFailed as failure:
                error = ServiceError(f"{self._name}, `{method} {what}`: {failure}", hint=failure.hint)
                may_pass = failure.passing
            else:
                if answer.status < HTTPStatus.BAD_REQUEST:
                    return answer
                error = self._refused(method, what, answer)
                may_pass = answer.status in _PASSING
            if not may_pass or attempt == _ATTEMPTS:
                raise error
            self._cancellation.wait(_PAUSE_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _refused(self, method: str, what: str, answer: Answer) -> ServiceError:
        said = _words(answer)
        message = f"{self._name} refused `{method} {what}` ({answer.status})" + (f": {said}" if said else "")
        denied = answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        hint = "check the login, and whether it may change this box" if denied else ""
        return ServiceError(message, status=answer.status, hint=hint)


def _document(answer: Answer) -> dict[str, Any] | None:
    try:
        document = json.loads(answer.body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _words(answer: Answer) -> str:
    """What the server says, in the forms that registries use: `errors`, `message`, OAuth's `error`."""
    document = _document(answer) or {}
    errors = document.get("errors")
    if isinstance(errors, list):
        return "; ".join(map(str, errors))
    for name in ("message", "error_description", "error"):
        if document.get(name):
            return str(document[name])[:_LONGEST_WORDS]
    return ""
