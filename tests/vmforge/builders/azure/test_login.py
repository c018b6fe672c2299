"""Logging in, with Microsoft's own library against the fake's OpenID provider, and what needs no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vmforge.builders.azure.conftest import CLIENT, SECRET, SUBSCRIPTION, TENANT, FakeAzure
from vmforge.builders.azure.login import Login, LoginOptions, Places
from vmforge.builders.azure.secrets import KeyVaultSecretDataSource
from vmforge.sdk import Cancellation, Secret
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.network import Mirrors, Network
from vmforge.sdk.testing import configure


def options(azure: FakeAzure, **changes: Any) -> LoginOptions:
    values = {"metadata_host": azure.url, "subscription_id": SUBSCRIPTION, "tenant_id": TENANT}
    return LoginOptions(**(values | {"client_id": CLIENT} | changes))


def places(chosen: LoginOptions) -> Places:
    return Places.find(chosen, Network(), Cancellation())


@pytest.mark.parametrize(
    ("name", "manager"),
    [
        ("Public", "https://management.azure.com"),
        ("AzureUSGovernmentCloud", "https://management.usgovcloudapi.net"),
        ("china", "https://management.chinacloudapi.cn"),
    ],
)
def test_known_clouds_are_asked_nothing(name: str, manager: str) -> None:
    assert places(LoginOptions(cloud_environment_name=name)).manager == manager


def test_another_cloud_tells_its_places(azure: FakeAzure) -> None:
    assert places(options(azure)) == Places(azure.url, azure.url, "vault.example")


def test_an_applications_password(azure: FakeAzure) -> None:
    chosen = options(azure, client_secret=Secret(SECRET))
    login = Login(chosen, places(chosen))
    assert login.headers(azure.url)["Authorization"].startswith("Bearer e30.")
    assert (login.object_id(), login.tenant()) == ("the-object", TENANT)


def test_an_assertion(azure: FakeAzure) -> None:
    chosen = options(azure, client_jwt=Secret("e30.e30.sig"), object_id="told")
    login = Login(chosen, places(chosen))
    assert login.headers(azure.url) and login.object_id() == "told"


def test_a_wrong_password(azure: FakeAzure) -> None:
    chosen = options(azure, client_secret=Secret("wrong"))
    with pytest.raises(CloudError, match=r"cannot log in to Azure: .*Invalid client secret") as caught:
        Login(chosen, places(chosen)).headers(azure.url)
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("held", "members"),
    [("plain", {}), (json.dumps({"user": "web", "port": 5}), {"user": "web", "port": "5"})],
)
def test_a_key_vaults_secret(azure: FakeAzure, held: str, members: dict[str, str]) -> None:
    azure.vault["db"] = held
    named = {"vault_name": "main", "secret_name": "db", "client_secret": SECRET, "client_id": CLIENT}
    source = configure(KeyVaultSecretDataSource, named | {"tenant_id": TENANT, "metadata_host": azure.url})
    assert isinstance(source, KeyVaultSecretDataSource)
    source.network = Network(mirrors=Mirrors.of([("https://main.vault.example/", f"{azure.url}/")]))
    answer = source.read()
    assert (answer["value"], answer["response"]) == (held, members)
    assert {*source.secrets(answer)} == {held, *members.values()}


def test_a_secret_that_is_not_there(azure: FakeAzure) -> None:
    named = {"vault_name": "main", "secret_name": "db", "client_secret": SECRET, "client_id": CLIENT}
    source = configure(KeyVaultSecretDataSource, named | {"tenant_id": TENANT, "metadata_host": azure.url})
    assert isinstance(source, KeyVaultSecretDataSource)
    source.network = Network(mirrors=Mirrors.of([("https://main.vault.example/", f"{azure.url}/")]))
    with pytest.raises(CloudError, match="no secret `db`"):
        source.read()
