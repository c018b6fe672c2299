"""The data source `azure-keyvaultsecret`: a secret out of a key vault."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vmforge.builders.azure.login import Login, LoginOptions, Places, check_login
from vmforge.sdk import Cancellation, DataSource, Problem, Value, option
from vmforge.sdk.cloud import Rest
from vmforge.sdk.extras import missing_library
from vmforge.sdk.network import RemoteInput, RemoteKind

_VERSION = "7.4"


@dataclass(frozen=True, kw_only=True)
class KeyVaultSecretConfig(LoginOptions):
    """Which secret, and how to log in."""

    vault_name: str = option(help="The key vault.")
    secret_name: str = option(help="The secret in it.")


class KeyVaultSecretDataSource(DataSource[KeyVaultSecretConfig]):
    """Reads one secret (https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret)."""

    config_type = KeyVaultSecretConfig
    summary = "reads a secret out of a key vault in Azure"

    @classmethod
    def check(cls, config: KeyVaultSecretConfig) -> Iterable[Problem]:
        yield from missing_library("azure", "azure.identity")
        # the subscription is nothing to a vault
        yield from (problem for problem in check_login(config) if problem.option != "subscription_id")

    @classmethod
    def remote_inputs(cls, config: KeyVaultSecretConfig) -> Iterator[RemoteInput]:
        place = f"https://{config.vault_name}.vault.azure.net/secrets/{config.secret_name}"
        yield RemoteInput(RemoteKind.SECRET, "the key vault's secret", (place,))

    @classmethod
    def secrets(cls, answer: Mapping[str, Value]) -> Iterator[str]:
        members = answer.get("response")
        yield str(answer.get("value", ""))
        yield from map(str, members.values() if isinstance(members, Mapping) else ())

    def read(self) -> dict[str, Value]:
        """`value` and `content_type`; `response` has the members of a secret that is a JSON object."""
        cancellation = Cancellation()
        places = Places.find(self.config, self.network, cancellation)
        login = Login(self.config, places)
        vault = Rest(
            "Azure's key vault",
            f"https://{self.config.vault_name}.{places.vaults}",
            network=self.network,
            cancellation=cancellation,
            headers=lambda: login.headers(f"https://{places.vaults}"),
        )
        told = vault.get(f"/secrets/{self.config.secret_name}", params={"api-version": _VERSION})
        return _values(str(told["value"]), str(told.get("contentType", "")), told.get("id", ""))


def _values(text: str, kind: str, identity: str) -> dict[str, Value]:
    try:
        held = json.loads(text)
    except ValueError:
        held = {}
    members = {str(name): str(value) for name, value in held.items()} if isinstance(held, dict) else {}
    return {"value": text, "response": members, "content_type": kind, "id": identity}
