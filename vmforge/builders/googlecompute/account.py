"""The options that say who asks Google Cloud, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from vmforge.sdk import Config, Problem, Secret, option
from vmforge.sdk.extras import missing_library
from vmforge.sdk.values import expand_home

EXTRA, LIBRARY = "google", "google.auth"
DEFAULT_UNIVERSE = "googleapis.com"


class Service(StrEnum):
    """The APIs that are asked, by the names that `custom_endpoints` knows them by."""

    COMPUTE = "compute"
    IAM_CREDENTIALS = "iamcredentials"
    OAUTH2 = "oauth2"
    OS_LOGIN = "oslogin"
    STORAGE = "storage"


# Where an API begins below its host, which an endpoint of the user's own may leave out.
_PATHS = {Service.COMPUTE: "/compute/v1", Service.OAUTH2: "/oauth2/v3", Service.OS_LOGIN: "/v1"}
# The one API that is not at a host of its own name.
_HOSTS = {Service.OAUTH2: "www"}


@dataclass(frozen=True, kw_only=True)
class GoogleAccount(Config):
    """Who asks. Without any of these options, the application default credentials do
    (https://cloud.google.com/docs/authentication/application-default-credentials)."""

    access_token: Secret = option(
        Secret(""),
        help="An OAuth 2.0 access token; goes before every other login, and cannot be renewed.",
        affects_image=False,
    )
    credentials_file: Path | None = option(
        None,
        help="A file with credentials as JSON: a service account's key, a federated identity, what `gcloud` "
        "saved.",
        affects_image=False,
    )
    credentials_json: Secret = option(Secret(""), help="The same JSON itself.", affects_image=False)
    account_file: Path | None = option(
        None, help="The older name of `credentials_file`.", affects_image=False
    )
    impersonate_service_account: str = option(
        "", help="Act as this service account (its e-mail address).", affects_image=False
    )
    vault_gcp_oauth_engine: str = option(
        "",
        help="Not supported: read the token with `vault(...)` in a variable's default, and give it to "
        "`access_token`.",
        affects_image=False,
    )
    quota_project: str = option(
        "", help="The project whose quota requests count against.", affects_image=False
    )
    custom_endpoints: Mapping[str, str] = option(
        {},
        help='Where to find APIs instead, as in `{ compute = "https://..." }`: `compute`, `storage`, '
        "`oslogin`, `oauth2`, `iamcredentials`.",
        affects_image=False,
    )
    universe_domain: str = option(
        "", help="The domain of the cloud.", default_text=f"`{DEFAULT_UNIVERSE}`", affects_image=False
    )

    def base_of(self, service: Service) -> str:
        """The URL below which an API is."""
        path = _PATHS.get(service, "")
        given = self.custom_endpoints.get(service.value, "").rstrip("/")
        if given:
            return given if urlsplit(given).path else given + path
        host = _HOSTS.get(service, service.value)
        return f"https://{host}.{self.universe_domain or DEFAULT_UNIVERSE}{path}"

    @property
    def names_login(self) -> bool:
        """Whether the options say who asks."""
        return bool(self.access_token or self.credentials_file or self.credentials_json or self.account_file)


def check_account(account: GoogleAccount) -> Iterator[Problem]:
    """What is wrong with a login, judged by its values."""
    if account.vault_gcp_oauth_engine:
        hint = "read the token with `vault(...)` in the default of a variable, and set `access_token` to that"
        yield Problem("`vault_gcp_oauth_engine` is not supported", option="vault_gcp_oauth_engine", hint=hint)
    files = {"credentials_file": account.credentials_file, "account_file": account.account_file}
    given = [name for name, path in files.items() if path] + ["credentials_json"] * bool(
        account.credentials_json
    )
    if len(given) > 1:
        yield Problem(f"`{given[0]}` and `{given[1]}` are both set", option=given[0], hint="keep one of them")
    for name, path in files.items():
        if path and not expand_home(path).is_file():
            yield Problem(f"there is no file `{path}`", option=name)
    known = [service.value for service in Service]
    for name in account.custom_endpoints:
        if name not in known:
            listed = ", ".join(f"`{service}`" for service in known)
            summary = f"there is no API `{name}`"
            yield Problem(summary, option="custom_endpoints", hint=f"known are {listed}", part=name)
    yield from missing_library(EXTRA, LIBRARY)
