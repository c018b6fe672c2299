"""Compute Engine's API, as far as builds need it (https://cloud.google.com/compute/docs/reference/rest/v1)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from vmforge.builders.googlecompute.account import GoogleAccount, Service
from vmforge.builders.googlecompute.failures import explain, failure_of, hint_of
from vmforge.builders.googlecompute.login import Login
from vmforge.sdk import BuildContext
from vmforge.sdk.cloud import CloudError, Rest, delete_quietly, wait_for

_BUSY: Final = ("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED")
# What stands in the way of deleting something, for as long as Google is at work on it.
_UNREADY: Final = (
    "resourceNotReady",
    "resourceInUseByAnotherResource",
    "RESOURCE_NOT_READY",
    "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
)
# Of images and addresses, it does not; a fingerprint keeps it from being done twice.
_TAKES_NO_REQUEST_ID: Final = "/setLabels"
# What has just been made is not known everywhere at once.
_SETTLING_SECONDS: Final = 30.0

Json = Mapping[str, Any]


def rest_for(account: GoogleAccount, login: Login, context: BuildContext, service: Service) -> Rest:
    """The client of one of Google's APIs."""
    return Rest(
        "Google Cloud",
        account.base_of(service),
        network=context.network,
        cancellation=context.cancellation,
        headers=login.headers,
        explain=explain,
        busy=_BUSY,
    )


class Compute:
    """The API. Paths are below `projects/`. What changes something returns once Google has done it, and
    raises `CloudError` when it has not within `limit` seconds, or cannot."""

    def __init__(self, rest: Rest, context: BuildContext, *, limit: float) -> None:
        self._rest = rest
        self._cancellation = context.cancellation
        self._limit = limit

    def get(self, path: str, **params: Any) -> Any:
        with _hinting():
            return self._rest.get(f"projects/{path}", params=params)

    def find(self, path: str) -> Any:
        """The same, or None where there is none."""
        try:
            return self.get(path)
        except CloudError as error:
            if error.status != 404:
                raise
            return None

    def get_new(self, path: str, what: str) -> Any:
        """Something that has just been made."""
        return wait_for(
            lambda: self.find(path), what, cancellation=self._cancellation, limit=_SETTLING_SECONDS
        )

    def list(self, path: str, **params: Any) -> Iterator[Any]:
        """All items of a list, page by page."""
        token = ""
        while True:
            page = self.get(path, **params, **({"pageToken": token} if token else {}))
            yield from page.get("items") or ()
            token = page.get("nextPageToken", "")
            if not token:
                return

    def begin(self, path: str, body: Json | None = None, *, method: str = "POST", **params: Any) -> Json:
        """Ask for a change; the operation that has begun. Asked twice with the same `requestId`, it is made
        once (https://cloud.google.com/compute/docs/instances/create-start-instance#requestid)."""
        once = not path.endswith(_TAKES_NO_REQUEST_ID)
        if once:
            params["requestId"] = str(uuid.uuid4())
        with _hinting():
            answer = self._rest.request(method, f"projects/{path}", body, params=params, repeatable=once)
        assert isinstance(answer.body, dict)
        return answer.body

    def change(self, path: str, body: Json | None = None, *, method: str = "POST", **params: Any) -> None:
        """Ask for a change, and wait until it is made."""
        self.finish(self.begin(path, body, method=method, **params))

    def delete(self, path: str) -> None:
        """Delete something, if it is there; it is gone afterwards."""

        def attempt() -> None:
            try:
                self.change(path, method="DELETE")
            except CloudError as error:
                error.transient = error.transient or error.code in _UNREADY
                raise

        delete_quietly(attempt)

    def finish(self, operation: Json) -> None:
        """Wait until an operation is done."""
        place = _place_of(operation)

        def look() -> Json | None:
            try:
                now = self.get(place)
            except CloudError as error:
                if error.status == 404:  # not known everywhere yet
                    return None
                raise
            return now if now.get("status") == "DONE" else None

        what = f"`{operation.get('operationType', 'the operation')}` of `{_target_of(operation)}`"
        hint = "raise `state_timeout`, or look at the operation in the console"
        done = operation
        if done.get("status") != "DONE":
            done = wait_for(look, what, cancellation=self._cancellation, limit=self._limit, hint=hint)
        if "error" in done:
            raise failure_of(done)

    def wait(self, look: Callable[[], Any], what: str, *, limit: float = 0.0, hint: str = "") -> Any:
        """See `wait_for`."""
        return wait_for(look, what, cancellation=self._cancellation, limit=limit or self._limit, hint=hint)

    def close(self) -> None:
        self._rest.close()


@contextmanager
def _hinting() -> Iterator[None]:
    try:
        yield
    except CloudError as error:
        error.hint = hint_of(error)
        raise


def _place_of(operation: Json) -> str:
    """Where an operation can be asked for. Its `selfLink` names Google's own host, which may not be the one
    that was asked."""
    project = str(operation["selfLink"]).partition("/projects/")[2].partition("/")[0]
    name = operation["name"]
    for scope in ("zone", "region"):
        if scope in operation:
            place = str(operation[scope]).rpartition("/")[2]
            return f"{project}/{scope}s/{place}/operations/{name}"
    return f"{project}/global/operations/{name}"


def _target_of(operation: Json) -> str:
    return str(operation.get("targetLink", "")).rpartition("/")[2]
