"""The options that say who asks DigitalOcean, and its API."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from vmforge.sdk import Cancellation, Config, Problem, Secret, option
from vmforge.sdk.cloud import CloudError, Rest, insist, wait_for
from vmforge.sdk.network import Network

DEFAULT_URL: Final = "https://api.digitalocean.com"
_TOKEN_VARIABLES: Final = ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_API_TOKEN")
_URL_VARIABLE: Final = "DIGITALOCEAN_API_URL"
_PAGE: Final = 200
# A droplet takes one order at a time; the next is refused with these words until then.
_REFUSED, _BUSY_SECONDS = 422, 300.0
_BUSY_WORDS: Final = ("pending event", "is not ready", "already in progress")

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DigitalOceanAccount(Config):
    """Who asks, and how often."""

    api_token: Secret = option(
        Secret(""),
        help="The token to log in with; else `DIGITALOCEAN_TOKEN` or `DIGITALOCEAN_ACCESS_TOKEN` of the "
        "environment.",
        affects_image=False,
    )
    api_url: str = option(
        "",
        help="Another server with the same API; else `DIGITALOCEAN_API_URL` of the environment.",
        default_text=f"`{DEFAULT_URL}`",
        affects_image=False,
    )
    http_retry_max: int = option(
        5, help="How often a request is repeated that was refused for now; 0: never.", affects_image=False
    )
    http_retry_wait_min: float = option(
        1.0, help="The shortest pause before that, in seconds.", affects_image=False
    )
    http_retry_wait_max: float = option(
        30.0, help="The longest pause before that, in seconds.", affects_image=False
    )

    @property
    def token(self) -> str:
        """The token of the template, else of the environment."""
        found = (os.environ.get(name, "") for name in _TOKEN_VARIABLES)
        return self.api_token.value or next(filter(None, found), "")

    @property
    def url(self) -> str:
        return self.api_url or os.environ.get(_URL_VARIABLE, "") or DEFAULT_URL


def check_account(account: DigitalOceanAccount) -> Iterator[Problem]:
    """What is wrong with a login, judged by its values."""
    if not account.token:
        hint = "set `api_token`, or `DIGITALOCEAN_TOKEN` in the environment"
        yield Problem("there is no token for DigitalOcean", option="api_token", hint=hint)
    if urlsplit(account.url).scheme not in ("http", "https"):
        yield Problem(f"`{account.url}` is no URL of a server", option="api_url", hint="write `https://...`")
    if account.http_retry_max < 0:
        yield Problem("`http_retry_max` is negative", option="http_retry_max")
    if not 0 <= account.http_retry_wait_min <= account.http_retry_wait_max:
        summary = "`http_retry_wait_min` must not be more than `http_retry_wait_max`"
        yield Problem(summary, option="http_retry_wait_min")


class Api:
    """DigitalOcean's API, version 2 (https://docs.digitalocean.com/reference/api/). Paths are below `/v2`."""

    def __init__(self, account: DigitalOceanAccount, network: Network, cancellation: Cancellation) -> None:
        pauses = (account.http_retry_wait_min, account.http_retry_wait_max)
        self.cancellation = cancellation
        self._rest = Rest(
            "DigitalOcean",
            f"{account.url.rstrip('/')}/v2",
            network=network,
            cancellation=cancellation,
            headers=lambda: {"Authorization": f"Bearer {account.token}"},
            patience=max(120.0, account.http_retry_max * account.http_retry_wait_max),
            repeats=account.http_retry_max,
            pauses=pauses,
        )

    def get(self, path: str, **params: Any) -> Any:
        with _Hinting():
            return self._rest.get(path, params=params)

    def find(self, path: str) -> Any:
        """The same, or None where there is none."""
        try:
            return self.get(path)
        except CloudError as error:
            if error.status != 404:
                raise
            return None

    def list(self, path: str, items: str, **params: Any) -> Iterator[Any]:
        """All members of `items`, page by page."""
        number = 1
        while True:
            page = self.get(path, page=number, per_page=_PAGE, **params)
            yield from page.get(items) or ()
            if not ((page.get("links") or {}).get("pages") or {}).get("next"):
                return
            number += 1

    def post(self, path: str, body: Json) -> Any:
        with _Hinting():
            return self._rest.post(path, body)

    def put(self, path: str, body: Json) -> Any:
        with _Hinting():
            return self._rest.put(path, body)

    def delete(self, path: str) -> None:
        with _Hinting():
            self._rest.delete(path)

    def begin(self, path: str, body: Json) -> int:
        """Order something to be done with a droplet or an image, as soon as it takes orders; the id of the
        action."""

        def order() -> int:
            try:
                return int(self.post(f"{path}/actions", body)["action"]["id"])
            except CloudError as error:
                # what may have been ordered is not ordered again
                error.transient = error.transient and error.status == _REFUSED
                raise

        return insist(order, cancellation=self.cancellation, limit=_BUSY_SECONDS)

    def finish(self, action: int, what: str, limit: float, hint: str = "") -> None:
        """Wait until an action is done. Raises `CloudError` when it fails, or takes longer than `limit`
        seconds."""

        def look() -> str | None:
            found = self.get(f"actions/{action}")["action"]
            return str(found["status"]) if found["status"] != "in-progress" else None

        status = self.wait(look, what, limit, hint)
        if status != "completed":
            raise CloudError(f"DigitalOcean: waited for {what}, but the action ended as `{status}`")

    def wait(self, look: Callable[[], Any], what: str, limit: float, hint: str = "") -> Any:
        """See `wait_for`."""
        return wait_for(look, what, cancellation=self.cancellation, limit=limit, hint=hint)

    def close(self) -> None:
        self._rest.close()


class _Hinting:
    """Says what to try about errors, and which pass by themselves."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, CloudError):
            return
        if error.status == 401:
            error.hint = "check `api_token`; a token needs the right to write"
        elif error.status == 403:
            error.hint = "the token lacks a right (a `scope`) for this; make one with full access"
        elif "limit" in error.message and error.status == 422:
            error.hint = "delete droplets, or ask for a higher limit on your team's settings page"
        elif error.status == 422 and any(words in error.message for words in _BUSY_WORDS):
            error.transient = True
