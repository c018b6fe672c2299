"""Logging in to Google Cloud, in every way that the options name."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.google_cloud import EMAIL
from tests.vmforge.builders.googlecompute.harness import Harness
from vmforge.builders.googlecompute.account import GoogleAccount, Service
from vmforge.builders.googlecompute.builder import GoogleComputeBuilder
from vmforge.builders.googlecompute.login import Login
from vmforge.errors import VmforgeError
from vmforge.sdk import Secret, Value
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.network import Network, NetworkRefused
from vmforge.sdk.testing import configure

# the user's own file may say which kind of login it is
pytestmark = pytest.mark.filterwarnings("ignore:The load_credentials_from_dict method:DeprecationWarning")


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, form, serialization.NoEncryption()).decode()


def service_account(harness: Harness) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "acme",
            "client_email": EMAIL,
            "private_key": private_key(),
            "token_uri": f"{harness.google.url}/token",
        }
    )


@pytest.fixture(autouse=True)
def no_login_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("PATH", str(tmp_path))


def authorizations(harness: Harness) -> set[str]:
    return {request.headers["Authorization"] for request in harness.google.requests}


@pytest.mark.parametrize("option", ["credentials_file", "account_file", "credentials_json", "environment"])
def test_a_service_account(harness: Harness, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, text = harness.folder / "key.json", service_account(harness)
    path.write_text(text)
    if option == "environment":
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        options: dict[str, Value] = {}
    else:
        options = {option: text if option.endswith("json") else str(path)}
    redacted: list[str] = []
    harness.build(harness.context(redact=redacted.extend), access_token=None, **options)
    assert authorizations(harness) == {"Bearer ya29.token-1"}
    assert redacted == ["ya29.token-1"]


@pytest.mark.parametrize("by_token", [True, False])
def test_impersonation(harness: Harness, by_token: bool) -> None:
    login: dict[str, Value] = {"impersonate_service_account": "other@acme.iam.gserviceaccount.com"}
    if not by_token:
        login |= {"access_token": None, "credentials_json": service_account(harness)}
    harness.build(**login)
    assert authorizations(harness) == {"Bearer impersonated"}


def test_a_quota_project(harness: Harness) -> None:
    harness.build(quota_project="payer")
    assert {request.headers["X-Goog-User-Project"] for request in harness.google.requests} == {"payer"}


def test_there_is_no_login(harness: Harness) -> None:
    with pytest.raises(CloudError, match="Google Cloud: there is no login") as caught:
        harness.build(access_token=None)
    assert "gcloud auth application-default login" in caught.value.hint


def test_a_login_that_google_refuses(harness: Harness) -> None:
    harness.google.revoked = True
    with pytest.raises(CloudError, match="Google Cloud refuses the login: invalid_grant"):
        harness.build(access_token=None, credentials_json=service_account(harness))


@pytest.mark.parametrize("text", ["not json", "{}", '{"type": "else"}', '{"type": "service_account"}'])
def test_credentials_that_are_none(harness: Harness, text: str) -> None:
    with pytest.raises(CloudError, match="Google Cloud: there is no login"):
        harness.build(access_token=None, credentials_json=text)


def test_offline_nobody_is_asked_for_a_token() -> None:
    login = Login(GoogleAccount(), Network(offline=True), lambda secrets: None)
    with pytest.raises(NetworkRefused):
        login.token()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "google.auth", None)
    login = Login(GoogleAccount(), Network(), lambda secrets: None)
    with pytest.raises(VmforgeError, match=r"the library `google.auth` is not installed") as caught:
        login.token()
    assert "vmforge[google]" in caught.value.hint


@pytest.mark.parametrize(
    ("service", "endpoint", "universe", "base"),
    [
        (Service.COMPUTE, "", "", "https://compute.googleapis.com/compute/v1"),
        (Service.COMPUTE, "", "cloud.example", "https://compute.cloud.example/compute/v1"),
        (Service.COMPUTE, "https://c.example", "", "https://c.example/compute/v1"),
        (Service.COMPUTE, "https://c.example/compute/beta/", "", "https://c.example/compute/beta"),
        (Service.OAUTH2, "", "", "https://www.googleapis.com/oauth2/v3"),
        (Service.OS_LOGIN, "", "", "https://oslogin.googleapis.com/v1"),
        (Service.STORAGE, "", "", "https://storage.googleapis.com"),
    ],
)
def test_where_apis_are(service: Service, endpoint: str, universe: str, base: str) -> None:
    endpoints = {service.value: endpoint} if endpoint else {}
    account = GoogleAccount(access_token=Secret("t"), custom_endpoints=endpoints, universe_domain=universe)
    assert account.base_of(service) == base


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"vault_gcp_oauth_engine": "gcp/token/x"}, "`vault_gcp_oauth_engine` is not supported"),
        ({"credentials_file": "none.json"}, "there is no file `none.json`"),
        ({"credentials_file": "/dev/null", "credentials_json": "{}"}, "are both set"),
        ({"custom_endpoints": {"storag": "https://x"}}, "there is no API `storag`"),
    ],
)
def test_logins_that_cannot_work(options: dict[str, Value], said: str) -> None:
    values: dict[str, Value] = {"project_id": "acme", "zone": "z-a", "source_image": "i", **options}
    with pytest.raises(ValueError, match=said):
        configure(GoogleComputeBuilder, values)
