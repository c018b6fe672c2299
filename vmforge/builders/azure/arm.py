"""Azure's Resource Manager: resources by their ids, and operations that go on after the answer.

https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vmforge.sdk import Cancellation
from vmforge.sdk.cloud import Answer, CloudError, Rest, wait_for
from vmforge.sdk.network import Network

# What was tested; Azure keeps versions for years.
_VERSIONS: Final = {
    "microsoft.resources": "2022-09-01",
    "microsoft.network": "2023-09-01",
    "microsoft.compute": "2024-03-01",
    "microsoft.compute/disks": "2023-10-02",
    "microsoft.compute/snapshots": "2023-10-02",
    "microsoft.compute/galleries": "2023-07-03",
    "microsoft.compute/locations": "2023-07-03",
    "microsoft.keyvault": "2023-07-01",
    "microsoft.storage": "2023-05-01",
}
_DONE: Final = ("succeeded", "")
_FAILED: Final = ("failed", "canceled", "cancelled")
_LIMIT = 3600.0


def version_of(path: str) -> str:
    """The version of the API to ask for a resource by, from its path."""
    provider = path.lower().rpartition("/providers/")[2] if "/providers/" in path.lower() else ""
    namespace, _, kind = provider.partition("/")
    exact = f"{namespace}/{kind.partition('/')[0]}"
    return _VERSIONS.get(exact) or _VERSIONS.get(namespace, _VERSIONS["microsoft.resources"])


class Manager:
    """The resource manager of one subscription. All its calls raise `CloudError`; those that change something
    wait until it is done, for up to `limit` seconds."""

    def __init__(
        self,
        base: str,
        subscription: str,
        *,
        headers: Any,
        network: Network,
        cancellation: Cancellation,
        limit: float = _LIMIT,
    ) -> None:
        self._rest = Rest(
            "Azure", base, network=network, cancellation=cancellation, headers=headers, explain=_explain
        )
        self._network, self._cancellation, self._limit = network, cancellation, limit
        self.subscription = subscription

    def group(self, name: str, subscription: str = "") -> str:
        """A resource group's id."""
        return f"/subscriptions/{subscription or self.subscription}/resourceGroups/{name}"

    def get(self, path: str, **params: Any) -> Any:
        """A resource."""
        return self._rest.get(path, params={"api-version": version_of(path), **params})

    def find(self, path: str) -> Any:
        """A resource; None if there is none."""
        try:
            return self.get(path)
        except CloudError as error:
            if error.is_absence:
                return None
            raise

    def list(self, path: str, **params: Any) -> Iterator[Any]:
        """The resources of a list."""
        asked = {"api-version": version_of(path), **params}
        return self._rest.pages(path, "value", lambda page: page.get("nextLink") or "", **asked)

    def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make a resource, or make it like that, and wait until it is; returns it."""
        started = self._rest.request("PUT", path, body, params={"api-version": version_of(path)})
        self._await(started, f"`{name_of(path)}`")
        return self.get(path)

    def begin(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Start to make a resource; `finish` waits."""
        return self._rest.request("PUT", path, body, params={"api-version": version_of(path)})

    def finish(self, path: str, started: Answer) -> Any:
        """Wait for what `begin` started; returns the resource."""
        self._await(started, f"`{name_of(path)}`")
        return self.get(path)

    def act(self, path: str, body: Any = None) -> Any:
        """Have something done, and wait for it; returns what came of it."""
        # all of our actions (start, stop, generalize) may be asked for twice
        started = self._rest.request(
            "POST", path, body, params={"api-version": version_of(path)}, repeatable=True
        )
        return self._await(started, f"`{name_of(path)}`")

    def tag(self, path: str, tags: Mapping[str, str]) -> None:
        """Put these tags in the place of a resource's."""
        started = self._rest.request(
            "PATCH", path, {"tags": dict(tags)}, params={"api-version": version_of(path)}, repeatable=True
        )
        self._await(started, f"the tags of `{name_of(path)}`")

    def text(self, place: str) -> str:
        """What is at a URL that holds its own permission; `""` for none. It is not shown to the login."""
        if not place:
            return ""
        return (
            Rest("Azure", place, network=self._network, cancellation=self._cancellation)
            .request("GET", place)
            .text
        )

    def delete(self, path: str, *, wait: bool = True, **params: Any) -> None:
        """Delete a resource; one that is gone already is fine."""
        try:
            started = self._rest.request("DELETE", path, params={"api-version": version_of(path), **params})
            if wait:
                self._await(started, f"`{name_of(path)}` to be deleted")
        except CloudError as error:
            if not error.is_absence:
                raise

    def close(self) -> None:
        self._rest.close()

    def _await(self, started: Answer, what: str) -> Any:
        """Wait until an operation has ended; returns its last answer's body."""
        operation = started.headers.get("azure-asyncoperation", "")
        place = operation or started.headers.get("location", "")
        if not place or (started.status == 200 and not operation):
            return started.body

        def look() -> Answer | None:
            answer = self._rest.request("GET", place)
            state = _state_of(answer.body) if operation else ""
            if state in _FAILED:
                code, message = _explain(answer)
                raise CloudError(f"Azure: {what}: {message or state}", code=code, hint=_hint(code))
            running = answer.status == 202 if not operation else state not in _DONE
            return None if running else answer

        ended = wait_for(look, what, cancellation=self._cancellation, limit=self._limit)
        return ended.body


def name_of(path: str) -> str:
    """The name of a resource, or of an action on one."""
    return path.rstrip("/").rpartition("/")[2]


def _state_of(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    state = body.get("status") or body.get("properties", {}).get("provisioningState") or ""
    return str(state).lower()


def _explain(answer: Answer) -> tuple[str, str]:
    """The innermost of the errors, which is the reason for the others
    (https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md, "errors")."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    if not isinstance(error, dict):
        return "", answer.text[:300]
    while error.get("details"):
        error = error["details"][0]
    return str(error.get("code", "")), str(error.get("message", ""))


def _hint(code: str) -> str:
    """What to try for the failures that users meet most."""
    if code in (
        "SkuNotAvailable",
        "AllocationFailed",
        "ZonalAllocationFailed",
        "OverconstrainedAllocationRequest",
    ):
        return "set another `vm_size` or `location`, or try it later"
    if code in ("OperationNotAllowed", "QuotaExceeded"):
        return "ask for a higher quota, or set another `vm_size` or `location`"
    return ""
