"""How to log in to an OpenStack cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from vmforge.sdk import Config, Duration, Problem, Secret, option
from vmforge.sdk.extras import missing_library
from vmforge.sdk.network import RemoteInput, RemoteKind, shown_url
from vmforge.sdk.values import expand_home

EXTRA: Final = "openstack"
LIBRARY: Final = "openstack"


class EndpointType(StrEnum):
    PUBLIC = "public"
    INTERNAL = "internal"
    ADMIN = "admin"
    # as OpenStack's second identity API called them
    PUBLIC_URL = "publicURL"
    INTERNAL_URL = "internalURL"
    ADMIN_URL = "adminURL"


@dataclass(frozen=True, kw_only=True)
class AccessConfig(Config):
    """The login. What is not set here comes from the environment (`OS_*`), or from `clouds.yaml`."""

    cloud: str = option("", help="The cloud in `clouds.yaml` to use.", default_text="`OS_CLOUD`")
    identity_endpoint: str = option(
        "", help="The URL of the identity service, Keystone.", default_text="`OS_AUTH_URL`"
    )
    username: str = option("", help="The user's name.", default_text="`OS_USERNAME`", affects_image=False)
    user_id: str = option("", help="The user's id.", default_text="`OS_USER_ID`", affects_image=False)
    password: Secret = option(
        Secret(""), help="The user's password.", default_text="`OS_PASSWORD`", affects_image=False
    )
    tenant_id: str = option("", help="The project's id.", default_text="`OS_PROJECT_ID`", affects_image=False)
    tenant_name: str = option(
        "", help="The project's name.", default_text="`OS_PROJECT_NAME`", affects_image=False
    )
    domain_id: str = option(
        "", help="The id of the domain of user and project.", default_text="`OS_USER_DOMAIN_ID`"
    )
    domain_name: str = option("", help="Its name.", default_text="`OS_USER_DOMAIN_NAME`")
    token: Secret = option(Secret(""), help="A token, in place of user and password.", affects_image=False)
    application_credential_id: str = option(
        "",
        help="The id of an application credential.",
        default_text="`OS_APPLICATION_CREDENTIAL_ID`",
        affects_image=False,
    )
    application_credential_name: str = option(
        "",
        help="Its name; the user must be named as well.",
        default_text="`OS_APPLICATION_CREDENTIAL_NAME`",
        affects_image=False,
    )
    application_credential_secret: Secret = option(
        Secret(""),
        help="Its secret.",
        default_text="`OS_APPLICATION_CREDENTIAL_SECRET`",
        affects_image=False,
    )
    region: str = option("", help="The region.", default_text="`OS_REGION_NAME`")
    endpoint_type: EndpointType | None = option(
        None, help="Which of the services' endpoints to use.", default_text="`OS_INTERFACE`, or `public`"
    )
    insecure: bool = option(False, help="Do not check the services' certificates.", affects_image=False)
    cacert: Path | None = option(
        None,
        help="The certificates of authorities to trust, a PEM file.",
        default_text="`OS_CACERT`",
        affects_image=False,
    )
    cert: Path | None = option(
        None,
        help="A certificate to show the services, a PEM file.",
        default_text="`OS_CERT`",
        affects_image=False,
    )
    key: Path | None = option(None, help="Its key.", default_text="`OS_KEY`", affects_image=False)
    state_timeout: Duration = option(
        Duration(7200), help="How long a server, a volume or an image may take.", affects_image=False
    )

    @property
    def url(self) -> str:
        """Where the identity service is, as far as options and environment tell."""
        return self.identity_endpoint or ("" if self.cloud else os.environ.get("OS_AUTH_URL", ""))

    @property
    def place(self) -> str:
        """Which cloud, region and project this is, as far as options and environment tell."""
        environment = os.environ
        cloud = self.cloud or ("" if self.url else environment.get("OS_CLOUD", ""))
        region = self.region or environment.get("OS_REGION_NAME", "")
        project = self.tenant_name or self.tenant_id
        if not cloud:
            project = project or environment.get("OS_PROJECT_NAME") or environment.get("OS_PROJECT_ID") or ""
        parts = ["OpenStack"]
        parts += [f"cloud {cloud}"] if cloud else [f"at {shown_url(self.url)}"] if self.url else []
        parts += [f"in {region}"] if region else []
        parts += [f"(project {project})"] if project else []
        return " ".join(parts)

    @property
    def login(self) -> dict[str, Any]:
        """What openstacksdk takes for `auth` (https://docs.openstack.org/openstacksdk/latest/user/config)."""
        given = {
            "auth_url": self.identity_endpoint,
            "username": self.username,
            "user_id": self.user_id,
            "password": self.password.value,
            "project_id": self.tenant_id,
            "project_name": self.tenant_name,
            "user_domain_id": self.domain_id,
            "user_domain_name": self.domain_name,
            "token": self.token.value,
            "application_credential_id": self.application_credential_id,
            "application_credential_name": self.application_credential_name,
            "application_credential_secret": self.application_credential_secret.value,
        }
        if self.tenant_name and not self.tenant_id:
            given |= {"project_domain_id": self.domain_id, "project_domain_name": self.domain_name}
        return {name: value for name, value in given.items() if value}

    @property
    def login_kind(self) -> str:
        """The plugin of keystoneauth that these options are for; `""` where others decide."""
        if self.application_credential_secret.value:
            return "v3applicationcredential"
        if self.token.value:
            return "token"
        return "password" if self.password.value else ""


def check_access(config: AccessConfig) -> Iterator[Problem]:
    """What is wrong with a login, judged by its options alone."""
    yield from missing_library(EXTRA, LIBRARY)
    kinds = ("password", "token", "application_credential_secret")
    given = [name for name in kinds if getattr(config, name)]
    if len(given) > 1:
        yield Problem(f"`{given[0]}` and `{given[1]}` are both set", given[1], hint="keep one of them")
    for one, other in (("username", "user_id"), ("tenant_id", "tenant_name"), ("domain_id", "domain_name")):
        if getattr(config, one) and getattr(config, other):
            # the id says it all
            yield Problem(f"`{one}` and `{other}` are both set", other, hint="keep one", warning=True)
    if config.application_credential_secret and not (
        config.application_credential_id or config.application_credential_name
    ):
        hint = "set `application_credential_id`"
        yield Problem("nothing says whose secret this is", "application_credential_secret", hint=hint)
    for name in ("cacert", "cert", "key"):
        path = getattr(config, name)
        if path is not None and not expand_home(path).is_file():
            yield Problem(f"there is no file `{path}`", name)
    if config.key is not None and config.cert is None:
        yield Problem("`key` is set without `cert`", "key")
    if config.state_timeout.seconds <= 0:
        yield Problem("`state_timeout` is not positive", "state_timeout", hint="write a time such as `2h`")


def remote_input(config: AccessConfig) -> RemoteInput:
    """The cloud, as one of the things that need a network."""
    # a place that is only in `clouds.yaml` is not this machine's
    return RemoteInput(RemoteKind.CLOUD, "OpenStack", (config.url or "https://clouds.yaml",))
