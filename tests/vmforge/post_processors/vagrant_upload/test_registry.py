"""`vagrant-registry` against a server with the API of the HCP Vagrant Box Registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.vmforge.post_processors.vagrant_upload.conftest import MakeBox, Registry
from vmforge.errors import VmforgeError
from vmforge.post_processors.vagrant_upload import VagrantRegistryPostProcessor
from vmforge.post_processors.vagrant_upload import service as service_module
from vmforge.sdk import FileArtifact, PostProcessor, Processed
from vmforge.sdk.options import secrets_of
from vmforge.sdk.testing import configure, fake_context

API = "/vagrant/2022-09-30/registry"
BOX = f"{API}/acme/box/debian"
VERSION = f"{BOX}/version/1.2.0"
PROVIDER = f"{VERSION}/provider/libvirt"
PLACE = f"{PROVIDER}/architecture/amd64"
LOGIN = {"client_id": "an-id", "client_secret": "a-secret"}
WANTED = {"box_tag": "acme/debian", "version": "1.2.0", **LOGIN}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "_PAUSE_SECONDS", 0.01)
    for name in ("HCP_CLIENT_ID", "HCP_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hcp(registry: Registry) -> Registry:
    """Lets the service principal in, and gives places to upload to."""
    storage = f"{registry.url}/storage/1"
    registry.answers |= {
        "POST /oauth2/token": {"access_token": "a-token"},
        f"GET {PLACE}/direct/upload": {"url": storage, "callback": "unused", "object": "an-object"},
        f"GET {PLACE}/upload": {"url": storage},
    }
    return registry


def upload(folder: Path, registry: Registry, box: Path, **options: Any) -> Processed:
    servers = {"hcp_api_address": registry.url, "hcp_auth_url": registry.url}
    component = configure(VagrantRegistryPostProcessor, {**WANTED, **servers, **options})
    assert isinstance(component, PostProcessor)
    return component.process(fake_context(folder), FileArtifact("x", "", (box,), "a box"))


def test_everything_is_made(tmp_path: Path, hcp: Registry, make_box: MakeBox) -> None:
    box = make_box(provider="libvirt", architecture="amd64")
    options = {"box_description": "Small.", "box_private": True, "version_description": "New."}
    processed = upload(tmp_path, hcp, box, **options)
    assert hcp.lines == [
        "POST /oauth2/token",
        f"GET {BOX}",
        f"POST {API}/acme/boxes",
        f"GET {VERSION}",
        f"POST {BOX}/versions",
        f"GET {PROVIDER}",
        f"POST {VERSION}/providers",
        f"GET {PLACE}",
        f"POST {PROVIDER}/architectures",
        f"GET {PLACE}/direct/upload",
        "PUT /storage/1",
        f"PUT {PLACE}/direct/complete/an-object",
        f"PUT {VERSION}/release",
    ]
    made = {"name": "debian", "is_private": True, "short_description": "Small."}
    assert hcp.call(f"POST {API}/acme/boxes").document == made
    assert hcp.call(f"POST {BOX}/versions").document == {"name": "1.2.0", "description": "New."}
    assert hcp.call(f"POST {VERSION}/providers").document == {"name": "libvirt"}
    assert hcp.call("PUT /storage/1").body == box.read_bytes()
    assert hcp.call("PUT /storage/1").token == ""
    assert hcp.call(f"GET {BOX}").token == "Bearer a-token"
    assert processed.keep_input
    assert processed.artifact is not None
    assert processed.artifact.builder_id == "hashicorp.post-processor.vagrant-registry"


def test_the_login(tmp_path: Path, hcp: Registry, make_box: MakeBox) -> None:
    upload(tmp_path, hcp, make_box(provider="libvirt", architecture="amd64"))
    assert hcp.calls[0].form == {
        **LOGIN,
        "grant_type": "client_credentials",
        "audience": "https://api.hashicorp.cloud",
    }


@pytest.mark.parametrize(
    ("state", "released"), [("RELEASED", False), ("ACTIVE", False), ("UNRELEASED", True)]
)
def test_what_is_there_is_not_made_again(
    tmp_path: Path, hcp: Registry, make_box: MakeBox, state: str, released: bool
) -> None:
    hcp.answers |= {f"GET {BOX}": {}, f"GET {VERSION}": {"version": {"state": state}}}
    hcp.answers |= {f"GET {PROVIDER}": {}, f"GET {PLACE}": {"architecture": {}}}
    upload(tmp_path, hcp, make_box(provider="libvirt", architecture="amd64"))
    assert not any(line.startswith("POST /vagrant") for line in hcp.lines)
    assert f"PUT {PLACE}" in hcp.lines
    assert (f"PUT {VERSION}/release" in hcp.lines) == released


def test_options(tmp_path: Path, hcp: Registry, make_box: MakeBox) -> None:
    digest = "0f" * 64
    options: dict[str, Any] = {
        "architecture": "amd64",
        "default_architecture": "arm64",
        "box_checksum": f"SHA512:{digest}",
        "no_direct_upload": True,
        "no_release": True,
        "insecure_skip_tls_verify": True,
    }
    upload(tmp_path, hcp, make_box(provider="libvirt"), **options)
    assert hcp.call(f"POST {PROVIDER}/architectures").document == {
        "architecture_type": "amd64",
        "default": False,
        "box_data": {"checksum_type": "SHA512", "checksum": digest},
    }
    assert f"GET {PLACE}/upload" in hcp.lines
    assert not any(line.endswith("/release") or "complete" in line for line in hcp.lines)


def test_a_box_that_lies_elsewhere(tmp_path: Path, hcp: Registry, make_box: MakeBox) -> None:
    box = make_box(provider="libvirt", architecture="amd64")
    upload(tmp_path, hcp, box, box_download_url="https://boxes.example/{{ .Architecture }}")
    data = hcp.call(f"POST {PROVIDER}/architectures").document["box_data"]
    assert data == {"download_url": "https://boxes.example/amd64"}
    assert not any("upload" in line for line in hcp.lines)


def test_a_login_that_is_refused(tmp_path: Path, hcp: Registry, make_box: MakeBox) -> None:
    hcp.failures = [(401, {"error": "invalid_client", "error_description": "who is that?"})]
    with pytest.raises(VmforgeError, match=r"\(401\): who is that\?") as caught:
        upload(tmp_path, hcp, make_box(provider="libvirt", architecture="amd64"))
    assert "a-secret" not in caught.value.message
    hcp.answers["POST /oauth2/token"] = {}
    with pytest.raises(VmforgeError, match="gave an answer without `access_token`"):
        upload(tmp_path, hcp, make_box(provider="libvirt", architecture="amd64"))


def test_the_login_of_the_environment(
    tmp_path: Path, hcp: Registry, make_box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"there is no login for the HCP Vagrant Box Registry"):
        configure(VagrantRegistryPostProcessor, {**WANTED, "client_secret": ""})
    monkeypatch.setenv("HCP_CLIENT_ID", "other-id")
    monkeypatch.setenv("HCP_CLIENT_SECRET", "other-secret")
    box = make_box(provider="libvirt", architecture="amd64")
    upload(tmp_path, hcp, box, client_id="", client_secret="")
    assert hcp.calls[0].form["client_id"] == "other-id"
    assert hcp.calls[0].form["client_secret"] == "other-secret"


def test_the_secret_is_a_secret() -> None:
    component = configure(VagrantRegistryPostProcessor, WANTED)
    assert list(secrets_of(component.config)) == ["a-secret"]
