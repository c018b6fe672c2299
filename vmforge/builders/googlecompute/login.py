"""Logs in to Google Cloud. The only module here that knows google-auth; its exceptions end here."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vmforge.builders.googlecompute.account import EXTRA, LIBRARY, GoogleAccount, Service
from vmforge.errors import HostError
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.extras import needs
from vmforge.sdk.network import Network

_log = logging.getLogger(__name__)

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_HINT: Final = (
    "run `gcloud auth application-default login`, set `credentials_file`, or `GOOGLE_APPLICATION_CREDENTIALS`"
)


@dataclass
class Login:
    """The login of one build; asks nobody before its first token is wanted. Safe to use from several
    threads. `redact` is told of every token."""

    account: GoogleAccount
    network: Network
    redact: Callable[[list[str]], None]
    _credentials: Any = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def headers(self) -> Mapping[str, str]:
        """What a request needs to be let in. Raises `CloudError`, and `HostError` without google-auth."""
        found = {"Authorization": f"Bearer {self.token()}"}
        project = self.account.quota_project or getattr(self._credentials, "quota_project_id", None)
        return found | ({"X-Goog-User-Project": project} if project else {})

    def token(self) -> str:
        """An access token that is valid now."""
        account = self.account
        if account.access_token and not account.impersonate_service_account:
            return account.access_token.value
        with self._lock:
            if self._credentials is None:
                self._credentials = self._found()
            if not self._credentials.valid:
                self._refresh()
            return str(self._credentials.token)

    def _found(self) -> Any:
        with needs(EXTRA, LIBRARY):
            import google.auth
        from google.auth.exceptions import GoogleAuthError

        try:
            credentials = self._named(google.auth)
        except (GoogleAuthError, ValueError) as error:
            raise CloudError(f"Google Cloud: there is no login: {_sentence(error)}", hint=_HINT) from None
        except OSError as error:
            raise HostError(f"cannot read `{error.filename}`: {error.strerror}", hint=_HINT) from None
        if self.account.impersonate_service_account:
            return self._impersonating(credentials)
        return credentials

    def _named(self, library: Any) -> Any:
        """The credentials that the options name, else the default ones."""
        account = self.account
        if account.access_token:
            from google.oauth2.credentials import Credentials

            return Credentials(account.access_token.value)  # type: ignore[no-untyped-call]
        if account.credentials_json:
            found, _ = library.load_credentials_from_dict(
                json.loads(account.credentials_json.value), scopes=_SCOPES
            )
        elif path := account.credentials_file or account.account_file:
            text = path.expanduser().read_text(encoding="utf-8")
            found, _ = library.load_credentials_from_dict(json.loads(text), scopes=_SCOPES)
        else:
            self.network.locate(account.base_of(Service.OAUTH2))
            found, _ = library.default(scopes=_SCOPES)
        return found

    def _impersonating(self, source: Any) -> Any:
        from google.auth.impersonated_credentials import Credentials

        target = self.account.impersonate_service_account
        base = self.account.base_of(Service.IAM_CREDENTIALS)
        return Credentials(  # type: ignore[no-untyped-call]
            source,
            target,
            _SCOPES,
            iam_endpoint_override=f"{base}/v1/projects/-/serviceAccounts/{target}:generateAccessToken",
        )

    def _refresh(self) -> None:
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        self.network.locate(
            getattr(self._credentials, "_token_uri", None) or "https://oauth2.googleapis.com/"
        )
        try:
            self._credentials.refresh(Request())
        except TransportError as error:
            raise CloudError(f"Google Cloud: cannot log in: {_sentence(error)}", transient=True) from None
        except GoogleAuthError as error:
            raise CloudError(f"Google Cloud refuses the login: {_sentence(error)}", hint=_HINT) from None
        self.redact([str(self._credentials.token)])
        _log.debug("logged in to Google Cloud until %s", self._credentials.expiry)


def _sentence(error: Exception) -> str:
    """The library's own words, without the object that it prints behind them."""
    first = error.args[0] if error.args else error
    return " ".join(str(first).split()).rstrip(".")
