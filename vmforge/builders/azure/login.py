"""Logging in to Azure: the options, and tokens for its APIs. The door to `azure-identity`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vmforge.errors import HostError
from vmforge.sdk import Cancellation, Config, Duration, Problem, Secret, option
from vmforge.sdk.cloud import CloudError, Rest
from vmforge.sdk.extras import needs
from vmforge.sdk.network import Network
from vmforge.sdk.values import expand_home

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

# https://learn.microsoft.com/azure/developer/identity/national-cloud: login, resource manager, key vaults
_ENVIRONMENTS: Final = {
    "public": ("https://login.microsoftonline.com", "https://management.azure.com", "vault.azure.net"),
    "usgovernment": (
        "https://login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
        "vault.usgovcloudapi.net",
    ),
    "china": ("https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn", "vault.azure.cn"),
}
_ALIASES: Final = {
    "azurepubliccloud": "public",
    "azurecloud": "public",
    "azureusgovernmentcloud": "usgovernment",
    "azureusgovernment": "usgovernment",
    "azurechinacloud": "china",
    "": "public",
}
_METADATA_VERSION = "2022-09-01"


@dataclass(frozen=True, kw_only=True)
class LoginOptions(Config):
    """How to log in; with nothing set, the managed identity of the machine that runs vmforge is used."""

    cloud_environment_name: str = option(
        "Public", help="The cloud: `Public`, `USGovernment` or `China`.", aliases=("cloud_environment",)
    )
    metadata_host: str = option(
        "",
        help="The host that tells the addresses of another cloud (Azure Stack, say).",
        default_text="`ARM_METADATA_URL`",
    )
    subscription_id: str = option(
        "", help="The subscription.", default_text="`ARM_SUBSCRIPTION_ID`", affects_image=False
    )
    tenant_id: str = option(
        "", help="The directory's id.", default_text="`ARM_TENANT_ID`", affects_image=False
    )
    client_id: str = option(
        "",
        help="The application's id, or that of a managed identity.",
        default_text="`ARM_CLIENT_ID`",
        affects_image=False,
    )
    client_secret: Secret = option(
        Secret(""),
        help="The application's password.",
        default_text="`ARM_CLIENT_SECRET`",
        affects_image=False,
    )
    client_cert_path: Path | None = option(
        None, help="The application's certificate with its key, PEM or PKCS#12.", affects_image=False
    )
    client_cert_password: Secret = option(Secret(""), help="Its password.", affects_image=False)
    client_cert_token_timeout: Duration = option(
        Duration(3600),
        help="Accepted for Packer's sake; tokens are renewed by themselves.",
        affects_image=False,
    )
    client_jwt: Secret = option(
        Secret(""), help="A signed assertion in place of the application's password.", affects_image=False
    )
    oidc_request_url: str = option(
        "",
        help="Where a CI system gives out identity tokens.",
        default_text="`ACTIONS_ID_TOKEN_REQUEST_URL`",
        affects_image=False,
    )
    oidc_request_token: Secret = option(
        Secret(""),
        help="What it wants to see for one.",
        default_text="`ACTIONS_ID_TOKEN_REQUEST_TOKEN`",
        affects_image=False,
    )
    object_id: str = option(
        "",
        help="The object id of the application; key vaults are opened to it.",
        default_text="told by the login",
        affects_image=False,
    )
    use_azure_cli_auth: bool = option(False, help="Log in as `az login` did.", affects_image=False)

    @property
    def environment(self) -> str:
        """The cloud's name in its shortest spelling."""
        name = self.cloud_environment_name.lower().replace(" ", "")
        return _ALIASES.get(name, name)

    @property
    def subscription(self) -> str:
        return self.subscription_id or os.environ.get("ARM_SUBSCRIPTION_ID", "")

    @property
    def tenant(self) -> str:
        return self.tenant_id or os.environ.get("ARM_TENANT_ID", "")

    @property
    def client(self) -> str:
        return self.client_id or os.environ.get("ARM_CLIENT_ID", "")

    @property
    def secret(self) -> str:
        return self.client_secret.value or os.environ.get("ARM_CLIENT_SECRET", "")

    @property
    def proof(self) -> str:
        """The name of the option by which an application proves that it is the one; `""` for none."""
        given = {
            "client_jwt": bool(self.client_jwt),
            "client_cert_path": self.client_cert_path is not None,
            "client_secret": bool(self.secret),
            "oidc_request_url": bool(self.oidc_request_url and self.oidc_request_token),
        }
        return next((name for name, is_given in given.items() if is_given), "")


def check_login(options: LoginOptions) -> Iterable[Problem]:
    """What is wrong with the options, judged by their values."""
    if options.environment not in _ENVIRONMENTS and not options.metadata_host:
        hint = "known are `Public`, `USGovernment` and `China`; set `metadata_host` for another cloud"
        summary = f"there is no cloud `{options.cloud_environment_name}`"
        yield Problem(summary, "cloud_environment_name", hint=hint)
    if options.use_azure_cli_auth:
        return
    if not options.subscription:
        hint = "set it, or `ARM_SUBSCRIPTION_ID`, or `use_azure_cli_auth = true`"
        yield Problem("`subscription_id` is not set", "subscription_id", hint=hint)
    if options.proof and not options.client:
        yield Problem(f"`{options.proof}` is set without `client_id`", options.proof)
    if options.client_cert_path is not None and not expand_home(options.client_cert_path).is_file():
        yield Problem(f"there is no certificate `{options.client_cert_path}`", "client_cert_path")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a cloud's services are: the login, the resource manager, the suffix of key vaults' names."""

    login: str
    manager: str
    vaults: str

    @classmethod
    def find(cls, options: LoginOptions, network: Network, cancellation: Cancellation) -> Places:
        """The addresses of the cloud that the options name; an unknown cloud's are asked of its metadata host
        (https://learn.microsoft.com/azure-stack/user/azure-stack-rest-api-use). Raises `CloudError`."""
        host = options.metadata_host or os.environ.get("ARM_METADATA_URL", "")
        if not host:
            return cls(*_ENVIRONMENTS[options.environment])
        base = host if "://" in host else f"https://{host}"
        told = Rest("Azure", base, network=network, cancellation=cancellation).get(
            "/metadata/endpoints", params={"api-version": _METADATA_VERSION}
        )
        clouds = told if isinstance(told, list) else [told]
        named = [cloud for cloud in clouds if cloud.get("name", "").lower() in (options.environment, "")]
        try:
            chosen = (named or clouds)[0]
            login = chosen["authentication"]["loginEndpoint"].rstrip("/")
            vaults = chosen.get("suffixes", {}).get("keyVaultDns", "vault.azure.net").lstrip(".")
            return cls(login, chosen["resourceManager"].rstrip("/"), vaults)
        except (LookupError, AttributeError, TypeError):
            message = f"`{host}` does not tell where the cloud's services are"
            raise CloudError(message, hint="check `metadata_host`") from None


class Login:
    """The login, made when it is first needed; gives out tokens, renewed before they run out."""

    def __init__(self, options: LoginOptions, places: Places) -> None:
        self._options, self.places = options, places
        self._credential: TokenCredential | None = None

    def headers(self, resource: str) -> dict[str, str]:
        """What a request to an API (`https://management.azure.com`) must carry. Raises `CloudError`."""
        return {"Authorization": f"Bearer {self._token(resource)}"}

    def object_id(self) -> str:
        """The id of who is logged in, as its token has it."""
        return self._options.object_id or str(self._claims().get("oid", ""))

    def subscription(self) -> str:
        """The subscription of `az login`."""
        return str(self._cli_account()["id"])

    def tenant(self) -> str:
        """The directory of who is logged in."""
        if self._options.use_azure_cli_auth:
            return str(self._cli_account()["tenantId"])
        return str(self._claims().get("tid", ""))

    def _claims(self) -> dict[str, Any]:
        """What the token says about who is logged in (RFC 7519)."""
        claims = self._token(self.places.manager).split(".")[1]
        decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return decoded

    def _cli_account(self) -> dict[str, Any]:
        command = ["az", "account", "show", "--output", "json"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True)
        except FileNotFoundError:
            raise HostError("the program `az` is not installed", hint="set `subscription_id`") from None
        except subprocess.CalledProcessError as error:
            raise HostError(f"`az account show` failed: {error.stderr.strip()}", hint="`az login`") from None
        account: dict[str, Any] = json.loads(done.stdout)
        return account

    def _token(self, resource: str) -> str:
        with needs("azure", "azure.identity"):
            from azure.core.exceptions import AzureError

        if self._credential is None:
            self._credential = self._log_in()
        try:
            return self._credential.get_token(f"{resource.rstrip('/')}/.default").token
        except (AzureError, ValueError) as error:
            hint = "check the options of the login: docs/azure.md"
            raise CloudError(
                f"cannot log in to Azure: {str(error).strip().splitlines()[0]}", hint=hint
            ) from None

    def _log_in(self) -> TokenCredential:
        """The way that the options ask for."""
        from azure import identity

        options = self._options
        common: dict[str, Any] = {
            "authority": self.places.login,
            # asked only of the public cloud, which does not know the others' login hosts
            "disable_instance_discovery": urlsplit(self.places.login).hostname
            not in {urlsplit(login).hostname for login, _, _ in _ENVIRONMENTS.values()},
        }
        if options.use_azure_cli_auth:
            return identity.AzureCliCredential(tenant_id=options.tenant)
        match options.proof:
            case "client_secret":
                return identity.ClientSecretCredential(
                    options.tenant, options.client, options.secret, **common
                )
            case "client_cert_path":
                return identity.CertificateCredential(
                    options.tenant,
                    options.client,
                    str(options.client_cert_path.expanduser()) if options.client_cert_path else None,
                    password=options.client_cert_password.value or None,
                    **common,
                )
            case "client_jwt" | "oidc_request_url":
                return identity.ClientAssertionCredential(
                    options.tenant, options.client, self._assertion, **common
                )
        return identity.ManagedIdentityCredential(client_id=options.client or None)

    def _assertion(self) -> str:
        """What proves to Azure who asks: a token of the user's, or of the CI system
        (https://docs.github.com/actions/reference/security/oidc)."""
        options = self._options
        if options.client_jwt:
            return options.client_jwt.value
        client = Rest(
            "the CI system's token service",
            options.oidc_request_url,
            network=Network(),
            cancellation=Cancellation(),
            headers=lambda: {"Authorization": f"Bearer {options.oidc_request_token.value}"},
        )
        answer = client.request(
            "GET", options.oidc_request_url, params={"audience": "api://AzureADTokenExchange"}
        )
        return str(answer.body["value"])
