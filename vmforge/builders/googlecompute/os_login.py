"""OS Login: the key of a build in the profile of the account that asks
(https://cloud.google.com/compute/docs/oslogin/rest/v1/users)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from vmforge.builders.googlecompute.login import Login
from vmforge.sdk.cloud import CloudError, RunMark
from vmforge.sdk.cloud.rest import Rest

# A key that nobody deletes goes by itself.
_LIFETIME_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Profile:
    """The profile of the account that `login` is of. `oauth2` knows which one that is."""

    rest: Rest
    oauth2: Rest
    login: Login
    project: str

    def add(self, public_key: str, mark: RunMark) -> tuple[str, str]:
        """Let a key in; its place, and the user's name in the guest. The mark becomes the key's comment."""
        kind, key = public_key.split()[:2]
        expires = (time.time_ns() // 1000) + _LIFETIME_SECONDS * 1_000_000
        body = {"key": f"{kind} {key} {mark.name}", "expirationTimeUsec": str(expires)}
        account = self._account()
        params = {"projectId": self.project}
        answer = self.rest.request(
            "POST", f"users/{account}:importSshPublicKey", body, params=params, repeatable=True
        ).body
        profile = answer["loginProfile"]
        place = next(
            found
            for found, entry in self._keys_of(profile, account)
            if entry["key"].split()[:2] == [kind, key]
        )
        return place, _user_of(profile)

    def marked(self) -> Iterator[tuple[str, RunMark]]:
        """The places of all keys that carry a mark."""
        account = self._account()
        profile = self.rest.get(f"users/{account}/loginProfile", params={"projectId": self.project})
        for place, entry in self._keys_of(profile, account):
            mark = RunMark.read_name(entry.get("key", ""))
            if mark is not None:
                yield place, mark

    def remove(self, place: str) -> None:
        self.rest.delete(place)

    def _keys_of(self, profile: Any, account: str) -> Iterator[tuple[str, Any]]:
        for fingerprint, entry in (profile.get("sshPublicKeys") or {}).items():
            yield f"users/{account}/sshPublicKeys/{fingerprint}", entry

    def _account(self) -> str:
        info = self.oauth2.get("tokeninfo", params={"access_token": self.login.token()})
        if not info.get("email"):
            hint = "log in with the scope `https://www.googleapis.com/auth/userinfo.email`"
            raise CloudError("Google Cloud does not tell whose login this is", hint=hint)
        return quote(str(info["email"]), safe="@")


def _user_of(profile: Any) -> str:
    accounts = profile.get("posixAccounts") or []
    chosen = next(
        (account for account in accounts if account.get("primary")), accounts[0] if accounts else {}
    )
    if not chosen.get("username"):
        raise CloudError(
            "the OS Login profile has no user", hint="give `use_os_login` up, or set OS Login up"
        )
    return str(chosen["username"])
